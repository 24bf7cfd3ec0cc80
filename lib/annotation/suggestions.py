"""Frames to label first, before anything is labeled: spread over the appearance of the video."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from scipy.cluster.vq import kmeans2

MAX_FRAMES = 300
"""Number of frames to look at, evenly spread."""
SIDE = 24
"""Width and height in pixels of what is compared."""
NUM_COMPONENTS = 20
SEED = 0


def suggest_by_appearance(
    numbers: Sequence[int], read: Callable[[int], np.ndarray], count: int
) -> list[tuple[int, float]]:
    """Return frames that look different, one for each cluster of small grayscale frames.

    The clusters are those of k-means on the main components of the frames. Large clusters come first.

    Args:
        numbers: Numbers of the frames.
        read: Returns a frame (H, W, 3), uint8, BGR, by number.
        count: Maximum number of frames to return.

    Returns:
        Numbers of the frames, and the share of the video that each stands for.
    """
    sampled = np.unique(np.linspace(0, len(numbers) - 1, min(MAX_FRAMES, len(numbers))).round().astype(int)).tolist()
    shown = [numbers[index] for index in sampled]
    small = np.array([_shrink(read(number)) for number in shown])
    small -= small.mean(axis=0)
    left, values, _ = np.linalg.svd(small, full_matrices=False)
    features = left[:, :NUM_COMPONENTS] * values[:NUM_COMPONENTS]  # (N, C)
    clusters = min(count, len(np.unique(features.round(3), axis=0)))
    centers, of_frame = kmeans2(features, clusters, minit="++", seed=SEED)
    found = []
    for cluster in range(clusters):
        members = np.flatnonzero(of_frame == cluster)
        if len(members):
            middle = members[np.linalg.norm(features[members] - centers[cluster], axis=1).argmin()]
            found.append((shown[middle], len(members) / len(shown)))
    return sorted(found, key=lambda one: (-one[1], one[0]))


def _shrink(image: np.ndarray) -> np.ndarray:
    """Return a frame as (SIDE²,) gray values from 0 to 1."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel().astype(np.float64) / 255
