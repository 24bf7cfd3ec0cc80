"""Normalization of images for the nets."""

import torch

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalize(images: torch.Tensor) -> torch.Tensor:
    """Convert images (…, H, W, 3) uint8 to the nets' input (…, 3, H, W) float32, normalized by ImageNet's statistics.

    In memory, the channels remain last, which is the fastest order for convolutions. The constants are for red, green,
    blue. They are used in this order for BGR images too, as in the training of nets with BGR input.
    """
    values = images.movedim(-1, -3).float() / 255
    mean, std = (torch.tensor(constant, device=images.device).view(3, 1, 1) for constant in (MEAN, STD))
    return (values - mean) / std
