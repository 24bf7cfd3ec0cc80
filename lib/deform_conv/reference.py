"""Deformable convolution in plain PyTorch: the differentiable fallback for devices without a compiled kernel."""

from collections.abc import Sequence

import torch
from torch import Tensor


def deform_conv2d(
    input: Tensor, offset: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> Tensor:
    """Compute lib.deform_conv.deform_conv2d from arguments that it has checked; half types are computed in float32.

    Args:
        input: Input (N, C, H, W).
        offset: Offsets (N, 2 · G · kh · kw, H', W') in pixels.
        weight: Weight (O, C / groups, kh, kw).
        stride: Distance of neighboring positions in pixels, y and x.
        padding: Rows and columns of zeros on each side of the input.
        dilation: Distance of neighboring kernel taps in pixels, y and x.

    Returns:
        Output (N, O, H', W') of the dtype of `input`.
    """
    batch, channels, height, width = input.shape
    out_channels, in_per_group, *kernel = weight.shape
    out_size = offset.shape[2:]
    groups = channels // in_per_group
    taps = kernel[0] * kernel[1]
    offset_groups = offset.shape[1] // (2 * taps)
    dtype = input.dtype
    if dtype in (torch.float16, torch.bfloat16):
        input, offset, weight = input.float(), offset.float(), weight.float()

    offset = offset.reshape(batch, offset_groups, taps, 2, *out_size)  # (N, offset groups, taps, Δy and Δx, H', W')
    grid = _tap_grid(kernel, out_size, stride, padding, dilation, offset)  # (taps, 2, H', W')
    y, x = (offset + grid).unbind(3)
    planes = input.reshape(batch, offset_groups, channels // offset_groups, height * width)
    columns = _sample(planes, y, x, height, width)  # (N, offset groups, C / offset groups, taps · H' · W')

    columns = columns.reshape(batch, groups, in_per_group * taps, out_size.numel())
    weight = weight.reshape(groups, out_channels // groups, in_per_group * taps)
    with torch.autocast(input.device.type, enabled=False):
        output = weight @ columns
    return output.reshape(batch, out_channels, *out_size).to(dtype)


def _tap_grid(
    kernel: Sequence[int],
    out_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    like: Tensor,
) -> Tensor:
    """Return the positions (taps, 2, H', W') of all taps without offsets, y and x in pixels.

    Args:
        kernel: Height and width of the kernel.
        out_size: Height and width of the output.
        stride: Distance of neighboring positions in pixels, y and x.
        padding: Rows and columns of zeros on each side of the input.
        dilation: Distance of neighboring kernel taps in pixels, y and x.
        like: Tensor of the dtype and on the device of the positions.
    """
    axes = [
        torch.arange(out, device=like.device)[None, :] * s - p + torch.arange(k, device=like.device)[:, None] * d
        for k, out, s, p, d in zip(kernel, out_size, stride, padding, dilation, strict=True)
    ]  # (kh, H'), (kw, W')
    y, x = axes[0][:, None, :, None], axes[1][None, :, None, :]
    y, x = torch.broadcast_tensors(y, x)  # type: ignore[no-untyped-call]  # not annotated; (kh, kw, H', W')
    return torch.stack([y, x], dim=2).flatten(0, 1).to(like.dtype)


def _sample(planes: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """Return bilinear samples (N, G, C, taps · H' · W'), with zeros outside the planes.

    Args:
        planes: Planes (N, G, C, H · W).
        y: Rows (N, G, taps, H', W') of the samples.
        x: Columns (N, G, taps, H', W') of the samples.
        height: Height H of the planes.
        width: Width W of the planes.
    """
    # Points that touch no pixel, and NaN, are moved to a point whose four corners are outside.
    touches = (y >= -1) & (y < height) & (x >= -1) & (x < width)
    y, x = torch.where(touches, y, height), torch.where(touches, x, width)
    top, left = y.floor(), x.floor()
    samples = torch.zeros((), dtype=planes.dtype, device=planes.device)
    for row, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long().flatten(2)
            values = planes.gather(3, index[:, :, None].expand(-1, -1, planes.shape[2], -1))
            samples = samples + values * (share_y * share_x * inside).flatten(2)[:, :, None]
    return samples
