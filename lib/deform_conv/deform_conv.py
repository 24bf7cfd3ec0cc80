"""Deformable convolution (Dai et al., "Deformable Convolutional Networks", ICCV 2017): the function and its module."""

import torch
from torch import Tensor, nn

from lib.deform_conv import reference
from lib.deform_conv.ops import has_kernel


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Tensor:
    """Convolution whose taps are moved by offsets; same meaning as torchvision.ops.deform_conv2d.

    Samples are bilinear, and zero outside the image: a sample between −1 and 0 fades in. An offset that is NaN
    samples nothing; NaN or infinity in the input shows wherever it is sampled. Weight groups and offset groups follow
    from the shapes.

    Half types are summed in float32. Under autocast the three tensors are cast to autocast's dtype, float64 excepted.
    The gradient of `input` on CUDA is summed in no fixed order. There are no second derivatives.

    Args:
        input: (N, C, H, W) float32, float64, float16 or bfloat16.
        offset: (N, 2 · G · kh · kw, H', W') in pixels; for offset group g and tap t (row by row) channel
            2 · (g · kh · kw + t) is Δy and the next one Δx. G divides C: each group moves C / G channels.
        weight: (O, C / groups, kh, kw).
        stride, padding, dilation: for both axes, or (y, x).

    Returns:
        (N, O, H', W')

    Raises:
        ValueError: shapes, types or devices that do not fit.
    """
    device_type = input.device.type
    if device_type in ("cpu", "cuda") and torch.is_autocast_enabled(device_type):
        dtype = torch.get_autocast_dtype(device_type)
        input, offset, weight = (t if t.dtype == torch.float64 else t.to(dtype) for t in (input, offset, weight))
    sizes = _pair("stride", stride, 1), _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    _check(input, offset, weight, *sizes)
    implementation = torch.ops.posewarper.deform_conv2d if has_kernel(device_type) else reference.deform_conv2d
    return implementation(input, offset, weight, *sizes)


class DeformConv2d(nn.Module):
    """`deform_conv2d` with a weight of its own and no bias; at first it passes each channel on as it is.

    That is PoseWarper's initial state (section 3 of the paper): with zero offsets the output is the input. Where the
    numbers of channels differ, as many as possible are passed on.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
    ):
        super().__init__()
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *_pair("kernel_size", kernel_size, 1)))
        nn.init.dirac_(self.weight)

    def forward(self, input: Tensor, offset: Tensor) -> Tensor:
        """Input (N, C, H, W), offset (N, 2 · G · kh · kw, H', W') in pixels -> (N, O, H', W')."""
        return deform_conv2d(input, offset, self.weight, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        shape = tuple(self.weight.shape)
        return f"{shape}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}"


def _pair(name: str, value: int | tuple[int, int], least: int) -> list[int]:
    pair = [value, value] if isinstance(value, int) else list(value)
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(f"deform_conv2d: {name} is {value}, expected one or two numbers of at least {least}")
    return pair


def _check(
    input: Tensor, offset: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> None:
    tensors = {"input": input, "offset": offset, "weight": weight}

    def require(condition: bool, what: str) -> None:
        if not condition:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
            raise ValueError(f"deform_conv2d: {what}; got {shapes}")

    require(all(t.dim() == 4 for t in tensors.values()), "input, offset and weight must have four dimensions")
    require(0 not in input.shape[1:] and 0 not in weight.shape, "only the batch may be empty")
    for trait in ("dtype", "device"):
        values = [getattr(tensor, trait) for tensor in tensors.values()]
        require(len(set(values)) == 1, f"{trait} must be the same for all, it is {', '.join(map(str, values))}")
    require(input.is_floating_point(), f"floating point numbers are expected, not {input.dtype}")

    channels, taps = input.shape[1], weight.shape[2] * weight.shape[3]
    require(channels % weight.shape[1] == 0, "the input's channels must be a multiple of weight.shape[1]")
    require(weight.shape[0] % (channels // weight.shape[1]) == 0, "weight.shape[0] must be a multiple of the groups")
    offset_groups = offset.shape[1] // (2 * taps)
    require(
        offset_groups > 0 and offset.shape[1] % (2 * taps) == 0 and channels % offset_groups == 0,
        f"offset needs {2 * taps} channels for each offset group, whose number divides the input's channels",
    )
    out_size = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(input.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    ]
    require(min(out_size) > 0, f"the kernel does not fit into the padded input: the output would be {out_size}")
    expected = (input.shape[0], offset.shape[1], *out_size)
    require(tuple(offset.shape) == expected, f"offset must be {expected} to fit the output")
