"""Probability that a propagated joint is right, from its sources, the image around it, and left-out labels."""

from collections.abc import Sequence

import numpy as np

from lib.dataset.people import Person
from lib.propagation.fusion import Likeness, opposite_labels
from lib.propagation.targets import PropagatedPoses, Target

RIGHT = 0.05
"""Largest error of a right joint, as a share of the longer side of the box around the person's joints (PCK .05)."""
INTERCEPT, OF_SPREAD, OF_LIKENESS, OF_ONE_SIDE = 4.7, 1.3, -3.1, 1.8
"""Log-odds of an error: logistic regression on Penn Action and synthetic videos (docs/results.md)."""
MIN_SPREAD = 0.002
"""Added to the spread before its logarithm is taken, as a share of the crop's longer side."""
STEPS = 25
"""Number of Newton's steps of a fit."""
COMMON, OF_JOINT = 2.0, 1.0
"""Prior standard deviations of the changes of the log-odds: of that common to all joints, and of each joint's own."""


def probabilities(
    people: Sequence[Person], targets: Sequence[Target], poses: PropagatedPoses, likeness: Likeness
) -> np.ndarray:
    """Return the probability that the error of each joint is at most RIGHT.

    Args:
        people: Labeled people.
        targets: Targets of the poses.
        poses: Poses with `spread`.
        likeness: Likeness of the image around joints to that around the label's joints.

    Returns:
        (M, J) from 0 to 1; 0 for joints that are not known.
    """
    assert poses.spread is not None  # fused from several sources
    others = opposite_labels(people, targets)
    alike = likeness(people, targets, poses.joints)
    if rows := [row for row, other in enumerate(others) if other]:
        beyond = [other for other in others if other]
        alike[rows] = np.maximum(alike[rows], likeness(people, beyond, poses.joints[rows]))
    one_side = np.zeros(alike.shape) if poses.disagreement is None else np.isnan(poses.disagreement)
    doubts = INTERCEPT + OF_SPREAD * np.log(poses.spread + MIN_SPREAD) + OF_LIKENESS * alike + OF_ONE_SIDE * one_side
    return np.where(poses.scores > 0, 1 / (1 + np.exp(doubts)), 0)


def fit_offsets(scores: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return what left-out labels add to the log-odds of each joint: a logistic regression with a Gaussian prior.

    Args:
        scores: (N, J) probabilities of left-out poses, as returned by `probabilities`.
        errors: (N, J) their errors as shares of the longer side of the box around the person's joints; NaN if unknown.

    Returns:
        (J,) log-odds, 0 without left-out labels.
    """
    num_joints = scores.shape[1]
    _, joint = known = np.nonzero(np.isfinite(errors) & (scores > 0))
    right = errors[known] <= RIGHT
    inputs = np.column_stack([np.ones(len(joint)), np.eye(num_joints)[joint]])  # (K, 1 + J)
    prior = np.diag([COMMON**-2, *[OF_JOINT**-2] * num_joints])
    weights = np.zeros(1 + num_joints)
    for _ in range(STEPS):
        found = 1 / (1 + np.exp(-_log_odds(scores[known]) - inputs @ weights))
        slope = inputs.T @ (found - right) + prior @ weights
        weights -= np.linalg.solve((inputs.T * (found * (1 - found))) @ inputs + prior, slope)
    return np.asarray(weights[0] + weights[1:])


def shift(scores: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return probabilities changed by the result of `fit_offsets`; 0 stays 0.

    Args:
        scores: (M, J) probabilities.
        offsets: (J,) log-odds.
    """
    return np.where(scores > 0, 1 / (1 + np.exp(-_log_odds(scores) - offsets)), 0)


def _log_odds(scores: np.ndarray) -> np.ndarray:
    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))
