"""One PoseTrack video as arrays, whichever of the two file forms it came from.

The forms of 2017 (`annolist`, posetrack17.py) and 2018 (COCO-like, posetrack18.py) hold the same things under other
names; both serve as ground truth and as submission.
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
"""The 15 scored joints, by their id in the files of 2017."""

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
"""The 17 keypoints of the files of 2018, in the order of the net's channels; the ears are never labelled."""

KEYPOINT_OF_JOINT = tuple(KEYPOINT_NAMES.index("head_bottom" if name == "neck" else name) for name in JOINT_NAMES)
"""Per joint id its place among the 17 keypoints: `keypoints[:, KEYPOINT_OF_JOINT]` is in the order of ids."""

NO_SCORE = -9999.0
"""What the official tool (poseval) takes for the score of a joint that has none."""


@dataclass
class VideoAnnotations:
    """The F frames and P persons of one file. Persons are sorted by frame, within a frame in the file's order.

    Coordinates are pixels as the file gives them. What a file does not say is NaN, or -1 for an id.

    Attributes:
        name: the file's stem, the same for ground truth and prediction.
        frame_names: (F) image names, as in the file.
        image_ids: (F) the `id` of each image (2018), or its position in the file (2017).
        frame_labeled: (F,) bool, `is_labeled`; a frame that does not say is labelled if it has persons.
        nframes: frames of the video, which may be more than the file lists.
        ignore_regions: per frame the polygons, each (n, 2) float64, in which nothing is scored.
        person_frame: (P,) int, index into the frames.
        has_points: (P,) bool, False for a person without any list of joints, which is less than an empty list.
        points: (P, 15, 2) float64 x, y in the order of JOINT_NAMES; 0 where a joint is not `present`. Of a COCO-style
            file with other joints (P, J, 2), as they were asked for.
        present: (P, 15) bool, the joint counts as given: it is in the list (2017), or not all of x, y, v are 0 (2018).
        labeled: (P, 15) bool, the joint is annotated: as `present` (2017), or v > 0 (2018).
        scores: (P, 15) float64 scores of the joints, NO_SCORE where there is none.
        person_scores: (P,) float64.
        track_ids: (P,) int64, unique within a frame of a good file.
        annotation_ids: (P,) int64, the `id` of each annotation; COCO-style files only.
        head_boxes: (P, 4) float64 x1, y1, x2, y2.
        boxes: (P, 4) float64 x, y, width, height; 2018 only.
        crowd: (P,) bool, `iscrowd`: not one person; 2018 only.
    """

    name: str
    frame_names: list[str]
    image_ids: list[int]
    frame_labeled: np.ndarray
    nframes: int
    ignore_regions: list[list[np.ndarray]]
    person_frame: np.ndarray
    has_points: np.ndarray
    points: np.ndarray
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
    "has_points",
    "points",
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
"""The arrays of a VideoAnnotations that have a row per person."""


def take_frames(video: VideoAnnotations, frames: Sequence[int]) -> VideoAnnotations:
    """The video as if it had these frames alone, by ascending index, with the people in them."""
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


def take_people(video: VideoAnnotations, rows: Sequence[int]) -> VideoAnnotations:
    """The video with these of its people, in this order."""
    return replace(video, **{name: getattr(video, name)[list(rows)] for name in PERSON_ARRAYS})
