"""The inference form of a net that is frozen while another one learns from its outputs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lib.models.inference import prepare_for_inference


def frozen_form(net: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return a function that computes what a frozen net computes, faster and outside autograd.

    Later changes of the net do not reach the function, which uses a copy.

    Args:
        net: Single-frame pose net.
        dtype: Dtype of its convolutions.

    Returns:
        Function of images (B, 3, H, W) that returns float32 heatmaps (B, J, h, w).
    """
    prepared = prepare_for_inference(net, dtype)

    @torch.no_grad()
    def estimate(images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            heatmaps: Tensor = prepared(images)
        return heatmaps

    return estimate
