"""Picture strips of one person in a video: a column for each frame, a row for each file of poses."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lib.formats.posetrack_set import read_video
from lib.formats.video_annotations import VideoAnnotations
from lib.frames.store import ImageStore
from lib.pose.draw import stack
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, frame_number
from lib.visualization.poses import draw_people

MARGIN = 0.25
"""Margin around the person, as a share of the longer side of the joints' box."""
MIN_HALF = 10
"""Smallest half side of a window, in pixels, for a person with a single joint."""
HEIGHT = 220
"""Height of a picture in pixels."""
MIN_SCORE = 0.2
"""Minimum score of an estimated joint to draw."""


def write_strip(
    out: Path,
    annotations: Path,
    predictions: Sequence[Path],
    store: ImageStore,
    *,
    frames: Sequence[int],
    track: int,
) -> None:
    """Write the picture strip of a person as a PNG file.

    Args:
        out: Path to the file to write.
        annotations: PoseTrack file of the video, which defines the windows; its row is the first one.
        predictions: Files of poses of the same video, `<name>/<split>/<video>.json`.
        store: Images of the video.
        frames: Numbers of the frames.
        track: Track id of the person.

    Raises:
        InputError: A file cannot be read or lacks a frame, or the person is not labeled in a frame.
    """
    truth = read_video(annotations)
    indices = [_index(truth, number, annotations) for number in frames]
    images = [store.read(truth.frame_names[index]) for index in indices]
    windows = _windows(truth, indices, track)
    pictures = []
    for path in (annotations, *predictions):
        video = truth if path == annotations else read_video(path)
        name = "label" if video is truth else path.resolve().parents[1].name.removeprefix("propagate-")
        for number, index, image, window in zip(frames, indices, images, windows, strict=True):
            own = _index(video, frame_number(truth.frame_names[index]), path)
            picture = _cut(draw_people(image, video, own, MIN_SCORE if video is not truth else -np.inf), window)
            pictures.append(_captioned(picture, f"{name} {number}" if number == frames[0] else str(number)))
    with atomic_path(out) as temporary:
        temporary.write_bytes(cv2.imencode(".png", stack(pictures, len(indices)))[1].tobytes())


def _index(video: VideoAnnotations, number: int | None, path: object) -> int:
    """Return the index of a frame among those of a file."""
    numbers = [frame_number(name) for name in video.frame_names]
    if number not in numbers:
        raise InputError(f"{path}: there is no frame {number}")
    return numbers.index(number)


def _windows(video: VideoAnnotations, frames: list[int], track: int) -> np.ndarray:
    """Return (F, 4) windows around a person's joints: center, then half width and half height, shared by all frames."""
    boxes = []
    for frame in frames:
        (rows,) = np.nonzero((video.person_frame == frame) & (video.track_ids == track))
        if not len(rows) or not video.labeled[rows[0]].any():
            raise InputError(f"{video.frame_names[frame]}: track {track} is not labeled; see --track and --frames")
        joints = video.joints[rows[0]][video.labeled[rows[0]]]
        boxes.append([*joints.min(axis=0), *joints.max(axis=0)])
    corners = np.array(boxes)
    centers = (corners[:, :2] + corners[:, 2:]) / 2
    half = (corners[:, 2:] - corners[:, :2]).max(axis=0) / 2
    half = np.maximum(half + MARGIN * half.max(), MIN_HALF)
    return np.hstack([centers, np.tile(half, (len(frames), 1))])


def _cut(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Crop an image to the window, HEIGHT pixels high; black outside the image."""
    x, y, half_width, half_height = window
    scale = HEIGHT / (2 * half_height)
    matrix = np.array([[scale, 0, (half_width - x) * scale], [0, scale, (half_height - y) * scale]])
    return cv2.warpAffine(image, matrix, (round(2 * half_width * scale), HEIGHT))


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        picture = cv2.putText(picture, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, thickness, cv2.LINE_AA)
    return picture
