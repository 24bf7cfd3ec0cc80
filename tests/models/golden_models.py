"""Nets whose weights and inputs are made from names and seeds, as those of the golden heatmaps were."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from yacs.config import CfgNode

FOLDER = Path(__file__).parents[1] / "golden" / "models"


def published_shapes(name: str) -> dict[str, list[int]]:
    """Names and shapes of a reference net's state dict, in order."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def published_heatmaps(name: str) -> Tensor:
    """A reference net's heatmaps, every 6th row and column."""
    return torch.from_numpy(np.load(FOLDER / "outputs.npz")[name])


def fill(model: nn.Module) -> nn.Module:
    """Fill every tensor from its name in the state dict; the model is put in evaluation mode."""
    model.load_state_dict({name: _values(name, tuple(old.shape)) for name, old in model.state_dict().items()})
    return model.eval()


def _values(name: str, shape: tuple[int, ...]) -> Tensor:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif len(shape) >= 2:
        values = rng.standard_normal(shape) * np.sqrt(1 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        values = rng.uniform(0.5, 1.0, shape)
    else:
        values = 0.1 * rng.standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def noise(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def hrnet_extra(width: int, num_blocks: int = 4, num_modules: tuple[int, ...] = (1, 4, 3)) -> CfgNode:
    """MODEL.EXTRA of HRNet with branches of width, 2·width, …; the defaults are the published depths."""
    extra = CfgNode({"FINAL_CONV_KERNEL": 1})
    for stage, modules in zip((2, 3, 4), num_modules, strict=True):
        extra[f"STAGE{stage}"] = CfgNode(
            {
                "NUM_MODULES": modules,
                "NUM_BRANCHES": stage,
                "BLOCK": "BASIC",
                "NUM_BLOCKS": [num_blocks] * stage,
                "NUM_CHANNELS": [width * 2**branch for branch in range(stage)],
                "FUSE_METHOD": "SUM",
            }
        )
    return extra


def small_hrnet_extra() -> CfgNode:
    """A net of the same build that takes milliseconds."""
    return hrnet_extra(4, num_blocks=1, num_modules=(1, 1, 1))


def resnet_extra(num_layers: int) -> CfgNode:
    """MODEL.EXTRA of the simple baseline."""
    return CfgNode(
        {
            "NUM_LAYERS": num_layers,
            "NUM_DECONV_LAYERS": 3,
            "NUM_DECONV_FILTERS": [256, 256, 256],
            "NUM_DECONV_KERNELS": [4, 4, 4],
            "DECONV_WITH_BIAS": False,
            "FINAL_CONV_KERNEL": 1,
        }
    )


def model_cfg(name: str, extra: CfgNode, num_joints: int = 17, warp: bool = False, mode: str = "single") -> CfgNode:
    """Return the part of a configuration that `build_model` reads."""
    head = {"ENABLED": warp, "NUM_BLOCKS": 20, "NUM_CHANNELS": 128, "DILATIONS": [3, 6, 12, 18, 24]}
    model = {"NAME": name, "NUM_JOINTS": num_joints, "EXTRA": extra, "WARP": head, "FREEZE_POSE_NET": False}
    return CfgNode({"MODEL": model, "TEST": {"MODE": mode, "AGGREGATE": {"WEIGHTS": [0.3, 0.25, 0.1, 0.25, 0.1]}}})
