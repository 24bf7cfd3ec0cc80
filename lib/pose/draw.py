"""Drawings of poses and heatmaps."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from lib.pose.skeletons import Skeleton

Color = tuple[int, int, int]  # blue, green, red


def draw_pose(
    image: np.ndarray, joints: np.ndarray, shown: np.ndarray, skeleton: Skeleton, color: Color | None = None
) -> np.ndarray:
    """Return a copy of an image with a pose: its joints, and its bones with the left ones green and the right orange.

    Args:
        image: (H, W, 3) uint8 BGR.
        joints: (J, 2) x, y in pixels.
        shown: (J,) bool, True for joints to draw. A bone is drawn if both of its joints are.
        skeleton: Skeleton of the pose.
        color: Color of all bones and joints, instead of the default ones.
    """
    image = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 150))
    centers = [(round(x), round(y)) for x, y in np.clip(joints, -1e5, 1e5).tolist()]
    for a, b in skeleton.bones:
        if shown[a] and shown[b]:
            bone = color or _side_color(skeleton.names[a] + skeleton.names[b])
            cv2.line(image, centers[a], centers[b], bone, thickness, cv2.LINE_AA)
    for center, visible in zip(centers, shown, strict=True):
        if visible:
            cv2.circle(image, center, thickness + 1, color or (60, 60, 230), -1, cv2.LINE_AA)
    return image


def _side_color(names: str) -> Color:
    return (80, 200, 80) if "left" in names else (40, 140, 255) if "right" in names else (230, 200, 60)


def draw_number(image: np.ndarray, number: int, joints: np.ndarray, color: Color) -> np.ndarray:
    """Return a copy of an image with a number above a person's joints (N, 2), moved into the image if necessary."""
    image = image.copy()
    scale = max(0.4, min(image.shape[:2]) / 700)
    (width, height), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    middle, top = joints[:, 0].mean(), joints[:, 1].min() - height / 2
    x = round(float(np.clip(middle - width / 2, 0, max(0, image.shape[1] - width))))
    y = round(float(np.clip(top, height + 1, image.shape[0] - 1)))
    for shade, thickness in (((0, 0, 0), 3), (color, 1)):
        cv2.putText(
            image,
            str(number),
            (x, y),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            shade,
            round(thickness * max(1, scale)),
            cv2.LINE_AA,
        )
    return image


def track_color(track: int) -> Color:
    """Return the bright color of a track. Consecutive tracks get clearly different colors."""
    golden = 0.618034  # golden ratio: the hues of the first tracks are far apart
    red, green, blue = colorsys.hsv_to_rgb((0.1 + golden * track) % 1, 0.75, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def draw_heatmaps(crop: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Return a row of images at heatmap size: the crop, followed by each joint's heatmap overlaid on it.

    Args:
        crop: (H, W, 3) uint8 BGR.
        heatmaps: (J, h, w); values are clipped to 0 … 1.

    Returns:
        (h, (1 + J)·w, 3) uint8.
    """
    height, width = heatmaps.shape[1:]
    small = cv2.resize(crop, (width, height))
    levels = (np.clip(heatmaps, 0, 1) * 255).astype(np.uint8)
    overlays = [cv2.addWeighted(cv2.applyColorMap(level, cv2.COLORMAP_JET), 0.7, small, 0.3, 0) for level in levels]
    return np.hstack([small, *overlays])


def stack(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange images of one size in rows of `columns`; the last row is padded with black."""
    blank = np.zeros_like(pictures[0])
    filled = [*pictures, *[blank] * (-len(pictures) % columns)]
    return np.vstack([np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)])
