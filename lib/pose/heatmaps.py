"""Joints to heatmaps and back.

A heatmap cell (column i, row j) stands for the point (i, j) of the crop divided by the stride. Encoding rounds to a
cell (half up, but toward zero left of and above the map); decoding gives cell coordinates, which the inverse crop
transform at heatmap size takes to the image.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from lib.pose.crop import crop_matrix, transform_points


def encode(
    joints: np.ndarray,
    visible: np.ndarray,
    image_size: Sequence[int],
    heatmap_size: Sequence[int],
    sigma: float,
    unbiased: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Target heatmaps: a gaussian of peak 1 at each visible joint's cell, cut at three sigma.

    Args:
        joints: (J, 2) x, y in pixels of the crop.
        visible: (J,) over 0 where the joint is labelled.
        image_size: width, height of the crop; heatmap_size: of the heatmaps.
        sigma: in cells.
        unbiased: the gaussian's centre is the joint itself, not its cell (DARK, Zhang et al., CVPR 2020, section 3.2).
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
        cell = joints[j] / stride
        x, y = (int(value) for value in cell + 0.5)  # truncated toward zero
        left, top, right, bottom = x - reach, y - reach, x + reach + 1, y + reach + 1
        if left >= width or top >= height or right < 0 or bottom < 0:
            weights[j] = 0
            continue
        if unbiased:
            bells = (np.exp(-((offsets - (cell[k] - near)) ** 2) / (2 * sigma**2)) for k, near in enumerate((x, y)))
            patch = np.outer(*reversed([*bells]))
        rows, columns = slice(max(0, top), min(bottom, height)), slice(max(0, left), min(right, width))
        heatmaps[j, rows, columns] = patch[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
    return heatmaps, weights


def decode(heatmaps: torch.Tensor, post_process: bool, dark_sigma: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints of heatmaps: the highest cell.

    Args:
        heatmaps: (N, J, h, w).
        post_process: move a quarter of a cell toward the higher neighbour, in x and in y, where 1 < x < w − 1 and
            1 < y < h − 1.
        dark_sigma: over 0, move to where the gaussian around it has its peak instead, after smoothing by one of so
            many cells, that of the targets (DARK, Zhang et al., CVPR 2020, section 3.1).
    Returns:
        cells (N, J, 2) x, y float32, (0, 0) where no cell is above 0; peaks (N, J) float32.
    """
    n, j, h, w = heatmaps.shape
    heatmaps = heatmaps.float()
    peaks, indices = heatmaps.flatten(2).max(dim=2)  # (N, J)
    x, y = indices % w, indices // w
    cells = torch.stack([x, y], dim=2).float() * (peaks > 0).unsqueeze(2)
    if dark_sigma:
        cells = cells + _to_gaussian_peak(heatmaps, x, y, dark_sigma)
    elif post_process:
        x, y = cells[..., 0].long(), cells[..., 1].long()
        inside = (x > 1) & (x < w - 1) & (y > 1) & (y < h - 1)
        x, y = x.clamp(1, max(1, w - 2)), y.clamp(1, max(1, h - 2))
        rows, columns = torch.arange(n, device=x.device)[:, None], torch.arange(j, device=x.device)[None]
        step_x = torch.sign(heatmaps[rows, columns, y, x + 1] - heatmaps[rows, columns, y, x - 1])
        step_y = torch.sign(heatmaps[rows, columns, y + 1, x] - heatmaps[rows, columns, y - 1, x])
        cells = cells + 0.25 * torch.stack([step_x, step_y], dim=2) * inside.unsqueeze(2)
    return cells, peaks


def _to_gaussian_peak(heatmaps: torch.Tensor, x: torch.Tensor, y: torch.Tensor, sigma: float) -> torch.Tensor:
    """(N, J, 2) the step from cells x, y (N, J) to the peak of the gaussian there; at most one cell, 0 at the border.

    The logarithm of a gaussian is a parabola: its peak follows from first and second differences.
    """
    n, j, h, w = heatmaps.shape
    reach = math.ceil(3 * sigma)
    bell = torch.exp(-(torch.arange(-reach, reach + 1, device=heatmaps.device) ** 2) / (2 * sigma**2))
    bell = (bell / bell.sum())[None, None]
    smooth = heatmaps.reshape(n * j, 1, h, w)
    smooth = nn.functional.conv2d(smooth, bell[..., None], padding=(reach, 0))
    smooth = nn.functional.conv2d(smooth, bell[:, :, None], padding=(0, reach)).reshape(n, j, h, w)
    log = smooth.clamp(min=1e-10).log()
    inside = (x > 0) & (x < w - 1) & (y > 0) & (y < h - 1)
    x, y = x.clamp(1, max(1, w - 2)), y.clamp(1, max(1, h - 2))
    rows, columns = torch.arange(n, device=x.device)[:, None], torch.arange(j, device=x.device)[None]

    def at(dx: int, dy: int) -> torch.Tensor:
        return log[rows, columns, y + dy, x + dx]

    gradient = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], dim=2) / 2
    xx = at(1, 0) + at(-1, 0) - 2 * at(0, 0)
    yy = at(0, 1) + at(0, -1) - 2 * at(0, 0)
    xy = (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4
    determinant = xx * yy - xy**2
    is_peak = inside & (xx < 0) & (determinant > 0)
    adjugate = torch.stack([yy, -xy, -xy, xx], dim=2).reshape(n, j, 2, 2)
    step = -(adjugate @ gradient[..., None])[..., 0] / torch.where(is_peak, determinant, 1)[..., None]
    return torch.where(is_peak[..., None], step, 0).clamp(-1, 1)


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
