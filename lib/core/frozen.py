"""Frozen nets whose outputs another net is trained on."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lib.models.inference import prepare_for_inference


def frozen_estimator(net: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return a function with the outputs of a frozen net that is faster and does not record gradients.

    The function uses a copy of the net, so it does not follow later changes.

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
