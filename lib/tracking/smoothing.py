"""Smoothing of joints over time: a Kalman filter with constant velocity, and the Rauch-Tung-Striebel smoother.

Rauch, Tung, Striebel, Maximum likelihood estimates of linear dynamic systems, AIAA Journal 1965. The score of a joint
is the certainty of its position; frames without a position are bridged by the motion before and after them.
"""

from typing import NamedTuple

import numpy as np

ACCELERATION = 0.05
"""Standard deviation of the change of a joint's velocity from frame to frame, as a share of the person's size."""
POSITION_NOISE = 0.02
"""Standard deviation of the position of a joint with score 1, as a share of the person's size."""
MIN_CERTAINTY = 0.05
"""Smallest score; lower ones are raised to it."""
OUTLIER = 3.0
"""Standard deviations from the prediction beyond which a position counts less."""

_STEP = np.array([[1.0, 1.0], [0.0, 1.0]])  # from position and velocity to those of the next frame
_ACCELERATED = np.array([[0.25, 0.5], [0.5, 1.0]])


class _States(NamedTuple):
    """Position and velocity of J joints in F frames.

    Attributes:
        means: (F, J, 2, 2): position and velocity; x and y.
        covariances: (F, J, 2, 2) of position and velocity, the same for x and y.
    """

    means: np.ndarray
    covariances: np.ndarray


def smooth_joints(positions: np.ndarray, scores: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return smoothed positions of joints in consecutive frames.

    Args:
        positions: (F, J, 2) x, y in pixels.
        scores: (F, J) scores of the joints; where they are not above 0, the position is unknown.
        sizes: (F,) sizes of the person in pixels, to which both standard deviations refer.

    Returns:
        (F, J, 2) positions, also where they were unknown; those of a joint that is known nowhere are unchanged.
    """
    known = scores > 0
    noise = (POSITION_NOISE * sizes[:, None]) ** 2 / np.clip(scores, MIN_CERTAINTY, 1)
    states = _smooth(*_filter(positions, known, noise, (ACCELERATION * sizes) ** 2))
    return np.where(known.max(axis=0)[:, None], states.means[:, :, 0], positions)


def _filter(
    positions: np.ndarray, known: np.ndarray, noise: np.ndarray, acceleration: np.ndarray
) -> tuple[_States, _States]:
    """Return the states after the positions up to each frame (Kalman filter), and those predicted before its own."""
    num_frames, num_joints = known.shape
    shape = (num_frames, num_joints, 2, 2)
    states, predicted = _States(np.zeros(shape), np.zeros(shape)), _States(np.zeros(shape), np.zeros(shape))
    first = positions[known.argmax(axis=0), np.arange(num_joints)]  # (J, 2)
    mean = np.stack([first, np.zeros_like(first)], axis=1)
    covariance = np.tile(1e4 * noise.max() * np.eye(2), (num_joints, 1, 1))  # nothing is known yet
    for frame in range(num_frames):
        if frame:
            mean = _STEP @ mean
            covariance = _STEP @ covariance @ _STEP.T + acceleration[frame] * _ACCELERATED
        predicted.means[frame], predicted.covariances[frame] = mean, covariance
        error = positions[frame] - mean[:, 0]  # (J, 2)
        expected = covariance[:, 0, 0] + noise[frame]
        excess = np.maximum(1, (error**2).sum(axis=1) / (OUTLIER**2 * expected))
        gain = covariance[:, :, 0] / (covariance[:, 0, 0] + noise[frame] * excess)[:, None] * known[frame][:, None]
        mean = mean + gain[..., None] * error[:, None]
        covariance = covariance - gain[..., None] * covariance[:, :1]
        states.means[frame], states.covariances[frame] = mean, covariance
    return states, predicted


def _smooth(states: _States, predicted: _States) -> _States:
    """Return the states after the positions of all frames (Rauch, Tung, Striebel)."""
    means, covariances = states.means.copy(), states.covariances.copy()
    for frame in range(len(means) - 2, -1, -1):
        back = states.covariances[frame] @ _STEP.T @ np.linalg.inv(predicted.covariances[frame + 1])
        means[frame] += back @ (means[frame + 1] - predicted.means[frame + 1])
        change = covariances[frame + 1] - predicted.covariances[frame + 1]
        covariances[frame] += back @ change @ back.transpose(0, 2, 1)
    return _States(means, covariances)
