"""Small video files of two moving animals of four joints, with their labels and boxes, for the soak_*.py scripts."""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.formats.coco_records import category_record
from lib.frames.video_writer import VideoWriter
from lib.utils.files import write_json

JOINTS = ("nose", "left_ear", "right_ear", "tail")
WIDTH, HEIGHT = 160, 120
TRACKS = (0, 1)


def joints(frame: int, track: int) -> np.ndarray:
    """Return the (4, 2) joints of an animal, which moves along a circle."""
    angle = 0.05 * frame + np.pi * track
    center = np.array([80 + 40 * np.cos(angle), 60 + 25 * np.sin(angle)])
    return center + np.array([[0, -16], [-11, -3], [11, -3], [0, 18]])


def draw(frame: int) -> np.ndarray:
    """Return a frame."""
    noise = np.random.default_rng(0).integers(60, 130, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    image = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for track in TRACKS:
        for joint, (x, y) in enumerate(joints(frame, track)):
            cv2.circle(image, (round(x), round(y)), 5, (60 * joint + 40, 255 - 50 * joint, 120 * track + 60), -1)
    return image


def write_clip(path: Path, frames: int, labels: Path | None = None, labeled: Sequence[int] = ()) -> None:
    """Write a video, and a file of the labels of some of its frames.

    Args:
        path: Video file to write.
        frames: Number of frames.
        labels: File of labels to write; None for none.
        labeled: Numbers of the labeled frames.
    """
    with VideoWriter(path, (WIDTH, HEIGHT), 25) as video:
        for frame in range(frames):
            video.write(draw(frame))
    if labels:
        people = [(frame, track) for frame in labeled for track in TRACKS]
        annotations = [
            {"id": row, "image_id": frame, "category_id": 1, "track_id": track, "keypoints": keypoints(frame, track)}
            for row, (frame, track) in enumerate(people)
        ]
        images = [{"id": frame, "file_name": f"{path.name}#{frame}", "frame_id": frame} for frame in labeled]
        categories = [category_record(JOINTS, "animal", [])]
        write_json(labels, {"images": images, "annotations": annotations, "categories": categories})


def keypoints(frame: int, track: int) -> list[float]:
    """Return x, y and 2 for each joint of an animal."""
    return [float(value) for x, y in joints(frame, track) for value in (x, y, 2)]


def write_boxes(path: Path, frames: int) -> None:
    """Write a file of boxes around the animals."""
    boxes = []
    for frame in range(frames):
        for track in TRACKS:
            low, high = joints(frame, track).min(axis=0) - 8, joints(frame, track).max(axis=0) + 8
            box = [*low.tolist(), *(high - low).tolist()]
            boxes.append({"image_id": frame, "category_id": 1, "bbox": box, "score": 0.9})
    write_json(path, boxes)
