"""A classification trunk of torchvision, followed by transposed convolutions, as in Simple Baselines (ECCV 2018).

Tensors of the trunk have torchvision's names, so its ImageNet weights can start a training.
"""

import difflib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from lib.models.extra import read_extra
from lib.models.layers import check_size, deconv_layers, heatmap_layer, initialize
from lib.utils.errors import InputError

EXTRA = (
    "TRUNK",  # name of a classification net in torchvision.models, such as convnext_tiny
    "DECONV_FILTERS",  # channels of the three transposed convolutions; optional
)
"""Keys of MODEL.EXTRA."""

_CLASSIFIERS = ("avgpool", "classifier", "fc", "flatten", "head", "heads")
"""Names of the parts that torchvision's nets have after their features."""


class PoseTrunk(nn.Sequential):
    """Features of a torchvision net, with a decoder to heatmaps of a quarter of the input size.

    Args:
        num_joints: Number J of heatmaps.
        extra: Key TRUNK, and the optional DECONV_FILTERS (256).

    Raises:
        InputError: A key is missing, or its value is not supported.
    """

    def __init__(self, num_joints: int, extra: Mapping[str, Any]) -> None:
        name = read_extra(extra, "TRUNK")
        filters = read_extra({"DECONV_FILTERS": 256, **extra}, "DECONV_FILTERS", range(1, 8193))
        super().__init__(_build_trunk(name))
        channels = _count_channels(self, name)
        self.deconv_layers = deconv_layers([channels, filters, filters, filters], [4, 4, 4], bias=False)
        self.final_layer = heatmap_layer(filters, num_joints, kernel_size=1)
        initialize(self.deconv_layers)
        initialize(self.final_layer)

    def forward(self, images: Tensor) -> Tensor:
        """Return the heatmaps (B, J, H/4, W/4) of images.

        Args:
            images: Images (B, 3, H, W), normalized as in training.

        Raises:
            InputError: H or W is not a multiple of 32.
        """
        check_size(images)
        return _run(self, images)


def _run(parts: Iterable[nn.Module], x: Tensor) -> Tensor:
    for part in parts:
        x = part(x)
    return x


def _build_trunk(name: str) -> "OrderedDict[str, nn.Module]":
    """Return the parts of a torchvision net before its classifier, which run one after the other."""
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        (nearest,) = difflib.get_close_matches(str(name), names, 1, cutoff=0.0)
        raise InputError(f"MODEL.EXTRA.TRUNK is {name!r}: torchvision has no such net; did you mean {nearest}?")
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for part, module in torchvision.models.get_model(name, weights=None).named_children():
        if part in _CLASSIFIERS:
            break
        parts[part] = module
    return parts


@torch.no_grad()
def _count_channels(trunk: "PoseTrunk", name: str) -> int:
    """Return the number of channels of the features.

    Args:
        trunk: Net without its decoder.
        name: Name of the torchvision net, for messages.

    Raises:
        InputError: The features are not maps of a 32nd of the image's size.
    """
    try:
        channels, *size = _run(trunk.eval(), torch.zeros(1, 3, 128, 64)).shape[1:]
    except Exception:  # a net whose parts do not run one after the other can fail in any way
        channels, size = 0, []
    trunk.train()
    if size != [4, 2]:
        raise InputError(
            f"MODEL.EXTRA.TRUNK is {name}: its features are not maps of a 32nd of the image's size; use another "
            f"convolutional net or Swin, such as resnet50, convnext_tiny, efficientnet_b0, or swin_t"
        )
    return channels


POSE_NET = PoseTrunk
