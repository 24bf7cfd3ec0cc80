"""Encoding of joints as heatmaps, and decoding.

The cell in column i and row j of a heatmap represents the point (i, j) · stride of the crop (see lib.pose.crop for the
two conventions of the stride). Encoding rounds to a cell, half up, but toward zero left of and above the map. Decoding
returns cell coordinates, which the inverse crop transform at heatmap size maps to the image.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from lib.pose.crop import cell_stride, crop_matrix, transform_points


def encode(
    joints: np.ndarray,
    labeled: np.ndarray,
    image_size: Sequence[int],
    heatmap_size: Sequence[int],
    sigma: float,
    unbiased: bool = False,
    udp: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return target heatmaps: a Gaussian with peak 1 at the cell of each labeled joint, truncated at three sigma.

    Args:
        joints: (J, 2) x, y in pixels of the crop.
        labeled: (J,) positive or True if the joint is labeled.
        image_size: Width and height of the crop in pixels.
        heatmap_size: Width and height of the heatmaps in cells.
        sigma: Standard deviation of the Gaussian in cells.
        unbiased: If True, the Gaussian is centered at the joint itself instead of its cell (DARK, Zhang et al., CVPR
            2020, section 3.2).
        udp: If True, the crop is in the convention of UDP (lib.pose.crop).

    Returns:
        Heatmaps (J, h, w) float32 and weights (J, 1) float32: 1 for a labeled joint, 0 for others and for joints with a
        Gaussian outside the map. (A Gaussian that ends one cell outside on the left or at the top keeps its weight 1
        with an empty map, as in the reference implementation.)
    """
    width, height = heatmap_size
    heatmaps = np.zeros((len(joints), height, width), dtype=np.float32)
    weights = (np.asarray(labeled) > 0).astype(np.float32).reshape(-1, 1)
    reach = int(3 * sigma)
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    patch = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * sigma**2))
    stride = cell_stride(image_size, heatmap_size, udp)
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


