"""Box propagation: people whom the detector missed are looked for where their last pose is carried to.

Xiao et al. (ECCV 2018) add the boxes of all carried poses to those of the detector and suppress the worse of both. Here
only people without a pose in the frame are carried, so all others cost nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.formats.tracked_poses import TrackedPose
from lib.tracking.similarity import PoseArrays, box_iou, pose_similarities
from lib.tracking.tracker import Carry, Tracker

MIN_SEEN = 3
"""Number of frames in which a person must have been detected."""
MAX_OVERLAP = 0.6
"""IoU with the box of another pose of the frame above which a carried box is dropped."""
MIN_SIMILARITY = 0.4
"""Minimum similarity of the pose found in a carried box to the carried pose, and maximum to another pose."""
MIN_SCORE_SHARE = 0.6
"""Minimum mean joint score, as a share of that of the last detected pose."""

EstimateBoxes = Callable[[Sequence[TrackedPose]], list[TrackedPose]]
"""Function from poses carried to a frame to the poses found in their boxes, in the same order."""


@dataclass(frozen=True)
class _Record:
    """Attributes: numbers of frames in which a person was detected, and was filled since; mean joint score if seen."""

    detected: int = 0
    filled: int = 0
    score: float = 0.0

    def after(self, pose: TrackedPose) -> "_Record":
        """Return the record after another pose."""
        if pose.filled:
            return replace(self, filled=self.filled + 1)
        return _Record(self.detected + 1, 0, float(pose.scores.mean()))


class GapFiller:
    """Finds tracked people in frames in which no box was detected for them.

    Args:
        tracker: Tracker of the video. Poses that are found are added to it.
        sigmas: (J,) OKS constants; if empty, only the boxes are compared.
        max_frames: Maximum number of frames in a row in which a person is filled.
    """

    def __init__(self, tracker: Tracker, sigmas: Sequence[float], max_frames: int) -> None:
        self._tracker = tracker
        self._sigmas = np.asarray(sigmas, dtype=np.float64)
        self._max_frames = max_frames
        self._records: dict[int, _Record] = {}

    def recall(self, poses: Sequence[TrackedPose]) -> None:
        """Add the poses of a frame that have track ids, for example when continuing a run.

        Args:
            poses: Poses of the frame, detected or filled.
        """
        for pose in poses:
            self._records[pose.track] = self._records.get(pose.track, _Record()).after(pose)

    def fill(
        self, frame: int, poses: Sequence[TrackedPose], estimate: EstimateBoxes, carry: Carry | None = None
    ) -> list[TrackedPose]:
        """Return the poses of people who were seen in the frame before and have no pose in this one.

        Args:
            frame: Number of the frame.
            poses: Poses of the frame, already linked.
            estimate: Estimates poses in the boxes of carried ones.
            carry: Carries poses of the frame before to this frame; None: by their velocity.
        """
        self.recall(poses)
        carried = [pose for pose in self._tracker.missing(frame, carry) if self._may_fill(pose.track)]
        carried = _without_overlaps(carried, poses)
        if not carried:
            return []
        found = [
            replace(pose, track=start.track, filled=True)
            for pose, start in zip(estimate(carried), carried, strict=True)
            if self._is_same(pose, start)
        ]
        kept: list[TrackedPose] = []
        for pose in found:
            others = [*poses, *kept]
            if not others or self._similarities([pose], others).max() < MIN_SIMILARITY:
                kept.append(pose)
        self._tracker.recall(frame, kept)
        self.recall(kept)
        return kept

    def _may_fill(self, track: int) -> bool:
        record = self._records.get(track, _Record())
        return record.detected >= MIN_SEEN and record.filled < self._max_frames

    def _is_same(self, pose: TrackedPose, carried: TrackedPose) -> bool:
        """Return True if the pose found in a carried box is that of the carried person."""
        enough = MIN_SCORE_SHARE * self._records[carried.track].score
        return bool(pose.scores.mean() >= enough and self._similarities([pose], [carried])[0, 0] >= MIN_SIMILARITY)

    def _similarities(self, first: Sequence[TrackedPose], second: Sequence[TrackedPose]) -> np.ndarray:
        return pose_similarities(PoseArrays.stack(first), PoseArrays.stack(second), self._sigmas)


def _without_overlaps(carried: Sequence[TrackedPose], poses: Sequence[TrackedPose]) -> list[TrackedPose]:
    """Return the carried poses whose boxes overlap little with those of the frame and of better carried poses."""
    kept: list[TrackedPose] = []
    for pose in sorted(carried, key=lambda pose: -pose.box_score):
        others = [other.box for other in (*poses, *kept)]
        if not others or box_iou(pose.box[None], np.stack(others)).max() <= MAX_OVERLAP:
            kept.append(pose)
    return kept
