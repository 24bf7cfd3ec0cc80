"""Poses of tracked people, and their records in files of poses."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

COLORS = "colors"
"""Key of the colors of a pose in the file of a run in progress."""


@dataclass(frozen=True, kw_only=True)
class TrackedPose:
    """One person in one frame, with numbers rounded as in the file.

    Attributes:
        box: (4,) x, y, w, h in pixels.
        box_score: Score of the box, from the detector.
        joints: (J, 2) x, y in pixels; (0, 0) where the score is not above 0.
        scores: (J,) scores of the joints.
        score: Score of the person.
        track: Number of the person in the video; −1 until it is known.
        filled: True if the box was not detected but carried from the frame before (lib.tracking.filling).
        colors: (J, 3) colors around the joints, for the tracker (lib.tracking.similarity); None if it does not use
            them. A run in progress keeps them, the finished file does not.
    """

    box: np.ndarray
    box_score: float
    joints: np.ndarray
    scores: np.ndarray
    score: float
    track: int = -1
    filled: bool = False
    colors: np.ndarray | None = None

    @classmethod
    def rounded(
        cls, box: np.ndarray, box_score: float, joints: np.ndarray, scores: np.ndarray, score: float
    ) -> "TrackedPose":
        """Create a pose with the precision of the file: 3 decimals for pixels, 4 for scores.

        Args:
            box: (4,) x, y, w, h in pixels.
            box_score: Score of the box.
            joints: (J, 2) x, y in pixels.
            scores: (J,) scores of the joints.
            score: Score of the person.

        Returns:
            The pose.
        """
        scores = np.round(np.asarray(scores, dtype=np.float64), 4)
        joints = np.where(scores[:, None] > 0, np.round(np.asarray(joints, dtype=np.float64), 3), 0.0)
        box = np.round(np.asarray(box, dtype=np.float64), 3)
        return cls(
            box=box,
            box_score=round(float(box_score), 4),
            joints=joints,
            scores=scores,
            score=round(float(score), 4),
        )


@dataclass(frozen=True, kw_only=True)
class FramePoses:
    """The results of one frame.

    Attributes:
        number: Number of the frame, from 0.
        poses: Poses of its people.
        damaged: True if the frame could not be decoded, so that no people were detected.
        replaced: Number of neighboring frames that were replaced by others, counted once per person.
        left_out: Number of unused boxes by reason.
    """

    number: int
    poses: Sequence[TrackedPose] = ()
    damaged: bool = False
    replaced: int = 0
    left_out: Counter = field(default_factory=Counter)


def frame_record(frame: FramePoses) -> dict[str, Any]:
    """Return the record of a frame, plain JSON."""
    people = [pose_record(pose) for pose in frame.poses]
    counts = {"damaged": frame.damaged, "replaced": frame.replaced, "left_out": dict(frame.left_out)}
    return {"frame": frame.number, "people": people, **counts}


def frame_from_record(record: dict[str, Any]) -> FramePoses:
    """Return the frame of a record from `frame_record`."""
    poses = [pose_from_record(person) for person in record["people"]]
    return FramePoses(
        number=record["frame"],
        poses=poses,
        damaged=record["damaged"],
        replaced=record["replaced"],
        left_out=Counter(record["left_out"]),
    )


def pose_record(pose: TrackedPose) -> dict[str, Any]:
    """Return the record of a pose with the keys of a COCO-style file, without ids."""
    found = pose.scores > 0
    return {
        "track_id": pose.track,
        "keypoints": np.column_stack([pose.joints, 2 * found]).ravel().tolist(),
        "num_keypoints": int(found.sum()),
        "scores": pose.scores.tolist(),
        "score": pose.score,
        "bbox": pose.box.tolist(),
        "bbox_score": pose.box_score,
        "area": round(float(pose.box[2] * pose.box[3]), 3),
        "iscrowd": 0,
        **({"filled": True} if pose.filled else {}),
        **({} if pose.colors is None else {COLORS: pose.colors.tolist()}),
    }


def pose_from_record(person: dict[str, Any]) -> TrackedPose:
    """Return the pose of a record from `pose_record`."""
    return TrackedPose(
        box=np.array(person["bbox"], dtype=np.float64),
        box_score=person["bbox_score"],
        joints=np.array(person["keypoints"], dtype=np.float64).reshape(-1, 3)[:, :2],
        scores=np.array(person["scores"], dtype=np.float64),
        score=person["score"],
        track=person["track_id"],
        filled=person.get("filled", False),
        colors=np.array(person[COLORS], dtype=np.float64) if COLORS in person else None,
    )
