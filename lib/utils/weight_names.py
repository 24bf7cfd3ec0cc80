"""Translation of tensor names of the original implementations, MMPose, and ImageNet model zoos into our names."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from torch import Tensor

# Published name → our name, applied in this order. MMPose 0.x and 1.x prefix names with backbone, neck, and
# (keypoint_)head, and number PoseWarper's dilations from 0.
_RENAMES: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    # saved from DataParallel, DistributedDataParallel, averaged weights, or torch.compile
    (re.compile(r"^((module|_orig_mod)\.)+"), ""),
    (re.compile(r"^(backbone|neck|vit)\."), ""),
    (re.compile(r"^(keypoint_)?head\.(?=final_layer\.|deconv_layers\.)"), ""),
    (re.compile(r"^trans_layer\."), "final_layer."),  # the head's last layer in PoseWarper's neck
    (re.compile(r"^offset_layers\.(\d+)"), lambda match: f"offsets{int(match[1]) + 1}"),
    (re.compile(r"^deform_conv_layers\.(\d+)"), lambda match: f"deform_conv{int(match[1]) + 1}"),
    # vision transformers: MAE and timm; MMPretrain, whose backbones MMPose 1.x uses; Hugging Face
    (re.compile(r"^(norm|ln1|layernorm)\."), "last_norm."),
    (re.compile(r"^(embeddings\.)?patch_embed(dings)?\.projection\."), "patch_embed.proj."),
    (re.compile(r"^embeddings\.position_embeddings$"), "pos_embed"),
    (re.compile(r"^(layers|encoder\.layer)\.(\d+)\."), r"blocks.\2."),
    (re.compile(r"^(blocks\.\d+)\.(ln1|layernorm_before)\."), r"\1.norm1."),
    (re.compile(r"^(blocks\.\d+)\.(ln2|layernorm_after)\."), r"\1.norm2."),
    (re.compile(r"^(blocks\.\d+)\.attention\.attention\."), r"\1.attn."),
    (re.compile(r"^(blocks\.\d+)\.attention\.output\.dense\."), r"\1.attn.proj."),
    (re.compile(r"^(blocks\.\d+)\.(ffn\.layers\.0\.0|intermediate\.dense)\."), r"\1.mlp.fc1."),
    (re.compile(r"^(blocks\.\d+)\.(ffn\.layers\.1|output\.dense)\."), r"\1.mlp.fc2."),
    (re.compile(r"^head\.deconv([12])\."), lambda match: f"deconv_layers.{3 * int(match[1]) - 3}."),
    (re.compile(r"^head\.batchnorm([12])\."), lambda match: f"deconv_layers.{3 * int(match[1]) - 2}."),
    (re.compile(r"^head\.conv\."), "final_layer."),
]

# Tensors in ImageNet files that are not part of a pose net's trunk. In these files, HRNet's last module outputs four
# resolutions, and a pose net has only the first.
_CLASSIFIER = re.compile(
    r"^(fc|classifier|incre_modules|downsamp_modules|final_layer\.\d+"  # torchvision, timm, HRNet's classification code
    r"|head\.\d+"  # files provided with HRNet's pose code
    r"|head(?=\.(weight|bias)$)"  # timm's and torchvision's transformers
    r"|head\.fc|\d+\.(increase_layers|downsample_layers|final_layer)"  # MMPretrain, formerly MMClassification
    r"|stage4\.2\.fuse_layers\.[123])\."
)

_VIT_SIZES = {(384, 12): "S", (768, 12): "B", (1024, 24): "L", (1280, 32): "H"}  # by channels and number of blocks

_NECK = re.compile(r"(^|\.)neck\.trans_layer\.")

HEAD_LAYERS = ("deconv_layers", "final_layer", "last_norm")
"""Layers that a pose net adds to its trunk. Training can start without weights for them and for the warping head.

ViTPose normalizes the features of its transformer for the decoder, in last_norm.
"""

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
    """Return the name of the trunk that tensors belong to: `HRNet-W48`, `ResNet-50`, `ViT-B`, or "" for any other net.

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
    projection = tensors.get("blocks.0.attn.proj.weight")
    if projection is not None and projection.ndim == 2:
        blocks = [name for name in tensors if re.fullmatch(r"blocks\.\d+\.attn\.proj\.weight", name)]
        size = projection.shape[0], len(blocks)
        return f"ViT-{_VIT_SIZES.get(size, '{}x{}'.format(*size))}"
    return ""


def net(tensors: Mapping[str, Tensor]) -> str:
    """Describe the whole net: `PoseWarper over HRNet-W48 with 17 joints`, or "" for other nets.

    Args:
        tensors: Tensors by their name in the model.
    """
    last = tensors.get("final_layer.weight")
    if last is None or last.ndim != 4 or not trunk(tensors):
        return trunk(tensors) and f"{trunk(tensors)} without a pose head"
    warper = "PoseWarper over " if "offset_feats.0.conv1.weight" in tensors else ""
    return f"{warper}{trunk(tensors)} with {len(last)} joints"
