"""Residual blocks (He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, CVPR 2016).

Tensors have the names of torchvision's blocks, which all published weights share. The blocks are written here because
importing torchvision takes about as long as importing PyTorch.
"""

from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.layers import conv_bn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions, added to the input.

    Args:
        in_channels: Channels of the input.
        channels: Channels inside the block.
        stride: Stride of the first convolution.
    """

    expansion = 1
    """Output channels over channels inside the block."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, C', h / stride, w / stride) of features (N, C, h, w)."""
        residual = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(residual)) + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """A 3×3 convolution between two 1×1 convolutions, of which the second widens four times, added to the input.

    Args:
        in_channels: Channels of the input.
        channels: Channels inside the block.
        stride: Stride of the 3×3 convolution.
    """

    expansion = 4
    """Output channels over channels inside the block."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.expansion)
        self.downsample = _projection(in_channels, channels * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, C', h / stride, w / stride) of features (N, C, h, w)."""
        residual = F.relu(self.bn1(self.conv1(x)), inplace=True)
        residual = F.relu(self.bn2(self.conv2(residual)), inplace=True)
        return F.relu(self.bn3(self.conv3(residual)) + self.downsample(x), inplace=True)


class CaffeBottleneck(Bottleneck):
    """Bottleneck of Caffe's ResNet, whose first convolution has the stride."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, channels, stride)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride


Block: TypeAlias = type[BasicBlock] | type[Bottleneck]
"""Type of the blocks of a layer."""


def residual_layer(block: Block, in_channels: int, channels: int, num_blocks: int, stride: int = 1) -> nn.Sequential:
    """Return residual blocks; the output has channels * block.expansion channels.

    Args:
        block: Type of the blocks.
        in_channels: Channels of the input.
        channels: Channels inside the blocks.
        num_blocks: Number of blocks.
        stride: Stride of the first block.
    """
    blocks = [block(in_channels, channels, stride)]
    blocks += [block(channels * block.expansion, channels) for _ in range(1, num_blocks)]
    return nn.Sequential(*blocks)


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return the shortcut of a block: the identity where the shape of the features stays."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return conv_bn(in_channels, out_channels, kernel_size=1, stride=stride, relu=False)
