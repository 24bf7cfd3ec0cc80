"""Small nets of each kind, and other weights for them."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.models import PoseWarper
from lib.models.pose_hrnet import PoseHRNet
from lib.models.pose_resnet import PoseResNet


def hrnet(width: int = 4, num_joints: int = 5) -> PoseHRNet:
    extra = CfgNode({"FINAL_CONV_KERNEL": 1})
    for stage in (2, 3, 4):
        extra[f"STAGE{stage}"] = {
            "NUM_MODULES": 1,
            "NUM_BRANCHES": stage,
            "BLOCK": "BASIC",
            "NUM_BLOCKS": [1] * stage,
            "NUM_CHANNELS": [width * 2**branch for branch in range(stage)],
            "FUSE_METHOD": "SUM",
        }
    return PoseHRNet(num_joints, extra)


def warper(num_joints: int = 5) -> PoseWarper:
    return PoseWarper(hrnet(num_joints=num_joints), num_joints, num_blocks=2, num_channels=8, dilations=(1, 2))


def resnet(num_layers: int) -> PoseResNet:
    extra = {
        "NUM_LAYERS": num_layers,
        "NUM_DECONV_LAYERS": 1,
        "NUM_DECONV_FILTERS": [8],
        "NUM_DECONV_KERNELS": [4],
        "DECONV_WITH_BIAS": False,
        "FINAL_CONV_KERNEL": 1,
    }
    return PoseResNet(5, extra)


def noisy_weights(model: nn.Module) -> dict[str, Tensor]:
    """Other values for every tensor, so that one that is not loaded shows."""
    torch.manual_seed(1)
    return OrderedDict(
        (name, torch.rand(tensor.shape) if tensor.is_floating_point() else tensor + 3)
        for name, tensor in model.state_dict().items()
    )


def assert_loaded(model: nn.Module, weights: dict[str, Tensor]) -> None:
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
