"""Operators posewarper::deform_conv2d and posewarper::deform_conv2d_backward.

This module defines their schemas, fake kernels and autograd. The compiled library (csrc/, built by `make`) adds kernels
for the CPU and for CUDA. The operators do not check their arguments; lib.deform_conv.deform_conv2d does.
"""

import functools
import warnings
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

# PyTorch does not annotate its registrations of operators.
_library = torch.library.Library("posewarper", "DEF")  # type: ignore[no-untyped-call]
_SIZES = "int[2] stride, int[2] padding, int[2] dilation"
_library.define(  # type: ignore[no-untyped-call]
    f"deform_conv2d(Tensor input, Tensor offset, Tensor weight, {_SIZES}) -> Tensor"
)
_library.define(  # type: ignore[no-untyped-call]
    "deform_conv2d_backward(Tensor grad, Tensor input, Tensor offset, Tensor weight, "
    f"{_SIZES}) -> (Tensor, Tensor, Tensor)"
)


def load_kernels(folder: Path) -> str | None:
    """Load the library that was built for this version of torch.

    Args:
        folder: Path to the folder of the library.

    Returns:
        None if it was loaded, otherwise the reason why it was not.
    """
    path = folder / f"_C.torch-{torch.__version__}.so"
    if not path.exists():
        others = [other.stem.removeprefix("_C.torch-") for other in sorted(folder.glob("_C.torch-*.so"))]
        return f"built for torch {', '.join(others)}, this is {torch.__version__}" if others else "not built"
    try:
        torch.ops.load_library(path)  # type: ignore[no-untyped-call]
    except OSError as error:
        return f"{path.name} cannot be loaded: {error}"
    return None


_not_loaded = load_kernels(Path(__file__).parent)


def has_kernel(device_type: str) -> bool:
    """Return True if the operators are compiled for a type of device, otherwise warn.

    Args:
        device_type: Type of the device, such as "cuda".
    """
    if _HAS_KERNEL.get(device_type):
        return True
    reason = _not_loaded or f"built without {device_type.upper()}"
    _warn(f"deform_conv2d on {device_type.upper()} runs as plain PyTorch, several times slower: {reason}; run `make`")
    return False


@functools.cache  # Python repeats a warning after every change of its filters, such as warnings.catch_warnings
def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=1)


@torch.library.register_fake("posewarper::deform_conv2d", lib=_library)  # type: ignore[untyped-decorator]
def _(
    input: Tensor, offset: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> Tensor:
    return input.new_empty(input.shape[0], weight.shape[0], offset.shape[2], offset.shape[3])


@torch.library.register_fake("posewarper::deform_conv2d_backward", lib=_library)  # type: ignore[untyped-decorator]
def _(
    grad: Tensor,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in (input, offset, weight))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.stride, ctx.padding, ctx.dilation = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grads = torch.ops.posewarper.deform_conv2d_backward(grad, *ctx.saved_tensors, ctx.stride, ctx.padding, ctx.dilation)
    return *grads, None, None, None


def _no_second_backward(ctx: Any, *grads: Tensor) -> NoReturn:
    raise RuntimeError("deform_conv2d has no second derivatives")


torch.library.register_autograd("posewarper::deform_conv2d", _backward, setup_context=_save, lib=_library)
torch.library.register_autograd("posewarper::deform_conv2d_backward", _no_second_backward, lib=_library)

_key = torch._C._dispatch_key_for_device
_HAS_KERNEL = {
    device: torch._C._dispatch_has_kernel_for_dispatch_key("posewarper::deform_conv2d", _key(device))
    for device in ("cpu", "cuda", "meta")
}
"""Whether the operators have a kernel for a type of device: constants, which torch.compile can trace."""
