"""The state of one track, and how its poses are moved."""

from dataclasses import dataclass, field, replace

import numpy as np

from lib.formats.tracked_poses import TrackedPose

POSITION_GAIN = 0.6
"""Share of a box's distance from its expected position that counts as movement, not as noise of the box."""
VELOCITY_GAIN = 0.2
"""Share of that distance that changes the velocity; more for the first poses of a track."""
DAMPING = 0.9
"""Factor on the velocity for each frame in which the person is not seen."""
COLOR_GAIN = 0.2
"""Weight of the newest colors in those of a track."""


@dataclass
class Track:
    """State of a track.

    Attributes:
        id: Number of the track.
        poses: Its last poses, the newest first, with their frames and how distinct they are.
        center: (2,) center of the box without its noise.
        velocity: (2,) pixels per frame.
        count: Number of all poses.
        colors: (J, 3) colors around the joints; None if unknown.
    """

    id: int
    poses: list[tuple[int, TrackedPose, float]] = field(default_factory=list)
    center: np.ndarray = field(default_factory=lambda: np.zeros(2))
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    count: int = 0
    colors: np.ndarray | None = None

    def gap(self, frame: int) -> int:
        """Return the number of frames since the person was seen.

        Args:
            frame: Number of the frame.
        """
        return frame - self.poses[0][0]

    def add(self, frame: int, pose: TrackedPose, distinct: float, votes: int) -> None:
        """Add the newest pose; an alpha-beta filter follows the center of the box.

        Args:
            frame: Number of its frame.
            pose: The pose.
            distinct: How far it tells people apart (lib.tracking.similarity.distinctness).
            votes: Number of poses to keep.
        """
        self.count += 1
        center = pose.box[:2] + pose.box[2:] / 2
        if not self.poses:
            self.center = center
        else:
            gap = self.gap(frame)
            expected = self.center + self.shift(gap)
            error = center - expected
            self.center = expected + max(POSITION_GAIN, 1 / self.count) * error
            gain = max(VELOCITY_GAIN, 0.5 / self.count**0.5)
            self.velocity = DAMPING ** (gap - 1) * self.velocity + gain * error / gap
        self.poses = [(frame, pose, distinct), *self.poses[: votes - 1]]
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
    """Return a pose with its joints in another frame, and the box moved with them.

    Args:
        pose: The pose.
        joints: (J, 2) joints in the other frame.
    """
    moved = replace(pose, joints=joints)
    return replace(moved, box=shifted_pose(pose, typical_displacement(pose, moved)).box)
