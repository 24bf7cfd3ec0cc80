"""Image values as the nets expect them."""

import torch

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Images (…, H, W, 3) uint8 to the nets' input (…, 3, H, W) float32: ImageNet's mean 0 and standard deviation 1.

    In memory the channels stay last, as they came: the order that convolutions are fastest in. The constants are those
    of red, green, blue; a net that is fed BGR was trained with them in this order all the same.
    """
    values = images.movedim(-1, -3).float() / 255
    mean, std = (torch.tensor(constant, device=images.device).view(3, 1, 1) for constant in (MEAN, STD))
    return (values - mean) / std
