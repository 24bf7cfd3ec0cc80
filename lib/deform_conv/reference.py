"""Deformable convolution in plain PyTorch: used where no kernel is built, differentiable, on any device."""

import torch
from torch import Tensor


def deform_conv2d(
    input: Tensor, offset: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> Tensor:
    """As lib.deform_conv.deform_conv2d, on arguments that are checked. Half types are computed in float32."""
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
    kernel: list[int], out_size: list[int], stride: list[int], padding: list[int], dilation: list[int], like: Tensor
) -> Tensor:
    """Where each tap looks without offsets: (taps, 2, H', W') y, x in pixels."""
    axes = [
        torch.arange(out, device=like.device)[None, :] * s - p + torch.arange(k, device=like.device)[:, None] * d
        for k, out, s, p, d in zip(kernel, out_size, stride, padding, dilation, strict=True)
    ]  # (kh, H'), (kw, W')
    y, x = axes[0][:, None, :, None], axes[1][None, :, None, :]
    y, x = torch.broadcast_tensors(y, x)  # (kh, kw, H', W')
    return torch.stack([y, x], dim=2).flatten(0, 1).to(like.dtype)


def _sample(planes: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """Samples (N, G, C, taps · H' · W') of planes (N, G, C, H · W), zero outside, at y, x (N, G, taps, H', W')."""
    # Points that touch no pixel (NaN too) are moved to where all four corners are outside.
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
