"""Transforms from a person's box to the net's input and back.

A crop is a similarity transform, described as in HRNet's code by a center in image pixels and a scale (width, height)
in units of 200 pixels. There are two pixel conventions:

- HRNet's code: a crop of w pixels is w units wide. The center of the box is mapped to (w / 2, h / 2), so the last pixel
  lies one pixel inside the box, the last cell of a heatmap lies one cell inside, and a mirrored crop differs from the
  crop of the mirrored image.
- UDP (Huang et al., The Devil Is in the Details: Delving Into Unbiased Data Processing, CVPR 2020): the width of a crop
  is the distance from its first to its last pixel, w − 1 units. The corners of the box are the corner pixels of the
  crop and the corner cells of heatmaps.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

PIXELS_PER_SCALE = 200
PADDING = 1.25
JOINTS_BOXES = {"posetrack17": (1.0, 1.2), "posetrack18": (0.0, 1.3)}
"""Rules for the box of a person's joints: pixels to add to their extent, and the factor of the sum.

The rule of PoseTrack18 reproduces its boxes. PoseTrack17 has no boxes. Its rule is that of gen_posetrack_json.py of
DetectAndTrack, the script that the original PoseWarper code recommends for renaming the frames. It is an assumption
that PoseWarper's boxes followed the same rule, because its annotation files are not available.
"""
LONE_JOINT = 64  # size in pixels of the box around a person with one labeled joint and no box


def joints_box(points: np.ndarray, rule: str = "posetrack18") -> np.ndarray:
    """Return the box around a person's labeled joints: their extent, enlarged about its center.

    Args:
        points: (J, 2) labeled joints in pixels, at least one.
        rule: Key of JOINTS_BOXES.

    Returns:
        (4,) x, y, w, h in pixels.
    """
    more, factor = JOINTS_BOXES[rule]
    low, size = points.min(axis=0), np.ptp(points, axis=0) + more
    return np.concatenate([low - (factor - 1) / 2 * size, factor * size])


def widen_boxes(boxes: np.ndarray, given: np.ndarray | None = None) -> np.ndarray:
    """Widen boxes around joints that lie on a line, or around a single joint, so that they can be cropped.

    Args:
        boxes: (P, 4) x, y, w, h around the joints (see `joints_box`); NaN for people without joints.
        given: (P, 4) other boxes, used for people with one joint. Without a box of positive size, the person gets a
            square of LONE_JOINT pixels.

    Returns:
        (P, 4) boxes without a side shorter than a quarter of the other.
    """
    longer = boxes[:, 2:].max(axis=1, keepdims=True)
    sides = np.maximum(boxes[:, 2:], longer / 4)
    wide = np.hstack([boxes[:, :2] - (sides - boxes[:, 2:]) / 2, sides])
    lone = np.hstack([boxes[:, :2] - LONE_JOINT / 2, np.full_like(sides, LONE_JOINT)])
    if given is not None:
        lone = np.where((given[:, 2:] > 0).all(axis=1, keepdims=True), given, lone)
    return np.where(longer > 0, wide, np.where(np.isnan(boxes), boxes, lone))


def overlaps_image(box: np.ndarray, width: float, height: float) -> bool:
    """Return True if a box (x, y, w, h) in pixels has a positive size and overlaps its image."""
    x, y, w, h = box
    return bool(w > 0 and h > 0 and x < width and y < height and x + w > 0 and y + h > 0)


def clip_box(box: npt.ArrayLike, width: float, height: float, rule: str = "last_pixel") -> np.ndarray | None:
    """Clip a ground-truth box to its image; detected boxes are passed to `box_to_center_scale` unchanged.

    Args:
        box: x, y, w, h in pixels.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        rule: `last_pixel`, as in the code of HRNet and PoseWarper and in MMPose 0.x: a box that begins outside the
            image is moved inside with its full size, and w and h become the distance from the first to the last pixel,
            one less than before. `edges`, as in MMPose 1.x: each edge is clipped independently, to 0 … W − 1 or
            0 … H − 1.

    Returns:
        (4,) x, y, w, h, or None if nothing of the box remains.
    """
    x, y, w, h = np.asarray(box, dtype=np.float64).tolist()
    if rule == "edges":
        (x1, x2), (y1, y2) = np.clip([x, x + w], 0, width - 1), np.clip([y, y + h], 0, height - 1)
        return np.array([x1, y1, x2 - x1, y2 - y1]) if x2 > x1 and y2 > y1 else None
    x1, y1 = max(0.0, x), max(0.0, y)
    x2, y2 = min(width - 1.0, x1 + max(0.0, w - 1)), min(height - 1.0, y1 + max(0.0, h - 1))
    if w * h <= 0 or x2 < x1 or y2 < y1 or (x2 == x1 and y2 == y1):
        return None
    return np.array([x1, y1, x2 - x1, y2 - y1])


def box_to_center_scale(box: Sequence[float] | np.ndarray, aspect_ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop of a box: the box, enlarged to the aspect ratio of the net's input, and then by a quarter.

    Args:
        box: x, y, w, h in pixels.
        aspect_ratio: Width over height of the net's input.

    Returns:
        Center (2,) in pixels and scale (2,) in units of 200 pixels, float32.
    """
    x, y, w, h = box
    center = np.array([x + w * 0.5, y + h * 0.5], dtype=np.float32)
    size = np.array([max(w, aspect_ratio * h), max(h, w / aspect_ratio)])
    return center, (size / PIXELS_PER_SCALE * PADDING).astype(np.float32)