def decode(
    heatmaps: torch.Tensor, post_process: bool, dark_sigma: float = 0.0, per_axis: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the joints of heatmaps, at their highest cells.

    Args:
        heatmaps: (N, J, h, w), at least three cells high and wide.
        post_process: If True, move a quarter of a cell toward the higher neighbor, in x and y, if 1 < x < w − 1 and
            1 < y < h − 1.
        dark_sigma: If above 0, move to the peak of the Gaussian around the cell instead, which may lie up to one cell
            beyond the border. The value is the sigma of the targets in cells, for which the map is first smoothed
            (DARK, Zhang et al., CVPR 2020, section 3.1).
        per_axis: Variant of `post_process` of MMPose 1.x: move in x if 1 < x < w − 1 and y > 0, and in y if
            1 < y < h − 1 and x > 0.

    Returns:
        Cells (N, J, 2) x, y float32, (0, 0) if no cell is above 0; and peaks (N, J) float32.
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
        in_x, in_y = (x > 1) & (x < w - 1), (y > 1) & (y < h - 1)
        allowed = torch.stack([in_x & (y > 0), in_y & (x > 0)] if per_axis else [in_x & in_y, in_x & in_y], dim=2)
        near_x, near_y = x.clamp(1, max(1, w - 2)), y.clamp(1, max(1, h - 2))  # cells with neighbors on both sides
        rows, columns = torch.arange(n, device=x.device)[:, None], torch.arange(j, device=x.device)[None]
        step_x = torch.sign(heatmaps[rows, columns, y, near_x + 1] - heatmaps[rows, columns, y, near_x - 1])
        step_y = torch.sign(heatmaps[rows, columns, near_y + 1, x] - heatmaps[rows, columns, near_y - 1, x])
        cells = cells + 0.25 * torch.stack([step_x, step_y], dim=2) * allowed
    return cells, peaks


def _to_gaussian_peak(heatmaps: torch.Tensor, x: torch.Tensor, y: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return the step (N, J, 2) from cells x, y (N, J) to the peak of the Gaussian there, at most one cell in x and y.

    The logarithm of a Gaussian is a quadratic function, so the first and second differences around any cell near the
    peak determine the peak. For a cell at the border, the differences are those around the adjacent inner cell.
    """
    h, w = heatmaps.shape[2:]
    column, row = x.clamp(1, w - 2), y.clamp(1, h - 2)
    smooth = _smoothing(row, h, sigma) @ heatmaps @ _smoothing(column, w, sigma).transpose(2, 3)  # (N, J, 3, 3)
    log = smooth.clamp(min=1e-10).log()

    def at(dx: int, dy: int) -> torch.Tensor:
        return log[..., 1 + dy, 1 + dx]

    gradient = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], dim=2) / 2
    xx = at(1, 0) + at(-1, 0) - 2 * at(0, 0)
    yy = at(0, 1) + at(0, -1) - 2 * at(0, 0)
    xy = (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4
    determinant = xx * yy - xy**2
    is_peak = (xx < 0) & (determinant > 0)
    adjugate = torch.stack([yy, -xy, -xy, xx], dim=2).unflatten(2, (2, 2))
    step = -(adjugate @ gradient[..., None])[..., 0] / torch.where(is_peak, determinant, 1)[..., None]
    step = torch.stack([column - x, row - y], dim=2) + step
    return torch.where(is_peak[..., None], step, 0).clamp(-1, 1)


def _smoothing(cells: torch.Tensor, length: int, sigma: float) -> torch.Tensor:
    """Return weights (N, J, 3, length) that smooth an axis of `length` cells at cells (N, J) and their two neighbors.

    The kernel is that of the published code for targets of `sigma`: OpenCV's, 11 cells wide for 2 and 17 for 3. Near
    the border it is truncated symmetrically to the map, because zeros from outside would push the peak inward.
    """
    reach = round(3 * sigma - 1)
    kernel = torch.from_numpy(cv2.getGaussianKernel(2 * reach + 1, 0)[:, 0]).to(cells.device, torch.float32)
    taken = torch.minimum(cells - 1, length - 2 - cells)[..., None, None]
    beside = torch.arange(-1, 2, device=cells.device)[:, None]
    offsets = torch.arange(length, device=cells.device) - cells[..., None, None] - beside
    weights = kernel[(offsets + reach).clamp(0, 2 * reach)] * (offsets.abs() <= taken.clamp(max=reach))
    return weights / weights.sum(dim=3, keepdim=True)


def to_image(
    cells: np.ndarray, centers: np.ndarray, scales: np.ndarray, heatmap_size: Sequence[int], udp: bool = False
) -> np.ndarray:
    """Map decoded cells to image pixels.

    Args:
        cells: (N, J, 2) x, y in cells.
        centers: (N, 2) centers of the crops, which are not rotated.
        scales: (N, 2) scales of the crops.
        heatmap_size: Width and height of the heatmaps in cells.
        udp: If True, the crops are in the convention of UDP (lib.pose.crop).

    Returns:
        (N, J, 2) float64.
    """
    joints = np.empty(cells.shape, dtype=np.float64)
    for n, (center, scale) in enumerate(zip(centers, scales, strict=True)):
        joints[n] = transform_points(cells[n], crop_matrix(center, scale, 0.0, heatmap_size, inverse=True, udp=udp))
    return joints


def flip_back(heatmaps: torch.Tensor, flip_order: Sequence[int], shift: bool) -> torch.Tensor:
    """Convert the heatmaps of a mirrored crop to those of the crop itself.

    Args:
        heatmaps: (..., J, h, w) heatmaps of the mirrored crop.
        flip_order: (J,) index of the joint that provides each joint's map.
        shift: If True, move the maps one cell to the right; the first column remains. With four pixels per cell, a
            point x of a crop of w pixels is at w − 1 − x in the mirrored crop, at (w − 1 − x) / 4 in its maps, and at
            x / 4 − 3 / 4 when these are mirrored back: three quarters of a cell too far left, or with the shift one
            quarter too far right. In the convention of UDP, with (w − 1) / (w / 4 − 1) pixels per cell, the point is at
            the correct position without a shift.

    Returns:
        (..., J, h, w), a copy.
    """
    flipped = heatmaps.flip(-1)[..., torch.as_tensor(flip_order, device=heatmaps.device), :, :]
    if shift:
        flipped[..., 1:] = flipped[..., :-1].clone()
    return flipped
