"""Pose nets, and `build_model`, which builds the net of an experiment."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from torch import nn
from yacs.config import CfgNode

from lib.models.pose_warper import PoseWarper
from lib.utils.errors import InputError

__all__ = ["PoseWarper", "build_model"]


def build_model(cfg: CfgNode) -> nn.Module:
    """Return the net of an experiment, with initial values.

    MODEL.NAME is the module of the pose net, whose class is the module's POSE_NET (docs/extending.md).

    Args:
        cfg: The experiment.

    Returns:
        The single-frame net MODEL.NAME from images (B, 3, H, W) to heatmaps (B, J, h, w); with MODEL.WARP.ENABLED, a
        PoseWarper over it from clips (B, T, 3, H, W) to the heatmaps of the key frame.

    Raises:
        InputError: A value is not supported, or a key of MODEL.EXTRA is missing.
    """
    pose_net = _pose_net(cfg.MODEL.NAME)(cfg.MODEL.NUM_JOINTS, cfg.MODEL.EXTRA)
    if not hasattr(pose_net, "final_layer"):
        raise InputError(f"lib/models/{cfg.MODEL.NAME}.py: its net must name the last layer final_layer")
    if not cfg.MODEL.WARP.ENABLED:
        return pose_net
    return PoseWarper(
        pose_net,
        cfg.MODEL.NUM_JOINTS,
        num_blocks=cfg.MODEL.WARP.NUM_BLOCKS,
        num_channels=cfg.MODEL.WARP.NUM_CHANNELS,
        dilations=cfg.MODEL.WARP.DILATIONS,
        weights=cfg.TEST.AGGREGATE.WEIGHTS if cfg.TEST.MODE in ("aggregate", "average") else (0.0, 1.0),
        freeze_pose_net=cfg.MODEL.FREEZE_POSE_NET,
    )


def _pose_net(name: str) -> Callable[[int, Mapping[str, Any]], nn.Module]:
    module = f"lib.models.{name}"
    if name == "pose_warper" or not name.startswith("pose_") or find_spec(module) is None:
        raise InputError(f"MODEL.NAME is {name!r}: lib/models has no pose net of this name")
    return cast(Callable[[int, Mapping[str, Any]], nn.Module], import_module(module).POSE_NET)
