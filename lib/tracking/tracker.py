"""Greedy tracking: links poses to the most similar ones of earlier frames, as in Xiao et al. (ECCV 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.formats.tracked_poses import TrackedPose
from lib.nms import oks_iou

MIN_SIMILARITY = 0.1  # of a person's poses in consecutive frames; low, because moving arms and crouching change boxes
MEMORY = 15  # number of frames after which a person who is out of sight is forgotten


@dataclass(frozen=True)
class _Seen:
    frame: int
    pose: TrackedPose


class Tracker:
    """Links the poses of a video frame by frame.

    The similarity of two poses is the mean of their OKS, over the joints that both have, and the IoU of their boxes.

    Args:
        sigmas: (J,) OKS constants; if empty, only the boxes are compared.
    """

    def __init__(self, sigmas: Sequence[float]) -> None:
        self._sigmas = np.asarray(sigmas, dtype=np.float64)
        self._seen: dict[int, _Seen] = {}  # recently seen people by track
        self._next = 0

    def link(self, frame: int, poses: Sequence[TrackedPose]) -> list[TrackedPose]:
        """Return poses with track ids: those of the most similar earlier poses, or new ones, counted from 0.

        Args:
            frame: Number of the frame, higher than those of earlier calls.
            poses: Poses of the frame.
        """
        self._forget(frame)
        tracks = list(self._seen)
        alike = np.array([[self._alike(pose, self._seen[track].pose) for track in tracks] for pose in poses])
        alike = alike.reshape(len(poses), len(tracks))
        found: dict[int, int] = {}
        for index in np.argsort(-alike, axis=None, kind="stable").tolist():
            pose, column = divmod(index, len(tracks))
            if alike[pose, column] < MIN_SIMILARITY:
                break
            if pose not in found and tracks[column] not in found.values():
                found[pose] = tracks[column]
        linked = []
        for index, pose in enumerate(poses):
            linked.append(replace(pose, track=found.get(index, self._next)))
            self._next += index not in found
        self.recall(frame, linked)
        return linked

    def recall(self, frame: int, poses: Sequence[TrackedPose]) -> None:
        """Record poses that already have track ids as the last ones seen, for example when continuing a run.

        Args:
            frame: Number of the frame.
            poses: Poses of the frame.
        """
        self._forget(frame)
        for pose in poses:
            self._seen[pose.track] = _Seen(frame, pose)
            self._next = max(self._next, pose.track + 1)

    def _forget(self, frame: int) -> None:
        self._seen = {track: seen for track, seen in self._seen.items() if frame - seen.frame <= MEMORY}

    def _alike(self, pose: TrackedPose, other: TrackedPose) -> float:
        overlap = box_iou(pose.box, other.box)
        if not len(self._sigmas):
            return overlap
        joints = (pose.scores > 0) & (other.scores > 0)
        if not joints.any():
            return overlap / 2
        area, other_area = np.prod(pose.box[2:]), np.prod(other.box[2:], keepdims=True)
        (oks,) = oks_iou(pose.joints[joints], other.joints[joints][None], area, other_area, self._sigmas[joints])
        return (overlap + float(oks)) / 2


def box_iou(box: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two boxes x, y, w, h, or 0 if both are empty."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(box[2:]) + np.prod(other[2:])) - shared
    return shared / union if union > 0 else 0.0
