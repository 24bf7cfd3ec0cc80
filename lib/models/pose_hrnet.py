"""HRNet for poses: streams of several resolutions, exchanged again and again.

Sun, Xiao, Liu, Wang, Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.
The tensors carry the names of the published weights.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from lib.models.extra import read_extra, read_sizes
from lib.models.layers import check_size, conv_bn, heatmap_layer, initialise, residual_layer

_BLOCKS = {"BASIC": BasicBlock, "BOTTLENECK": Bottleneck}


@dataclass(frozen=True)
class _Stage:
    """One of the stages 2, 3, 4; the lists have one entry per branch, highest resolution first."""

    block: type[BasicBlock | Bottleneck]
    num_modules: int
    num_blocks: Sequence[int]
    num_channels: Sequence[int]

    @classmethod
    def read(cls, extra: Mapping[str, Any], name: str) -> "_Stage":
        read_extra(extra, f"{name}.FUSE_METHOD", ["SUM"])
        num_branches = read_extra(extra, f"{name}.NUM_BRANCHES", range(1, 6))
        return cls(
            block=_BLOCKS[read_extra(extra, f"{name}.BLOCK", _BLOCKS)],
            num_modules=read_extra(extra, f"{name}.NUM_MODULES", range(1, 100)),
            num_blocks=read_sizes(extra, f"{name}.NUM_BLOCKS", num_branches),
            num_channels=read_sizes(extra, f"{name}.NUM_CHANNELS", num_branches),
        )

    @property
    def widths(self) -> list[int]:
        """The channels that each branch puts out."""
        return [channels * self.block.expansion for channels in self.num_channels]


class PoseHRNet(nn.Module):
    """HRNet-W32, -W48 or another width, with a convolution to heatmaps at a quarter of the input's size.

    Args:
        num_joints: the number J of heatmaps.
        extra: the keys FINAL_CONV_KERNEL and STAGE2, STAGE3, STAGE4 of the published experiment files. For
            small nets STEM_CHANNELS may give the stem and the bottlenecks of `layer1` another width than the paper's
            64, and STEM_BLOCKS say how many bottlenecks there are in place of 4.

    Raises:
        InputError: a key is missing or its value is not supported.
    """

    def __init__(self, num_joints: int, extra: Mapping[str, Any]) -> None:
        super().__init__()
        stage2, stage3, stage4 = (_Stage.read(extra, name) for name in ("STAGE2", "STAGE3", "STAGE4"))
        stem = read_extra({"STEM_CHANNELS": 64, **extra}, "STEM_CHANNELS", range(1, 1025))
        stem_blocks = read_extra({"STEM_BLOCKS": 4, **extra}, "STEM_BLOCKS", range(1, 101))
        self.conv1 = nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.layer1 = residual_layer(Bottleneck, stem, stem, stem_blocks)
        self.transition1 = _Transition([stem * Bottleneck.expansion], stage2.widths)
        self.stage2 = _exchange_modules(stage2)
        self.transition2 = _Transition(stage2.widths, stage3.widths)
        self.stage3 = _exchange_modules(stage3)
        self.transition3 = _Transition(stage3.widths, stage4.widths)
        self.stage4 = _exchange_modules(stage4, last=True)
        self.final_layer = heatmap_layer(
            stage4.widths[0], num_joints, read_extra(extra, "FINAL_CONV_KERNEL", allowed=[1, 3])
        )
        # Not the N(0, 0.001²) of the first code, from which a small net that learns from nothing finds fewer joints in
        # the same number of iterations (docs/demo.md).
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        initialise(self.final_layer)

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps (B, J, H/4, W/4) of images (B, 3, H, W), normalised as in training.

        Raises:
            InputError: H or W is not a multiple of 32.
        """
        check_size(images)
        x = F.relu(self.bn1(self.conv1(images)))  # (B, 64, H/2, W/2)
        x = F.relu(self.bn2(self.conv2(x)))  # (B, 64, H/4, W/4)
        streams = [self.layer1(x)]  # (B, 256, H/4, W/4)
        streams = self.stage2(self.transition1(streams))  # (B, C, H/4, W/4), (B, 2C, H/8, W/8)
        streams = self.stage3(self.transition2(streams))  # and (B, 4C, H/16, W/16)
        streams = self.stage4(self.transition3(streams))  # (B, C, H/4, W/4) alone
        return self.final_layer(streams[0])  # (B, J, H/4, W/4)


class _Transition(nn.ModuleList):
    """Before a stage: adds lower resolutions, made from the last stream, and changes widths where they differ."""

    def __init__(self, old_widths: Sequence[int], new_widths: Sequence[int]) -> None:
        super().__init__()
        for branch, width in enumerate(new_widths):
            added = branch - len(old_widths) + 1
            if added > 0:
                self.append(_strided_chain(old_widths[-1], width, added, final_relu=True))
            elif width != old_widths[branch]:
                self.append(conv_bn(old_widths[branch], width, kernel_size=3))
            else:
                self.append(nn.Identity())

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        return [layer(streams[min(branch, len(streams) - 1)]) for branch, layer in enumerate(self)]


class _ExchangeModule(nn.Module):
    """Residual blocks on every branch, then each output is the sum of all branches at its resolution.

    Args:
        stage: widths and depths.
        num_outputs: how many resolutions to put out, highest first.
    """

    def __init__(self, stage: _Stage, num_outputs: int) -> None:
        super().__init__()
        widths = stage.widths
        self.branches = nn.ModuleList(
            residual_layer(stage.block, width, channels, num_blocks)
            for width, channels, num_blocks in zip(widths, stage.num_channels, stage.num_blocks, strict=True)
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse_layer(widths, source, target) for source in range(len(widths)))
            for target in range(num_outputs)
        )

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        streams = [branch(stream) for branch, stream in zip(self.branches, streams, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            parts = (layer(stream) for layer, stream in zip(layers, streams, strict=True))
            fused.append(F.relu(reduce(operator.add, parts)))
        return fused


def _exchange_modules(stage: _Stage, last: bool = False) -> nn.Sequential:
    """The modules of a stage; the last stage of the net ends with its highest resolution only."""
    num_branches = len(stage.num_channels)
    num_outputs = [num_branches] * stage.num_modules
    if last:
        num_outputs[-1] = 1
    return nn.Sequential(*(_ExchangeModule(stage, outputs) for outputs in num_outputs))


def _fuse_layer(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Brings branch `source` to the resolution and width of branch `target`."""
    if source == target:
        return nn.Identity()
    if source < target:
        return _strided_chain(widths[source], widths[target], target - source, final_relu=False)
    upsample = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
    return conv_bn(widths[source], widths[target], kernel_size=1, relu=False).append(upsample)


def _strided_chain(in_channels: int, out_channels: int, length: int, final_relu: bool) -> nn.Sequential:
    """Halves the resolution `length` times; only the last convolution changes the width."""
    chain = [conv_bn(in_channels, in_channels, kernel_size=3, stride=2) for _ in range(length - 1)]
    chain.append(conv_bn(in_channels, out_channels, kernel_size=3, stride=2, relu=final_relu))
    return nn.Sequential(*chain)


POSE_NET = PoseHRNet
