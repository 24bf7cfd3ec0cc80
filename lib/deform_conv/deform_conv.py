"""Deformable convolution (Dai et al., "Deformable Convolutional Networks", ICCV 2017)."""

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
    """Convolve with kernel taps that are moved by offsets, as torchvision.ops.deform_conv2d does.

    Samples are bilinear, with zeros outside the image, so samples at −1 to 0 fade in. A NaN offset samples zero; NaN
    and infinity in the input propagate to every output that samples them. The numbers of weight groups and offset
    groups follow from the shapes.

    Half types are summed in float32. Autocast casts the three tensors to its dtype, except for float64. On CUDA the
    gradient of `input` is nondeterministic. Second derivatives are not supported.

    The CPU kernel reads offsets that are channels-last or expanded over the batch without a copy; its backward pass
    copies them.

    Args:
        input: Input (N, C, H, W) of dtype float32, float64, float16 or bfloat16.
        offset: Offsets (N, 2 · G · kh · kw, H', W') in pixels. Channel 2 · (g · kh · kw + t) is Δy of offset group g
            and tap t (row by row), and the next channel is Δx. G divides C; each offset group moves C / G channels. The
            dtype is that of `input`, or a half type if `input` is float32.
        weight: Weight (O, C / groups, kh, kw) of the dtype of `input`.
        stride: Distance of neighboring positions in pixels, one number or (y, x).
        padding: Rows and columns of zeros on each side of the input, one number or (y, x).
        dilation: Distance of neighboring kernel taps in pixels, one number or (y, x).

    Returns:
        Output (N, O, H', W') of the dtype of `input`.

    Raises:
        ValueError: The shapes, dtypes or devices do not match.
    """
    device_type = input.device.type
    if device_type in ("cpu", "cuda") and torch.is_autocast_enabled(device_type):
        dtype = torch.get_autocast_dtype(device_type)
        input, offset, weight = (t if t.dtype == torch.float64 else t.to(dtype) for t in (input, offset, weight))
    has_compiled = has_kernel(device_type)
    if _is_mixed(input, offset) and not (has_compiled and device_type == "cpu"):
        offset = offset.float()
    sizes = _pair("stride", stride, 1), _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    _check(input, offset, weight, *sizes)
    implementation = torch.ops.posewarper.deform_conv2d if has_compiled else reference.deform_conv2d
    return implementation(input, offset, weight, *sizes)


class DeformConv2d(nn.Module):
    """Module of `deform_conv2d` with a weight but no bias, initialized to the identity.

    The initial output for zero offsets is the input, as PoseWarper requires (section 3 of the paper). If the numbers
    of channels differ, the first min(in_channels, out_channels) channels are copied.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel, one number or (y, x).
        stride: Distance of neighboring positions in pixels, one number or (y, x).
        padding: Rows and columns of zeros on each side of the input, one number or (y, x).
        dilation: Distance of neighboring kernel taps in pixels, one number or (y, x).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *_pair("kernel_size", kernel_size, 1)))
        nn.init.dirac_(self.weight)

    def forward(self, input: Tensor, offset: Tensor) -> Tensor:
        """Return the output (N, O, H', W').

        Args:
            input: Input (N, C, H, W).
            offset: Offsets (N, 2 · G · kh · kw, H', W') in pixels (`deform_conv2d`).
        """
        return deform_conv2d(input, offset, self.weight, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        """Return the shape of the weight, stride, padding and dilation for `repr`."""
        shape = tuple(self.weight.shape)
        return f"{shape}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}"


def _pair(name: str, value: int | tuple[int, int], least: int) -> list[int]:
    pair = [value, value] if isinstance(value, int) else list(value)
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(f"deform_conv2d: {name} is {value}, expected one or two numbers of at least {least}")
    return pair


def _is_mixed(input: Tensor, offset: Tensor) -> bool:
    return input.dtype == torch.float32 and offset.dtype in (torch.float16, torch.bfloat16)


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
        same = (input, weight) if trait == "dtype" and _is_mixed(input, offset) else tensors.values()
        values = [getattr(tensor, trait) for tensor in same]
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
