"""Joints to heatmaps and back.

A heatmap cell (column i, row j) stands for the point (i, j) of the crop divided by the stride. Encoding rounds to a
cell (half up, but toward zero left of and above the map); decoding gives cell coordinates, which the inverse crop
transform at heatmap size takes to the image.
"""

from collections.abc import Sequence

import numpy as np
import torch

from lib.pose.crop import crop_matrix, transform_points


def encode(
    joints: np.ndarray, visible: np.ndarray, image_size: Sequence[int], heatmap_size: Sequence[int], sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Target heatmaps: a gaussian of peak 1 at each visible joint's cell, cut at three sigma.

    Args:
        joints: (J, 2) x, y in pixels of the crop.
        visible: (J,) over 0 where the joint is labelled.
        image_size: width, height of the crop; heatmap_size: of the heatmaps.
        sigma: in cells.
    Returns:
        heatmaps (J, h, w) float32 and weights (J, 1) float32: 1 for a visible joint, 0 for one that is not, or whose
        gaussian lies outside the map. (One that ends a cell outside on the left or the top keeps its weight 1 beside
        an empty map, as in the reference implementation.)
    """
    width, height = heatmap_size
    heatmaps = np.zeros((len(joints), height, width), dtype=np.float32)
    weights = (np.asarray(visible) > 0).astype(np.float32).reshape(-1, 1)
    reach = int(3 * sigma)
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    patch = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * sigma**2))
    stride = np.asarray(image_size, dtype=np.float64) / np.asarray(heatmap_size)
    for j in np.flatnonzero(weights):
        x, y = (int(value) for value in joints[j] / stride + 0.5)  # truncated toward zero
        left, top, right, bottom = x - reach, y - reach, x + reach + 1, y + reach + 1
        if left >= width or top >= height or right < 0 or bottom < 0:
            weights[j] = 0
            continue
        rows, columns = slice(max(0, top), min(bottom, height)), slice(max(0, left), min(right, width))
        heatmaps[j, rows, columns] = patch[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
    return heatmaps, weights


def decode(heatmaps: torch.Tensor, post_process: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints of heatmaps: the highest cell.

    Args:
        heatmaps: (N, J, h, w).
        post_process: move a quarter of a cell toward the higher neighbour, in x and in y, where 1 < x < w − 1 and
            1 < y < h − 1.
    Returns:
        cells (N, J, 2) x, y float32, (0, 0) where no cell is above 0; peaks (N, J) float32.
    """
    n, j, h, w = heatmaps.shape
    heatmaps = heatmaps.float()
    peaks, indices = heatmaps.flatten(2).max(dim=2)  # (N, J)
    x, y = indices % w, indices // w
    cells = torch.stack([x, y], dim=2).float() * (peaks > 0).unsqueeze(2)
    if post_process:
        x, y = cells[..., 0].long(), cells[..., 1].long()
        inside = (x > 1) & (x < w - 1) & (y > 1) & (y < h - 1)
        x, y = x.clamp(1, max(1, w - 2)), y.clamp(1, max(1, h - 2))
        rows, columns = torch.arange(n, device=x.device)[:, None], torch.arange(j, device=x.device)[None]
        step_x = torch.sign(heatmaps[rows, columns, y, x + 1] - heatmaps[rows, columns, y, x - 1])
        step_y = torch.sign(heatmaps[rows, columns, y + 1, x] - heatmaps[rows, columns, y - 1, x])
        cells = cells + 0.25 * torch.stack([step_x, step_y], dim=2) * inside.unsqueeze(2)
    return cells, peaks


def to_image(cells: np.ndarray, centers: np.ndarray, scales: np.ndarray, heatmap_size: Sequence[int]) -> np.ndarray:
    """Decoded cells in image pixels.

    Args:
        cells: (N, J, 2); centers (N, 2), scales (N, 2): of the crops, which are not rotated.
        heatmap_size: width, height in cells.
    Returns:
        (N, J, 2) float64.
    """
    points = np.empty(cells.shape, dtype=np.float64)
    for n, (center, scale) in enumerate(zip(centers, scales, strict=True)):
        points[n] = transform_points(cells[n], crop_matrix(center, scale, 0.0, heatmap_size, inverse=True))
    return points


def flip_back(heatmaps: torch.Tensor, flip_order: Sequence[int], shift: bool) -> torch.Tensor:
    """Heatmaps of a mirrored crop as those of the crop itself.

    Args:
        heatmaps: (..., J, h, w).
        flip_order: (J,) joint that each joint's map comes from.
        shift: move the maps one cell to the right (the first column stays), which makes up for the half pixel by
            which a mirrored crop misses the crop.
    Returns:
        (..., J, h, w), a copy.
    """
    flipped = heatmaps.flip(-1)[..., torch.as_tensor(flip_order, device=heatmaps.device), :, :]
    if shift:
        flipped[..., 1:] = flipped[..., :-1].clone()
    return flipped
