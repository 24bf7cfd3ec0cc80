"""HRNet: parallel streams of several resolutions that repeatedly exchange features.

Sun, Xiao, Liu, Wang, Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.
Tensors have the names of the published weights.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.extra import read_extra, read_sizes
from lib.models.layers import check_size, conv_bn, heatmap_layer, initialize, initialize_with_relu
from lib.models.residual import BasicBlock, Block, Bottleneck, residual_layer

EXTRA = (
    "STEM_CHANNELS",
    "STEM_BLOCKS",
    "STAGE2.NUM_MODULES",
    "STAGE2.NUM_BRANCHES",
    "STAGE2.BLOCK",
    "STAGE2.NUM_BLOCKS",
    "STAGE2.NUM_CHANNELS",
    "STAGE2.FUSE_METHOD",
    "STAGE3.NUM_MODULES",
    "STAGE3.NUM_BRANCHES",
    "STAGE3.BLOCK",
    "STAGE3.NUM_BLOCKS",
    "STAGE3.NUM_CHANNELS",
    "STAGE3.FUSE_METHOD",
    "STAGE4.NUM_MODULES",
    "STAGE4.NUM_BRANCHES",
    "STAGE4.BLOCK",
    "STAGE4.NUM_BLOCKS",
    "STAGE4.NUM_CHANNELS",
    "STAGE4.FUSE_METHOD",
    "FINAL_CONV_KERNEL",
)
"""Keys of MODEL.EXTRA, as the published experiment files have them."""

_BLOCKS: dict[str, Block] = {"BASIC": BasicBlock, "BOTTLENECK": Bottleneck}


@dataclass(frozen=True)
class _Stage:
    """Description of stage 2, 3 or 4.

    Attributes:
        block: Type of the residual blocks.
        num_modules: Number of exchange modules.
        num_blocks: Residual blocks of each branch in a module, highest resolution first.
        num_channels: Channels inside the blocks of each branch.
    """

    block: Block
    num_modules: int
    num_blocks: Sequence[int]
    num_channels: Sequence[int]

    @classmethod
    def read(cls, extra: Mapping[str, Any], name: str) -> "_Stage":
        """Read the description of a stage from `MODEL.EXTRA`.

        Args:
            extra: The section, nested as in the file.
            name: Key of the stage, such as "STAGE2".

        Raises:
            InputError: A key is missing, or its value is not supported.
        """
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
        """Output channels of each branch."""
        return [channels * self.block.expansion for channels in self.num_channels]


class PoseHRNet(nn.Module):
    """HRNet-W32, -W48 or another width, with a convolution to heatmaps of a quarter of the input size.

    Args:
        num_joints: Number J of heatmaps.
        extra: Keys FINAL_CONV_KERNEL, STAGE2, STAGE3 and STAGE4 of the published experiment files. The optional
            STEM_CHANNELS is the width of the stem and of the bottlenecks of `layer1` (64 in the paper), and the
            optional STEM_BLOCKS is the number of these bottlenecks (4 in the paper).

    Raises:
        InputError: A key is missing, or its value is not supported.
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
        # The reference implementation draws from N(0, 0.001²). A small net that is trained from scratch then finds
        # fewer joints after the same number of iterations (docs/demo.md).
        initialize_with_relu(self)
        initialize(self.final_layer)

    def forward(self, images: Tensor) -> Tensor:
        """Return the heatmaps (B, J, H/4, W/4) of images.

        Args:
            images: Images (B, 3, H, W), normalized as in training.

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
        heatmaps: Tensor = self.final_layer(streams[0])  # (B, J, H/4, W/4)
        return heatmaps


class _Transition(nn.ModuleList):
    """Transition to a stage: add lower resolutions, computed from the last stream, and change widths if needed."""

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


class _FuseLayers(nn.ModuleList):
    """Sum of all branches at the resolution of one of them."""

    def forward(self, streams: list[Tensor]) -> Tensor:
        parts = (layer(stream) for layer, stream in zip(self, streams, strict=True))
        return F.relu(reduce(operator.add, parts))


class _ExchangeModule(nn.Module):
    """Residual blocks on each branch, followed by sums of all branches.

    Args:
        stage: Widths and depths of the branches.
        num_outputs: Number of resolutions to return, highest first.
    """

    def __init__(self, stage: _Stage, num_outputs: int) -> None:
        super().__init__()
        widths = stage.widths
        self.branches = nn.ModuleList(
            residual_layer(stage.block, width, channels, num_blocks)
            for width, channels, num_blocks in zip(widths, stage.num_channels, stage.num_blocks, strict=True)
        )
        self.fuse_layers = nn.ModuleList(
            _FuseLayers(_fuse_layer(widths, source, target) for source in range(len(widths)))
            for target in range(num_outputs)
        )

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        streams = [branch(stream) for branch, stream in zip(self.branches, streams, strict=True)]
        return [fuse(streams) for fuse in self.fuse_layers]


def _exchange_modules(stage: _Stage, last: bool = False) -> nn.Sequential:
    """Return the modules of a stage; the last stage of the net ends with only its highest resolution."""
    num_branches = len(stage.num_channels)
    num_outputs = [num_branches] * stage.num_modules
    if last:
        num_outputs[-1] = 1
    return nn.Sequential(*(_ExchangeModule(stage, outputs) for outputs in num_outputs))


def _fuse_layer(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Return the layer that brings branch `source` to the resolution and width of branch `target`."""
    if source == target:
        return nn.Identity()
    if source < target:
        return _strided_chain(widths[source], widths[target], target - source, final_relu=False)
    upsample = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
    return conv_bn(widths[source], widths[target], kernel_size=1, relu=False).append(upsample)


def _strided_chain(in_channels: int, out_channels: int, length: int, final_relu: bool) -> nn.Sequential:
    """Return convolutions that halve the resolution `length` times; only the last one changes the width."""
    chain = [conv_bn(in_channels, in_channels, kernel_size=3, stride=2) for _ in range(length - 1)]
    chain.append(conv_bn(in_channels, out_channels, kernel_size=3, stride=2, relu=final_relu))
    return nn.Sequential(*chain)


POSE_NET = PoseHRNet
