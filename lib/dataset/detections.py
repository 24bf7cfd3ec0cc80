"""People in detected boxes."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from pathlib import PurePosixPath

import numpy as np

from lib.dataset.frame_names import existing_folder
from lib.dataset.images import Listed
from lib.dataset.people import Person
from lib.dataset.video_people import ABSENT, DAMAGED, NUM_JOINTS, OUTSIDE, Folders, PoseTrack
from lib.formats.boxes import DetectedBox
from lib.formats.posetrack_set import unlabeled_video, video_names
from lib.formats.video_annotations import VideoAnnotations
from lib.frames.store import DamagedImageError, ImageStore
from lib.nms import nms
from lib.pose.crop import box_to_center_scale, overlaps_image
from lib.utils.errors import InputError
from lib.utils.files import frame_number


def detected_people(
    videos: Sequence[VideoAnnotations],
    boxes: Sequence[DetectedBox],
    files: Folders | Listed,
    *,
    aspect_ratio: float,
    nms_threshold: float,
    num_joints: int = NUM_JOINTS,
) -> PoseTrack:
    """Return people in detected boxes, which are not clipped.

    Args:
        videos: Annotations of each video.
        boxes: Detected boxes.
        files: Finder of the frames.
        aspect_ratio: Width / height of the crops.
        nms_threshold: IoU in a frame above which the box with the lower score is left out; 1 to keep all boxes.
        num_joints: Number of joints of the net.

    Raises:
        InputError: A frame with boxes does not exist, or several frames have the image id of a box.
    """
    by_frame, dropped = _boxes_by_frame(videos, boxes, files)
    people = []
    for v, frame in sorted(by_frame):
        if frame in files.absent:
            dropped[ABSENT] += len(by_frame[v, frame])
            continue
        source, number = files.find(v, videos[v], frame)
        try:
            size = source.size(number)
        except DamagedImageError:
            dropped[DAMAGED] += len(by_frame[v, frame])
            continue
        kept, others = usable_boxes(by_frame[v, frame], *size, nms_threshold)
        dropped.update(others)
        people += [person_in_box(box, v, frame, number, aspect_ratio, num_joints) for box in kept]
    return PoseTrack(videos=videos, people=people, frames=files.found, dropped=dropped)


def usable_boxes(
    boxes: Sequence[DetectedBox], width: int, height: int, nms_threshold: float
) -> tuple[list[DetectedBox], Counter[str]]:
    """Return the usable boxes of an image, and the number of boxes that were left out, by reason.

    Args:
        boxes: Detected boxes in the image.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        nms_threshold: IoU above which the box with the lower score is left out; 1 to keep all boxes.
    """
    inside = [box for box in boxes if overlaps_image(box.box, width, height)]
    kept = _suppress(inside, nms_threshold)
    reasons = {OUTSIDE: len(boxes) - len(inside)}
    return kept, Counter(reasons | {"suppressed by a better box": len(inside) - len(kept)})


def person_in_box(
    box: DetectedBox, video: int, frame: int, number: int, aspect_ratio: float, num_joints: int
) -> Person:
    """Return a person without labels in a detected box, which is not clipped.

    Args:
        box: Detected box.
        video: Index of the video.
        frame: Index of the frame among the annotated frames of the video.
        number: Number of the frame among the files of the video.
        aspect_ratio: Width / height of the crop.
        num_joints: Number of joints of the net.
    """
    center, scale = box_to_center_scale(box.box, aspect_ratio)
    return Person(
        video=video,
        frame=frame,
        number=number,
        center=center,
        scale=scale,
        box_score=box.score,
        joints=np.zeros((num_joints, 2)),
        labeled=np.zeros(num_joints, dtype=bool),
        box=np.asarray(box.box, dtype=np.float64),
    )


def videos_of(boxes: Sequence[DetectedBox], store: ImageStore) -> list[VideoAnnotations]:
    """Return the videos of boxes, with all of their frames on disk.

    Args:
        boxes: Detected boxes.
        store: Store of the images.

    Raises:
        InputError: The boxes have image ids instead of names, or a frame does not exist.
    """
    num_frames: dict[str, int] = {}
    for box in boxes:
        if not isinstance(box.image, str):
            raise InputError("the boxes name images by id: set DATASET.TEST_ANNOTATIONS to the file that lists the ids")
        folder = existing_folder(store, box.image)
        if frame_number(box.image) not in map(frame_number, store.list(folder)):
            raise InputError(f"{store.root / folder}: no frame {box.image.rpartition('/')[2]}, which has a box")
        num_frames[folder] = max(num_frames.get(folder, 0), box.num_frames)
    folders = sorted(num_frames)
    names = video_names(folders, nameless=store.root.resolve().name)
    return [
        unlabeled_video(name, [str(PurePosixPath(folder, file)) for file in store.list(folder)], num_frames[folder])
        for folder, name in zip(folders, names, strict=True)
    ]


def _boxes_by_frame(
    videos: Sequence[VideoAnnotations], boxes: Sequence[DetectedBox], files: Folders | Listed
) -> tuple[dict[tuple[int, int], list[DetectedBox]], Counter[str]]:
    """Return the boxes by video and frame, and the number of boxes in images that are not annotated."""
    places: dict[Hashable, tuple[int, int]] = {}
    shared_ids: set[int] = set()
    for v, video in enumerate(videos):
        for f, (name, image_id) in enumerate(zip(video.frame_names, video.image_ids, strict=True)):
            places[files.key(name)] = v, f
            if image_id in places:
                shared_ids.add(image_id)
            places[image_id] = v, f
    by_frame: dict[tuple[int, int], list[DetectedBox]] = defaultdict(list)
    dropped: Counter[str] = Counter()
    for box in boxes:
        place = places.get(files.key(box.image) if isinstance(box.image, str) else box.image)
        if box.image in shared_ids:
            raise InputError(f"several frames have the image_id {box.image} of a box; use a box file with image_name")
        if place is None:
            dropped["of images that the annotations do not list"] += 1
        else:
            by_frame[place].append(box)
    return by_frame, dropped


def _suppress(boxes: list[DetectedBox], threshold: float) -> list[DetectedBox]:
    if threshold >= 1 or not boxes:
        return boxes
    # lib.nms counts the last pixel in: a box of width w ends at x + w − 1.
    corners = np.array([(*box.box[:2], *(box.box[:2] + box.box[2:] - 1), box.score) for box in boxes])
    return [boxes[index] for index in sorted(nms(corners, threshold))]
