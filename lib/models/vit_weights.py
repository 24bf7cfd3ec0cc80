"""Conversion of the weights of vision transformers in other files to the tensors of `pose_vit`."""

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

_QUERY = re.compile(r"(blocks\.\d+\.attn\.)query\.(weight|bias)")
_EXPERT = re.compile(r"(blocks\.\d+\.mlp\.)experts\.\d+\.(weight|bias)")
EXPERT = 0
"""Number of the expert of ViTPose+ that is used, that for COCO."""


def fit_weights(tensors: Mapping[str, Tensor], *, grid: tuple[int, int], width: int, patch: int) -> dict[str, Tensor]:
    """Return tensors with the shapes of `pose_vit`.

    - Hugging Face's query, key, and value are joined to `qkv`.
    - ViTPose+: the expert for COCO is joined to the layer that all data sets share. The others are left out.
    - Position embeddings of another grid are interpolated; MMPose's, which have no class token, get one of zeros.
    - Smaller patches, such as the 14 pixels of MAE's ViT-H, are padded with zeros, as ViTPose does.

    Args:
        tensors: Tensors by name. Names are those of the net, except for parts of its tensors.
        grid: Rows and columns of the position embeddings.
        width: Number of channels.
        patch: Height and width of a patch.
    """
    result = _join_experts(_join_attention(tensors), width)
    if "pos_embed" in result and result["pos_embed"].ndim == 3:
        result["pos_embed"] = _fit_positions(result["pos_embed"], grid)
    proj = result.get("patch_embed.proj.weight")
    if proj is not None and proj.ndim == 4 and proj.shape[2] == proj.shape[3] < patch:
        before = (patch - proj.shape[2]) // 2
        after = patch - proj.shape[2] - before
        result["patch_embed.proj.weight"] = F.pad(proj, (before, after, before, after))
    return result


def resize_positions(positions: Tensor, grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Interpolate position embeddings bicubically, as ViTPose and MAE do.

    Args:
        positions: Embeddings (1, h · w, C).
        grid: h, w.
        size: New h', w'.

    Returns:
        Embeddings (1, h' · w', C).
    """
    maps = torch.unflatten(positions.transpose(1, 2), 2, grid)  # (1, C, h, w)
    return F.interpolate(maps, size, mode="bicubic", align_corners=False).flatten(2).transpose(1, 2)


def _join_attention(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    result = dict(tensors)
    for name in tensors:
        if match := _QUERY.fullmatch(name):
            names = [f"{match[1]}{part}.{match[2]}" for part in ("query", "key", "value")]
            if all(part in tensors and _fits_below(tensors[part], tensors[name]) for part in names):
                result[f"{match[1]}qkv.{match[2]}"] = torch.cat([result.pop(part) for part in names])
    return result


def _fits_below(tensor: Tensor, other: Tensor) -> bool:
    return 0 < tensor.ndim == other.ndim and tensor.shape[1:] == other.shape[1:]


def _join_experts(tensors: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
    result = {name: tensor for name, tensor in tensors.items() if not _EXPERT.fullmatch(name)}
    for name in tensors:
        match = _EXPERT.fullmatch(name)
        if match and name == f"{match[1]}experts.{EXPERT}.{match[2]}":
            shared = f"{match[1]}fc2.{match[2]}"
            # Files that ViTPose's own tool split by data set are joined already, and still have the experts.
            if shared in result and _fits_below(tensors[name], result[shared]) and len(result[shared]) < width:
                result[shared] = torch.cat([result[shared], tensors[name]])
    return result


def _fit_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return position embeddings (1, 1 + h · w, C) of a grid h, w, or the given ones if their own grid is not known."""
    count, cells = positions.shape[1], grid[0] * grid[1]
    if count == 1 + cells:
        return positions
    has_class_token = count != cells and _grid_of(count - 1) is not None
    token = positions[:, :1] if has_class_token else torch.zeros_like(positions[:, :1])
    patches = positions[:, 1:] if has_class_token else positions
    if patches.shape[1] != cells:
        own = _grid_of(patches.shape[1])
        if own is None:
            return positions
        patches = resize_positions(patches.float(), own, grid).to(positions.dtype)
    return torch.cat([token, patches], dim=1)


def _grid_of(count: int) -> tuple[int, int] | None:
    """Return the rows and columns of a number of patches: of a square image, or one of four to three."""
    if count < 1:
        return None
    side = math.isqrt(count)
    if side * side == count:
        return side, side
    unit = math.isqrt(count // 12)
    return (4 * unit, 3 * unit) if 12 * unit * unit == count else None
