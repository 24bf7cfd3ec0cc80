"""Arrays of one PoseTrack video, regardless of which of the two file formats it came from.

The 2017 format (`annolist`, posetrack17.py) and the 2018 format (COCO-like, posetrack18.py) hold the same data under
different names. Both are used for ground truth and for submissions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

JOINT_NAMES = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "nose",
    "head_top",
)
"""The 15 scored joints, ordered by their id in 2017 files."""

KEYPOINT_NAMES = (
    "nose",
    "head_bottom",
    "head_top",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""The 17 keypoints of 2018 files, in the order of the network's channels. The ears are never labeled."""

KEYPOINT_OF_JOINT = tuple(KEYPOINT_NAMES.index("head_bottom" if name == "neck" else name) for name in JOINT_NAMES)
"""Index of each joint among the 17 keypoints: `keypoints[:, KEYPOINT_OF_JOINT]` is ordered by joint id."""

NO_SCORE = -9999.0
"""Score that the official tool (poseval) assigns to a joint without one."""


@dataclass
class VideoAnnotations:
    """The F frames and P people of one file.

    People are sorted by frame, and within a frame in file order. Coordinates are in pixels, as in the file. Missing
    values are NaN, and missing ids are -1.

    Attributes:
        name: Stem of the file name, the same for ground truth and prediction.
        frame_names: F image names, as in the file.
        image_ids: F values: the `id` of each image (2018), or its index in the file (2017).
        frame_labeled: (F,) bool, `is_labeled`; if missing, a frame is labeled if it has people.
        nframes: Number of frames in the video, which may be more than the file lists.
        ignore_regions: For each frame, the polygons in which nothing is scored, each (n, 2) float64.
        person_frame: (P,) int, index into the frames.
        has_joint_list: (P,) bool, False for a person without a list of joints, as opposed to an empty list.
        joints: (P, 15, 2) float64 x, y in the order of JOINT_NAMES; 0 where a joint is not `present`. (P, J, 2) in the
            requested order for a COCO-style file with other joints.
        present: (P, 15) bool, True if the joint is given: it is in the list (2017), or x, y, v are not all 0 (2018).
        labeled: (P, 15) bool, True if the joint is annotated: same as `present` (2017), or v > 0 (2018).
        scores: (P, 15) float64 scores of the joints; NO_SCORE if missing.
        person_scores: (P,) float64 scores of the people.
        track_ids: (P,) int64, unique within a frame of a valid file.
        annotation_ids: (P,) int64, the `id` of each annotation; COCO-style files only.
        head_boxes: (P, 4) float64 x1, y1, x2, y2.
        boxes: (P, 4) float64 x, y, width, height; 2018 only.
        crowd: (P,) bool, `iscrowd`: the annotation is not a single person; 2018 only.
    """

    name: str
    frame_names: list[str]
    image_ids: list[int]
    frame_labeled: np.ndarray
    nframes: int
    ignore_regions: list[list[np.ndarray]]
    person_frame: np.ndarray
    has_joint_list: np.ndarray
    joints: np.ndarray
    present: np.ndarray
    labeled: np.ndarray
    scores: np.ndarray
    person_scores: np.ndarray
    track_ids: np.ndarray
    annotation_ids: np.ndarray
    head_boxes: np.ndarray
    boxes: np.ndarray
    crowd: np.ndarray


PERSON_ARRAYS = (
    "person_frame",
    "has_joint_list",
    "joints",
    "present",
    "labeled",
    "scores",
    "person_scores",
    "track_ids",
    "annotation_ids",
    "head_boxes",
    "boxes",
    "crowd",
)
"""The arrays of a VideoAnnotations that have one row per person."""


def take_frames(video: VideoAnnotations, frames: Sequence[int]) -> VideoAnnotations:
    """Return a video with only the given frames and the people in them.

    Args:
        video: The video.
        frames: Indices of the frames, in ascending order.

    Returns:
        The new video.
    """
    places = np.full(len(video.frame_names), -1)
    places[list(frames)] = np.arange(len(frames))
    people = take_people(video, np.flatnonzero(places[video.person_frame] >= 0))
    return replace(
        people,
        frame_names=[video.frame_names[frame] for frame in frames],
        image_ids=[video.image_ids[frame] for frame in frames],
        frame_labeled=video.frame_labeled[list(frames)],
        ignore_regions=[video.ignore_regions[frame] for frame in frames],
        person_frame=places[people.person_frame],
    )


def take_people(video: VideoAnnotations, rows: Sequence[int] | np.ndarray) -> VideoAnnotations:
    """Return a video with only the given people.

    Args:
        video: The video.
        rows: Indices of the people, in the new order.

    Returns:
        The new video.
    """
    return replace(video, **{name: getattr(video, name)[list(rows)] for name in PERSON_ARRAYS})
