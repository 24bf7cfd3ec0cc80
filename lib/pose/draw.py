"""Poses and heatmaps as pictures."""

from collections.abc import Sequence

import cv2
import numpy as np

from lib.pose.skeletons import Skeleton


def draw_pose(image: np.ndarray, points: np.ndarray, shown: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """A copy of an image with one pose drawn: bones, left ones green, right ones orange, and joints.

    Args:
        image: (H, W, 3) uint8, BGR.
        points: (J, 2) x, y in pixels.
        shown: (J,) bool, which joints are drawn; a bone needs both of its joints.
    """
    image = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 150))
    centers = [(round(x), round(y)) for x, y in np.clip(points, -1e5, 1e5).tolist()]
    for a, b in skeleton.bones:
        if shown[a] and shown[b]:
            sides = skeleton.names[a] + skeleton.names[b]
            colour = (80, 200, 80) if "left" in sides else (40, 140, 255) if "right" in sides else (230, 200, 60)
            cv2.line(image, centers[a], centers[b], colour, thickness, cv2.LINE_AA)
    for center, visible in zip(centers, shown, strict=True):
        if visible:
            cv2.circle(image, center, thickness + 1, (60, 60, 230), -1, cv2.LINE_AA)
    return image


def draw_heatmaps(crop: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """A row of pictures at heatmap size: the crop, then each joint's heatmap laid over it.

    Args:
        crop: (H, W, 3) uint8, BGR.
        heatmaps: (J, h, w); values are cut to 0 … 1.
    Returns:
        (h, (1 + J)·w, 3) uint8.
    """
    height, width = heatmaps.shape[1:]
    small = cv2.resize(crop, (width, height))
    levels = (np.clip(heatmaps, 0, 1) * 255).astype(np.uint8)
    overlays = [cv2.addWeighted(cv2.applyColorMap(level, cv2.COLORMAP_JET), 0.7, small, 0.3, 0) for level in levels]
    return np.hstack([small, *overlays])


def stack(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Pictures of one size in rows of `columns`; the last row is filled up with black."""
    blank = np.zeros_like(pictures[0])
    filled = [*pictures, *[blank] * (-len(pictures) % columns)]
    return np.vstack([np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)])
