"""Similarity of poses: OKS where they share joints, IoU of their boxes, and the colors around their joints."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from lib.formats.tracked_poses import TrackedPose

OKS_SHARE = 0.5
"""Weight of OKS against the IoU of the boxes for poses that share at least half of the joints."""
PATCH = 0.02
"""Half of the side of the patch around a joint whose mean color is taken, as a share of the height of the box."""
COLOR_SPREAD = 40.0
"""Standard deviation of a joint's color in one track, in units of OpenCV's 8-bit Lab."""


class PoseArrays(NamedTuple):
    """N poses as arrays.

    Attributes:
        joints: (N, J, 2) x, y in pixels.
        scores: (N, J) scores of the joints; joints whose score is not above 0 are not compared.
        boxes: (N, 4) x, y, w, h in pixels.
        distinct: (N,) how far each pose tells people apart, from 0 to 1 (`distinctness`).
    """

    joints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    distinct: np.ndarray

    @classmethod
    def stack(cls, poses: Sequence[TrackedPose], distinct: Sequence[float] | np.ndarray | None = None) -> "PoseArrays":
        """Return at least one pose as arrays; without `distinct`, all are fully distinct."""
        return cls(
            np.stack([pose.joints for pose in poses]),
            np.stack([pose.scores for pose in poses]),
            np.stack([pose.box for pose in poses]),
            np.ones(len(poses)) if distinct is None else np.asarray(distinct, dtype=np.float64),
        )


def pose_similarities(first: PoseArrays, second: PoseArrays, sigmas: np.ndarray) -> np.ndarray:
    """Return the similarity of each pose with each other one.

    It is the weighted mean of OKS over the joints that both have and the IoU of the boxes. The weight of OKS is
    OKS_SHARE, and less in proportion if they share less than half of the joints, or if the poses are not distinct.

    Args:
        first: N poses.
        second: P poses.
        sigmas: (J,) OKS constants; if empty, only the boxes are compared.

    Returns:
        (N, P) from 0 to 1.
    """
    overlap = box_iou(first.boxes, second.boxes)
    if not len(sigmas):
        return overlap
    oks, count = _shared_oks(first, second, sigmas)
    weight = OKS_SHARE * np.minimum(1, 2 * count / len(sigmas)) * first.distinct[:, None] * second.distinct
    return weight * oks + (1 - weight) * overlap


def distinctness(poses: Sequence[TrackedPose], sigmas: np.ndarray) -> np.ndarray:
    """Return how far the poses of a frame tell people apart: 1 minus the highest OKS with another one.

    Where people cover each other, a net often finds the same pose in the boxes of both.

    Args:
        poses: P poses of one frame.
        sigmas: (J,) OKS constants; if empty, all poses are distinct.

    Returns:
        (P,) from 0 to 1.
    """
    if len(poses) < 2 or not len(sigmas):
        return np.ones(len(poses))
    arrays = PoseArrays.stack(poses)
    oks, _ = _shared_oks(arrays, arrays, sigmas)
    np.fill_diagonal(oks, 0)
    return 1 - oks.max(axis=1)


def _shared_oks(first: PoseArrays, second: PoseArrays, sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return OKS (N, P) over the joints that both poses have, and the number (N, P) of these joints."""
    shared = (first.scores[:, None] > 0) & (second.scores > 0)  # (N, P, J)
    areas = (np.prod(first.boxes[:, 2:], axis=1)[:, None] + np.prod(second.boxes[:, 2:], axis=1)) / 2
    distances = ((first.joints[:, None] - second.joints) ** 2).sum(axis=3)
    falloff = 2 * (2 * sigmas) ** 2 * np.maximum(areas, 1e-9)[..., None]
    count = shared.sum(axis=2)
    return (np.exp(-distances / falloff) * shared).sum(axis=2) / np.maximum(count, 1), count


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each box with each other one, 0 if both are empty.

    Args:
        first: (N, 4) boxes x, y, w, h.
        second: (P, 4) boxes.

    Returns:
        (N, P) from 0 to 1.
    """
    low = np.maximum(first[:, None, :2], second[:, :2])
    high = np.minimum((first[:, :2] + first[:, 2:])[:, None], second[:, :2] + second[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    union = np.prod(first[:, 2:], axis=1)[:, None] + np.prod(second[:, 2:], axis=1) - shared
    return shared / np.where(union > 0, union, 1)


def joint_colors(image: np.ndarray, pose: TrackedPose) -> np.ndarray:
    """Return the mean color around each joint.

    Args:
        image: (H, W, 3) uint8 BGR frame.
        pose: Pose in the frame.

    Returns:
        (J, 3) in OpenCV's 8-bit Lab, in whole numbers; NaN for joints that were not found or are outside the frame.
    """
    means = np.zeros((len(pose.joints), 1, 3), dtype=np.uint8)
    inside = np.zeros(len(means), dtype=bool)
    radius = max(1, round(PATCH * float(pose.box[3])))
    for joint in np.flatnonzero(pose.scores > 0):
        x, y = np.round(pose.joints[joint]).astype(int)
        if 0 <= x < image.shape[1] and 0 <= y < image.shape[0]:
            patch = image[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            means[joint, 0] = np.round(cv2.mean(patch)[:3])
            inside[joint] = True
    return np.where(inside[:, None], cv2.cvtColor(means, cv2.COLOR_BGR2LAB)[:, 0], np.nan)


def color_similarities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the similarity of the colors of each person with each other one.

    Args:
        first: (N, J, 3) colors around the joints, NaN if unknown.
        second: (P, J, 3) colors.

    Returns:
        (N, P) mean over the joints that both have, from 0 to 1; NaN where they share none.
    """
    alike = np.exp(-((first[:, None] - second) ** 2).sum(axis=3) / (2 * COLOR_SPREAD**2))  # (N, P, J)
    known = np.isfinite(alike)
    count = known.sum(axis=2)
    return np.where(count > 0, np.where(known, alike, 0).sum(axis=2) / np.maximum(count, 1), np.nan)
