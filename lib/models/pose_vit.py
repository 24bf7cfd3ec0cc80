"""ViTPose: a plain vision transformer with a light decoder.

Xu, Zhang, Zhang, Tao, ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation, NeurIPS 2022.
Tensors have the names of the published weights.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from lib.models.extra import read_extra, read_sizes
from lib.models.layers import check_size, deconv_layers, heatmap_layer, initialize
from lib.models.vit_weights import fit_weights, resize_positions
from lib.utils.errors import InputError

EXTRA = (
    "EMBED_DIM",  # channels of a patch
    "DEPTH",  # number of blocks
    "NUM_HEADS",  # attention heads of a block
    "DROP_PATH_RATE",  # probability that training skips the last block; it grows linearly from 0 at the first
    "POS_EMBED_SIZE",  # width, height in pixels of the crops that the position embeddings belong to
    "DECODER",  # classic (two transposed convolutions) or simple (bilinear upsampling)
    "DECONV_FILTERS",  # channels of the two transposed convolutions
)
"""Keys of MODEL.EXTRA. All but the first three are optional."""

PATCH = 16
"""Height and width of a patch in pixels."""

_DEFAULTS = {
    "DROP_PATH_RATE": 0.0,
    "POS_EMBED_SIZE": [192, 256],
    "DECODER": "classic",
    "DECONV_FILTERS": 256,
}


class PoseViT(nn.Module):
    """ViTPose-S, -B, -L, -H, or another size.

    Args:
        num_joints: Number J of heatmaps.
        extra: Keys EMBED_DIM, DEPTH, NUM_HEADS, and the optional DROP_PATH_RATE, POS_EMBED_SIZE, DECODER, and
            DECONV_FILTERS.

    Attributes:
        grid: Rows and columns of the position embeddings.

    Raises:
        InputError: A key is missing, or its value is not supported.
    """

    def __init__(self, num_joints: int, extra: Mapping[str, Any]) -> None:
        super().__init__()
        options = {**_DEFAULTS, **extra}
        dim, depth = read_extra(extra, "EMBED_DIM", range(1, 8193)), read_extra(extra, "DEPTH", range(1, 129))
        heads = read_extra(extra, "NUM_HEADS", range(1, 129))
        if dim % heads:
            raise InputError(f"MODEL.EXTRA.EMBED_DIM is {dim}: it must be a multiple of MODEL.EXTRA.NUM_HEADS {heads}")
        width, height = read_sizes(options, "POS_EMBED_SIZE", 2)
        if width % PATCH or height % PATCH:
            raise InputError(
                f"MODEL.EXTRA.POS_EMBED_SIZE is {[width, height]}: both sides must be multiples of {PATCH}"
            )
        self.grid = height // PATCH, width // PATCH
        # The first embedding is that of MAE's class token. The published code adds it to every patch.
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + self.grid[0] * self.grid[1], dim))
        # As in the published code, the first patch begins two pixels outside the image.
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, dim, PATCH, PATCH, padding=2)))
        drop_path = torch.linspace(0, _read_rate(options, "DROP_PATH_RATE"), depth, device="cpu").tolist()
        self.blocks = nn.Sequential(*(_Block(dim, heads, rate) for rate in drop_path))
        self.last_norm = nn.LayerNorm(dim, eps=1e-6)
        _initialize_transformer(self)
        if read_extra(options, "DECODER", ["classic", "simple"]) == "classic":
            filters = read_extra(options, "DECONV_FILTERS", range(1, 8193))
            self.deconv_layers = deconv_layers([dim, filters, filters], [4, 4], bias=False)
            self.final_layer = heatmap_layer(filters, num_joints, kernel_size=1)
            initialize(self.deconv_layers)
        else:
            upsample = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=False)
            self.deconv_layers = nn.Sequential(nn.ReLU(), upsample)
            self.final_layer = heatmap_layer(dim, num_joints, kernel_size=3)
        initialize(self.final_layer)

    def forward(self, images: Tensor) -> Tensor:
        """Return the heatmaps (B, J, H/4, W/4) of images.

        Args:
            images: Images (B, 3, H, W), normalized as in training. If they are not of POS_EMBED_SIZE, the position
                embeddings are interpolated.

        Raises:
            InputError: H or W is not a multiple of 32.
        """
        check_size(images)
        patches = self.patch_embed(images)  # (B, C, H/16, W/16)
        size = patches.shape[-2:]
        x = patches.flatten(2).transpose(1, 2) + self._positions(*size)  # (B, N, C)
        x = self.last_norm(self.blocks(x))
        x = x.transpose(1, 2).unflatten(2, size)  # (B, C, H/16, W/16)
        heatmaps: Tensor = self.final_layer(self.deconv_layers(x))  # (B, J, H/4, W/4)
        return heatmaps

    def _positions(self, height: int, width: int) -> Tensor:
        """Return the position embeddings (1, height · width, C) of a grid of patches."""
        positions = self.pos_embed[:, 1:]
        if (height, width) != self.grid:
            positions = resize_positions(positions, self.grid, (height, width))
        return positions + self.pos_embed[:, :1]

    def fit_weights(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert tensors of other programs that have names of this net, or of parts of its tensors, to its shapes.

        Args:
            tensors: Tensors by name.
        """
        return fit_weights(tensors, grid=self.grid, width=self.pos_embed.shape[2], patch=PATCH)

    def layers_above(self, name: str) -> int:
        """Return the number of layers between a parameter and the decoder, for TRAIN.LAYER_DECAY.

        Args:
            name: Name of the parameter.
        """
        part, number = name.split(".")[:2] if "." in name else (name, "")
        if part == "blocks":
            return len(self.blocks) - int(number)
        return len(self.blocks) + 1 if part in ("pos_embed", "patch_embed") else 0


class _Block(nn.Module):
    """Transformer block with the normalization before attention and MLP.

    Args:
        dim: Number C of channels.
        num_heads: Number of attention heads.
        drop_path: Probability that training skips the attention, and the MLP, for a sample.
    """

    def __init__(self, dim: int, num_heads: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _MLP(dim)
        self.drop_path = StochasticDepth(drop_path, mode="row")

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return x


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(2, (3, self.num_heads, -1))  # (B, N, 3, heads, C / heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, C / heads)
        x = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(x.transpose(1, 2).flatten(2))  # (B, N, C)
        return result


class _MLP(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return result


def _read_rate(extra: Mapping[str, Any], key: str) -> float:
    rate = read_extra(extra, key)
    if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise InputError(f"MODEL.EXTRA.{key} is {rate!r}: it must be at least 0 and less than 1")
    return rate


def _initialize_transformer(net: PoseViT) -> None:
    """Initialize as the published code does: weights from N(0, 0.02²), truncated, and biases 0."""
    nn.init.trunc_normal_(net.pos_embed, std=0.02)
    for layer in net.blocks.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)


POSE_NET = PoseViT