def crop_matrix(
    center: npt.ArrayLike,
    scale: Sequence[float] | np.ndarray,
    rotation: float,
    size: Sequence[int],
    inverse: bool = False,
    udp: bool = False,
) -> np.ndarray:
    """Return the transform from image to crop, or the inverse.

    Only the width of `scale` determines the size. The direction (sin r, −cos r) in the image points up in the crop.

    Args:
        center: (2,) center of the crop in pixels.
        scale: (2,) width and height of the crop in units of 200 pixels.
        rotation: Angle r in degrees.
        size: Width and height of the crop in its own pixels or cells.
        inverse: If True, return the transform from crop to image.
        udp: If True, use the convention of UDP. The scales of x and y then differ by (w − 1) / (h − 1) over w / h.

    Returns:
        (2, 3) float64 matrix for column vectors (x, y, 1).
    """
    angle = np.deg2rad(rotation)
    pixels = np.asarray(size, dtype=np.float64)
    extent = pixels - udp
    factors = pixels[0] / (float(scale[0]) * PIXELS_PER_SCALE) * (extent / pixels)
    rotate = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = rotate.T / factors if inverse else rotate * factors[:, None]
    source, target = np.asarray(center, dtype=np.float64), extent / 2
    if inverse:
        source, target = target, source
    return np.column_stack([linear, target - linear @ source])


def cell_stride(image_size: Sequence[int], heatmap_size: Sequence[int], udp: bool = False) -> np.ndarray:
    """Return the distance (2,) between heatmap cells in pixels of the crop, in x and y.

    The first cell is at the first pixel.

    Args:
        image_size: Width and height of the crop in pixels.
        heatmap_size: Width and height of the heatmaps in cells.
        udp: If True, the crop is in the convention of UDP.
    """
    return (np.asarray(image_size, dtype=np.float64) - udp) / (np.asarray(heatmap_size) - udp)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Transform points (..., 2) with a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def crop_image(image: np.ndarray, matrix: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Crop an image, with bilinear interpolation and black outside the image.

    Args:
        image: (H, W, 3) uint8.
        matrix: (2, 3) transform from image to crop (see `crop_matrix`).
        size: Width and height of the crop in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    return cv2.warpAffine(image, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
