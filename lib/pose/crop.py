"""From a person's box to the net's input and back.

A crop is a similarity transform. It is described as the first HRNet code does: a center in image pixels and a scale
(width, height) in units of 200 pixels. There are two pixel conventions:

- That code's: a crop of w pixels is w units wide. The box's centre is mapped to (w / 2, h / 2), so that the last pixel
  lies a pixel inside the box, a heatmap's last cell a cell, and a mirrored crop is not the mirrored image's crop.
- UDP (Huang et al., The Devil Is in the Details: Delving Into Unbiased Data Processing, CVPR 2020): a crop is as wide
  as it is from its first pixel to its last, w − 1 units. The box's corners are the corner pixels, and the corner cells
  of heatmaps too.
"""

from collections.abc import Sequence

import cv2
import numpy as np

PIXELS_PER_SCALE = 200
PADDING = 1.25
JOINTS_BOXES = {"posetrack17": (1.0, 1.2), "posetrack18": (0.0, 1.3)}
"""Rules for the box of a person's joints: pixels that are added to their extent, and what the sum is multiplied by.

PoseTrack18's is that of its own boxes. PoseTrack17 has none; its rule is that of DetectAndTrack's
gen_posetrack_json.py, the script that the first PoseWarper code links for renaming the frames. That its boxes were made
so too is inferred: its annotation files were not seen.
"""
LONE_JOINT = 64  # pixels, the box around a person of one labeled joint and no box


def joints_box(points: np.ndarray, rule: str = "posetrack18") -> np.ndarray:
    """Return the box around a person's labelled joints: their extent, grown about its centre.

    Args:
        points: (J, 2) the labelled joints in pixels, at least one.
        rule: key of JOINTS_BOXES.

    Returns:
        (4,) x, y, w, h in pixels.
    """
    more, factor = JOINTS_BOXES[rule]
    low, size = points.min(axis=0), np.ptp(points, axis=0) + more
    return np.concatenate([low - (factor - 1) / 2 * size, factor * size])


def widen_boxes(boxes: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Make boxes of joints on a line, or of one joint alone, boxes to crop.

    Args:
        boxes: (P, 4) x, y, w, h around the joints, as of `joints_box`; NaN where there is none.
        given: (P, 4) boxes from elsewhere for people of one joint, who get a square of LONE_JOINT pixels if that box
            has no size.

    Returns:
        (P, 4) boxes, of which no side is under a quarter of the other.
    """
    longer = boxes[:, 2:].max(axis=1, keepdims=True)
    sides = np.maximum(boxes[:, 2:], longer / 4)
    wide = np.hstack([boxes[:, :2] - (sides - boxes[:, 2:]) / 2, sides])
    lone = np.hstack([boxes[:, :2] - LONE_JOINT / 2, np.full_like(sides, LONE_JOINT)])
    lone = np.where((given[:, 2:] > 0).all(axis=1, keepdims=True), given, lone)
    return np.where(longer > 0, wide, np.where(np.isnan(boxes), boxes, lone))


def clip_box(box: Sequence[float], width: int, height: int, rule: str = "last_pixel") -> np.ndarray | None:
    """Cut a ground-truth box to its image; detected boxes go into `box_to_center_scale` as they are.

    Args:
        box: x, y, w, h in pixels.
        width, height: of the image.
        rule: `last_pixel`, of HRNet's and PoseWarper's first code and of MMPose 0.x: a box that begins outside the
            image is moved in, at its full size, and w and h are the distance from the first to the last pixel, one
            less than the box says. `edges`, of MMPose 1.x: each edge is clipped to 0 … W − 1 or 0 … H − 1 by itself.

    Returns:
        (4,) x, y, w, h, or None where nothing is left of the box.
    """
    x, y, w, h = (float(value) for value in box)
    if rule == "edges":
        (x1, x2), (y1, y2) = np.clip([x, x + w], 0, width - 1), np.clip([y, y + h], 0, height - 1)
        return np.array([x1, y1, x2 - x1, y2 - y1]) if x2 > x1 and y2 > y1 else None
    x1, y1 = max(0.0, x), max(0.0, y)
    x2, y2 = min(width - 1.0, x1 + max(0.0, w - 1)), min(height - 1.0, y1 + max(0.0, h - 1))
    if w * h <= 0 or x2 < x1 or y2 < y1 or (x2 == x1 and y2 == y1):
        return None
    return np.array([x1, y1, x2 - x1, y2 - y1])


def box_to_center_scale(box: Sequence[float], aspect_ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """The crop of a box: its shorter side grown to the input's aspect ratio, then both by a quarter.

    Args:
        box: x, y, w, h in pixels.
        aspect_ratio: width / height of the net's input.

    Returns:
        center (2,) in pixels and scale (2,) in units of 200 pixels, float32.
    """
    x, y, w, h = box
    center = np.array([x + w * 0.5, y + h * 0.5], dtype=np.float32)
    size = np.array([max(w, aspect_ratio * h), max(h, w / aspect_ratio)])
    return center, (size / PIXELS_PER_SCALE * PADDING).astype(np.float32)


def crop_matrix(
    center: Sequence[float],
    scale: Sequence[float],
    rotation: float,
    size: Sequence[int],
    inverse: bool = False,
    udp: bool = False,
) -> np.ndarray:
    """The transform from image to crop, or back.

    Only the width of `scale` sets the size. A positive rotation turns the image's "up", (0, −1), to (sin r, −cos r),
    which is up in the crop.

    Args:
        center: (2,) in pixels.
        scale: (2,) in units of 200 pixels.
        rotation: degrees.
        size: width, height of the crop, in its own pixels or cells.
        udp: in UDP's convention; x and y then differ in size by (w − 1) / (h − 1) over w / h.

    Returns:
        (2, 3) float64 matrix for column vectors (x, y, 1).
    """
    angle = np.deg2rad(rotation)
    size = np.asarray(size, dtype=np.float64)
    extent = size - udp
    factors = size[0] / (float(scale[0]) * PIXELS_PER_SCALE) * (extent / size)
    rotate = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = rotate.T / factors if inverse else rotate * factors[:, None]
    source, target = np.asarray(center, dtype=np.float64), extent / 2
    if inverse:
        source, target = target, source
    return np.column_stack([linear, target - linear @ source])


def cell_stride(image_size: Sequence[int], heatmap_size: Sequence[int], udp: bool = False) -> np.ndarray:
    """(2,) pixels of the crop, in x and in y, from one heatmap cell to the next; the first is at the first pixel."""
    return (np.asarray(image_size, dtype=np.float64) - udp) / (np.asarray(heatmap_size) - udp)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (..., 2) after the transform of a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def crop_image(image: np.ndarray, matrix: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The crop (height, width, 3) of an image (H, W, 3) uint8: bilinear, black outside the image."""
    return cv2.warpAffine(image, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
