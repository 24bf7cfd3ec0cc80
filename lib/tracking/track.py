"""The state of one track, and how its poses are moved."""

from dataclasses import dataclass, field, replace

import numpy as np

from lib.formats.video_poses import TrackedPose

VELOCITY_GAIN = 0.5
"""Weight of the newest displacement in the velocity of a track."""
DAMPING = 0.9
"""Factor on the velocity for each frame in which the person is not seen."""
COLOR_GAIN = 0.2
"""Weight of the newest colors in those of a track."""


@dataclass
class Track:
    """State of a track.

    Attributes:
        id: Number of the track.
        poses: Its last poses with their frames, the newest first.
        velocity: (2,) pixels per frame.
        count: Number of all poses.
        colors: (J, 3) colors around the joints; None if unknown.
    """

    id: int
    poses: list[tuple[int, TrackedPose]] = field(default_factory=list)
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    count: int = 0
    colors: np.ndarray | None = None

    def gap(self, frame: int) -> int:
        """Return the number of frames since the person was seen."""
        return frame - self.poses[0][0]

    def add(self, frame: int, pose: TrackedPose, votes: int) -> None:
        """Add the newest pose."""
        self.count += 1
        if self.poses:
            gap, gain = self.gap(frame), max(VELOCITY_GAIN, 1 / (self.count - 1))
            step = typical_displacement(self.poses[0][1], pose) / gap
            self.velocity = (1 - gain) * DAMPING ** (gap - 1) * self.velocity + gain * step
        self.poses = [(frame, pose), *self.poses[: votes - 1]]
        if pose.colors is not None:
            old = pose.colors if self.colors is None else self.colors
            mixed = (1 - COLOR_GAIN) * old + COLOR_GAIN * pose.colors
            self.colors = np.where(np.isfinite(mixed), mixed, np.where(np.isfinite(old), old, pose.colors))

    def shift(self, gap: int) -> np.ndarray:
        """Return how far (2,) the person moves with the velocity in `gap` frames, in pixels.

        Args:
            gap: Number of frames.
        """
        return self.velocity * float((DAMPING ** np.arange(gap)).sum())


def typical_displacement(first: TrackedPose, second: TrackedPose) -> np.ndarray:
    """Return the median (2,) displacement of the joints that both poses have, or of the box if they are few.

    Args:
        first: Pose of a person.
        second: Another pose of the same person.
    """
    both = (first.scores > 0) & (second.scores > 0)
    if both.sum() >= 3:
        return np.median(second.joints[both] - first.joints[both], axis=0)
    return second.box[:2] + second.box[2:] / 2 - first.box[:2] - first.box[2:] / 2


def shifted_pose(pose: TrackedPose, shift: np.ndarray) -> TrackedPose:
    """Return a pose with its box, moved.

    Args:
        pose: The pose.
        shift: (2,) pixels.
    """
    return replace(pose, joints=pose.joints + shift, box=np.concatenate([pose.box[:2] + shift, pose.box[2:]]))


def moved_pose(pose: TrackedPose, joints: np.ndarray) -> TrackedPose:
    """Return a pose with its joints (J, 2) in another frame, and the box moved with them."""
    moved = replace(pose, joints=joints)
    return replace(moved, box=shifted_pose(pose, typical_displacement(pose, moved)).box)
