"""The inference form of a net that is frozen while another one learns from its outputs."""

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def frozen_form(net: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return a function that computes what a frozen net computes, faster and outside autograd.

    It works on a copy of the net in evaluation mode with BatchNorm folded into the convolutions, weights stored in
    `dtype`, and tensors in the channels-last layout. Later changes of the net do not reach the copy.

    Args:
        net: Single-frame pose net.
        dtype: Dtype to compute in.

    Returns:
        Function of images (B, 3, H, W) that returns float32 heatmaps (B, J, h, w).
    """
    folded = copy.deepcopy(net).eval().requires_grad_(False)
    _fold_batch_norm(folded)
    folded.to(dtype=dtype).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def estimate(images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            heatmaps: Tensor = folded(images.to(dtype, memory_format=torch.channels_last))
        return heatmaps.float()

    return estimate


def _fold_batch_norm(net: nn.Module) -> None:
    """Fold each BatchNorm into the convolution that is defined right before it."""
    for module in list(net.modules()):
        for (name, convolution), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                transpose = isinstance(convolution, nn.ConvTranspose2d)
                setattr(module, name, fuse_conv_bn_eval(convolution, norm, transpose))
                setattr(module, norm_name, nn.Identity())
