"""Translation of tensor names of the original implementations, MMPose, and ImageNet model zoos into our names."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from torch import Tensor

# Published name → our name, applied in this order. MMPose 0.x and 1.x prefix names with backbone, neck, and
# (keypoint_)head, and number PoseWarper's dilations from 0.
_RENAMES: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    # saved from DataParallel, DistributedDataParallel, averaged weights, or torch.compile
    (re.compile(r"^((module|_orig_mod)\.)+"), ""),
    (re.compile(r"^(backbone|neck)\."), ""),
    (re.compile(r"^(keypoint_)?head\.(?=final_layer\.|deconv_layers\.)"), ""),
    (re.compile(r"^trans_layer\."), "final_layer."),  # the head's last layer in PoseWarper's neck
    (re.compile(r"^offset_layers\.(\d+)"), lambda match: f"offsets{int(match[1]) + 1}"),
    (re.compile(r"^deform_conv_layers\.(\d+)"), lambda match: f"deform_conv{int(match[1]) + 1}"),
]

# Tensors in ImageNet files of ResNet and HRNet that are not part of a pose net's trunk. In these files, HRNet's last
# module outputs four resolutions, and a pose net has only the first.
_CLASSIFIER = re.compile(
    r"^(fc|classifier|incre_modules|downsamp_modules|final_layer\.\d+"  # torchvision, timm, HRNet's classification code
    r"|head\.\d+"  # files provided with HRNet's pose code
    r"|head\.fc|\d+\.(increase_layers|downsample_layers|final_layer)"  # MMPretrain, formerly MMClassification
    r"|stage4\.2\.fuse_layers\.[123])\."
)

_NECK = re.compile(r"(^|\.)neck\.trans_layer\.")

HEAD_LAYERS = ("deconv_layers", "final_layer")
"""Layers that a pose net adds to its trunk. Training can start without weights for them and for the warping head."""

_HEAD = re.compile(rf"^({'|'.join(HEAD_LAYERS)}|offset_feats|offsets\d+|deform_conv\d+)\.")


def our_names(names: Iterable[str], own: Collection[str]) -> dict[str, str]:
    """Map the names in a file to the names in a model, leaving out the layers of ImageNet classifiers.

    Args:
        names: Names in the file.
        own: Names in the model; names in the file that are among them stay unchanged.

    Returns:
        Dictionary that maps names in the file to names in the model.
    """
    result = {}
    for old in names:
        new = old
        if old not in own:
            for pattern, replacement in _RENAMES:
                new = pattern.sub(replacement, new)
        if new in own or not _CLASSIFIER.match(new):
            result[old] = new
    return result


def is_of_neck(name: str) -> bool:
    """Return True if a tensor, by its name in the file, belongs to the last layer in the neck of MMPose's PoseWarper.

    Args:
        name: Name of the tensor in the file.
    """
    return bool(_NECK.search(name))


def is_of_head(name: str) -> bool:
    """Return True if a tensor belongs to the layers that a pose net adds to its trunk; training can start without them.

    Args:
        name: Name of the tensor in the model.
    """
    return bool(_HEAD.match(name))


def trunk(tensors: Mapping[str, Tensor]) -> str:
    """Return the name of the trunk that tensors belong to: `HRNet-W48`, `ResNet-50`, or "" for any other net.

    Args:
        tensors: Tensors by their name in the model.
    """
    branch = tensors.get("stage2.0.branches.0.0.conv1.weight")
    if branch is not None and branch.ndim == 4:
        return f"HRNet-W{len(branch)}"
    if "layer4.0.conv1.weight" in tensors:
        # The number of layers includes these convolutions, the first one, and the classifier, but no shortcuts.
        convolutions = [name for name in tensors if re.fullmatch(r"layer\d+\.\d+\.conv\d\.weight", name)]
        return f"ResNet-{len(convolutions) + 2}"
    return ""


def net(tensors: Mapping[str, Tensor]) -> str:
    """Describe the whole net: `PoseWarper over HRNet-W48 with 17 joints`, or "" for nets other than HRNet and ResNet.

    Args:
        tensors: Tensors by their name in the model.
    """
    last = tensors.get("final_layer.weight")
    if last is None or last.ndim != 4 or not trunk(tensors):
        return trunk(tensors) and f"{trunk(tensors)} without a pose head"
    warper = "PoseWarper over " if "offset_feats.0.conv1.weight" in tensors else ""
    return f"{warper}{trunk(tensors)} with {len(last)} joints"
