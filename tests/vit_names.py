"""Tensors of ViTPose as the programs that publish it name and shape them.

Made from what those programs call their parts and from nothing in lib/: tests compare the two.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

SIZES = {"S": (384, 12, 12), "B": (768, 12, 12), "L": (1024, 24, 16), "H": (1280, 32, 16)}  # channels, blocks, heads
CODES = ("vitpose", "mmpose1", "huggingface")

# Part of a block in ViTPose, in MMPose 1.x (MMPretrain), and in transformers, where qkv is three parts.
BLOCK = {
    "norm1": ("ln1", "layernorm_before"),
    "attn.qkv": ("attn.qkv", "attention.attention"),
    "attn.proj": ("attn.proj", "attention.output.dense"),
    "norm2": ("ln2", "layernorm_after"),
    "mlp.fc1": ("ffn.layers.0.0", "mlp.fc1"),
    "mlp.fc2": ("ffn.layers.1", "mlp.fc2"),
}
TRUNK = {
    "patch_embed.proj": ("patch_embed.projection", "embeddings.patch_embeddings.projection"),
    "last_norm": ("ln1", "layernorm"),
}
HEAD = {
    "deconv_layers.0": "deconv1",
    "deconv_layers.1": "batchnorm1",
    "deconv_layers.3": "deconv2",
    "deconv_layers.4": "batchnorm2",
    "final_layer": "conv",
}


def vitpose(dim: int, depth: int, joints: int, simple: bool = False, patches: int = 192) -> dict[str, tuple[int, ...]]:
    """ViTPose's own names, without the prefixes backbone and keypoint_head, in order."""
    return dict([*vit(dim, depth, patches, norm="last_norm"), *(_simple if simple else _classic)(dim, joints)])


def vit(dim: int, depth: int, patches: int, norm: str = "norm", patch: int = 16) -> Iterator[tuple[str, tuple]]:
    """The trunk; with `norm` norm, that of MAE's files without the class token."""
    yield "pos_embed", (1, 1 + patches, dim)
    yield from _layer("patch_embed.proj", dim, 3, patch, patch)
    for block in range(depth):
        for part, shape in (
            ("norm1", (dim,)),
            ("attn.qkv", (3 * dim, dim)),
            ("attn.proj", (dim, dim)),
            ("norm2", (dim,)),
            ("mlp.fc1", (4 * dim, dim)),
            ("mlp.fc2", (dim, 4 * dim)),
        ):
            yield from _layer(f"blocks.{block}.{part}", *shape)
    yield from _layer(norm, dim)


def _layer(name: str, *shape: int) -> Iterator[tuple[str, tuple]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _classic(dim: int, joints: int) -> Iterator[tuple[str, tuple]]:
    for layer, inputs in ((0, dim), (3, 256)):
        yield f"deconv_layers.{layer}.weight", (inputs, 256, 4, 4)
        yield from _layer(f"deconv_layers.{layer + 1}", 256)
        yield f"deconv_layers.{layer + 1}.running_mean", (256,)
        yield f"deconv_layers.{layer + 1}.running_var", (256,)
        yield f"deconv_layers.{layer + 1}.num_batches_tracked", ()
    yield from _layer("final_layer", joints, 256, 1, 1)


def _simple(dim: int, joints: int) -> Iterator[tuple[str, tuple]]:
    yield from _layer("final_layer", joints, dim, 3, 3)


def written_by(code: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in a file of one of CODES; `weights` have ViTPose's names without prefixes."""
    written: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        written.update(_written(code, name, tensor))
    return written


def _written(code: str, name: str, tensor: Tensor) -> dict[str, Tensor]:
    part, kind = name.rpartition(".")[::2]
    if part.startswith(("deconv_layers", "final_layer")):
        head = {"vitpose": f"keypoint_head.{part}", "mmpose1": f"head.{part}"}.get(code, f"head.{HEAD[part]}")
        return {f"{head}.{kind}": tensor}
    if code == "vitpose":
        return {f"backbone.{name}": tensor}
    column = CODES.index(code) - 1
    if name == "pos_embed":  # MMPose drops the class token, whose embedding the others add to all patches
        added = tensor[:, 1:] + tensor[:, :1]
        return (
            {"backbone.pos_embed": added} if code == "mmpose1" else {"backbone.embeddings.position_embeddings": tensor}
        )
    if not part.startswith("blocks."):
        return {f"backbone.{TRUNK[part][column]}.{kind}": tensor}
    _, number, inner = part.split(".", 2)
    block = f"backbone.{('layers', 'encoder.layer')[column]}.{number}.{BLOCK[inner][column]}"
    if code == "huggingface" and inner == "attn.qkv":
        parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
        return {f"{block}.{name}.{kind}": chunk for name, chunk in parts}
    return {f"{block}.{kind}": tensor}


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Values of a size that keeps the net's features near 1, so that every part of it counts."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in shapes.items():
        fan_in = max(1, torch.Size(shape[1:]).numel())
        values = torch.randn(shape, generator=generator) / fan_in**0.5
        if name.endswith("num_batches_tracked"):
            values = torch.tensor(3)
        elif name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            values = 0.5 + values.abs()
        weights[name] = values
    return weights
