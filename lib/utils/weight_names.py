"""What other code calls the tensors of our nets: the first implementations, MMPose, the zoos of ImageNet weights."""

import re
from collections.abc import Collection, Iterable, Mapping

from torch import Tensor

# Published name → ours, applied in this order. MMPose 0.x and 1.x put the parts of a net under backbone, neck and
# (keypoint_)head, and number PoseWarper's dilations from 0.
_RENAMES = [
    # written through DataParallel, DistributedDataParallel, an average of weights, or torch.compile
    (re.compile(r"^((module|_orig_mod)\.)+"), ""),
    (re.compile(r"^(backbone|neck)\."), ""),
    (re.compile(r"^(keypoint_)?head\.(?=final_layer\.|deconv_layers\.)"), ""),
    (re.compile(r"^trans_layer\."), "final_layer."),  # what PoseWarper's neck calls the head's last layer
    (re.compile(r"^offset_layers\.(\d+)"), lambda match: f"offsets{int(match[1]) + 1}"),
    (re.compile(r"^deform_conv_layers\.(\d+)"), lambda match: f"deform_conv{int(match[1]) + 1}"),
]

# What ImageNet files of ResNet and HRNet hold beyond a pose net's trunk. HRNet's last module puts out four resolutions
# there, of which a pose net has the first.
_CLASSIFIER = re.compile(
    r"^(fc|classifier|incre_modules|downsamp_modules|final_layer\.\d+"  # torchvision, timm, HRNet's classification code
    r"|head\.\d+"  # the files that came with HRNet's pose code
    r"|head\.fc|\d+\.(increase_layers|downsample_layers|final_layer)"  # MMPretrain, before it MMClassification
    r"|stage4\.2\.fuse_layers\.[123])\."
)

_NECK = re.compile(r"(^|\.)neck\.trans_layer\.")

_HEAD = re.compile(r"^(deconv_layers|final_layer|offset_feats|offsets\d+|deform_conv\d+)\.")


def our_names(names: Iterable[str], own: Collection[str]) -> dict[str, str]:
    """Name in a file → name in a model, without what belongs to an ImageNet classifier.

    Args:
        own: the model's names, which stay as they are.
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
    """Whether a tensor, by its name in the file, is of the last layer as MMPose's PoseWarper keeps it."""
    return bool(_NECK.search(name))


def is_of_head(name: str) -> bool:
    """Whether a tensor, by our name, is of what a pose net adds to its trunk, and training may begin without it."""
    return bool(_HEAD.match(name))


def trunk(tensors: Mapping[str, Tensor]) -> str:
    """Which trunk the tensors belong to, by our names: `HRNet-W48`, `ResNet-50`; "": neither HRNet nor ResNet."""
    branch = tensors.get("stage2.0.branches.0.0.conv1.weight")
    if branch is not None and branch.ndim == 4:
        return f"HRNet-W{len(branch)}"
    if "layer4.0.conv1.weight" in tensors:
        # The number counts these convolutions, the first one and the classifier; shortcuts do not count.
        convolutions = [name for name in tensors if re.fullmatch(r"layer\d+\.\d+\.conv\d\.weight", name)]
        return f"ResNet-{len(convolutions) + 2}"
    return ""


def net(tensors: Mapping[str, Tensor]) -> str:
    """The whole net in words: `PoseWarper over HRNet-W48 with 17 joints`; "": neither HRNet nor ResNet."""
    last = tensors.get("final_layer.weight")
    if last is None or last.ndim != 4 or not trunk(tensors):
        return trunk(tensors) and f"{trunk(tensors)} without a pose head"
    warper = "PoseWarper over " if "offset_feats.0.conv1.weight" in tensors else ""
    return f"{warper}{trunk(tensors)} with {len(last)} joints"
