"""The nets. `build_model` makes the one that an experiment file asks for."""

from torch import nn
from yacs.config import CfgNode

from lib.models.pose_hrnet import PoseHRNet
from lib.models.pose_resnet import PoseResNet
from lib.models.pose_warper import PoseWarper
from lib.utils.errors import InputError

__all__ = ["PoseHRNet", "PoseResNet", "PoseWarper", "build_model"]

_POSE_NETS = {"pose_hrnet": PoseHRNet, "pose_resnet": PoseResNet}


def build_model(cfg: CfgNode) -> nn.Module:
    """The net of an experiment, with initial values.

    Returns:
        The single-frame net MODEL.NAME, images (B, 3, H, W) to heatmaps (B, J, h, w); with MODEL.WARP.ENABLED a
        PoseWarper over it, clips (B, T, 3, H, W) to the key frame's heatmaps.

    Raises:
        InputError: a value is not supported or a key of MODEL.EXTRA is missing.
    """
    if cfg.MODEL.NAME not in _POSE_NETS:
        raise InputError(f"MODEL.NAME is {cfg.MODEL.NAME!r}: supported nets are {', '.join(_POSE_NETS)}")
    pose_net = _POSE_NETS[cfg.MODEL.NAME](cfg.MODEL.NUM_JOINTS, cfg.MODEL.EXTRA)
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
