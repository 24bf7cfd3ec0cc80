"""Simple baseline: a ResNet followed by a few transposed convolutions.

Xiao, Wu, Wei, Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018.
Tensors have the names of the published weights, which are torchvision's for the trunk.
"""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.extra import read_extra, read_sizes
from lib.models.layers import check_size, deconv_layers, heatmap_layer, initialize, initialize_with_relu
from lib.models.residual import BasicBlock, Block, Bottleneck, CaffeBottleneck, residual_layer
from lib.utils.errors import InputError

EXTRA = (
    "NUM_LAYERS",
    "STRIDE_IN_1X1",  # Caffe's ResNet: the first convolution of a bottleneck has the stride, not the second
    "NUM_DECONV_LAYERS",
    "NUM_DECONV_FILTERS",
    "NUM_DECONV_KERNELS",
    "DECONV_WITH_BIAS",
    "FINAL_CONV_KERNEL",
)
"""Keys of MODEL.EXTRA, as the published experiment files have them."""

_TRUNKS: dict[int, tuple[Block, list[int]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}


class PoseResNet(nn.Module):
    """ResNet with transposed convolutions and a convolution to heatmaps in place of the classifier.

    Args:
        num_joints: Number J of heatmaps.
        extra: Keys NUM_LAYERS, NUM_DECONV_LAYERS, NUM_DECONV_FILTERS, NUM_DECONV_KERNELS, DECONV_WITH_BIAS and
            FINAL_CONV_KERNEL of the published experiment files. The optional STRIDE_IN_1X1 is True for Caffe's weights.

    Raises:
        InputError: A key is missing, or its value is not supported.
    """

    def __init__(self, num_joints: int, extra: Mapping[str, Any]) -> None:
        block, depths = _TRUNKS[read_extra(extra, "NUM_LAYERS", _TRUNKS)]
        if read_extra({"STRIDE_IN_1X1": False, **extra}, "STRIDE_IN_1X1", [False, True]):
            if block is not Bottleneck:
                raise InputError("MODEL.EXTRA.STRIDE_IN_1X1 is True: MODEL.EXTRA.NUM_LAYERS has to be 50, 101 or 152")
            block = CaffeBottleneck
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = residual_layer(block, 64, 64, depths[0])
        self.layer2 = residual_layer(block, 64 * block.expansion, 128, depths[1], stride=2)
        self.layer3 = residual_layer(block, 128 * block.expansion, 256, depths[2], stride=2)
        self.layer4 = residual_layer(block, 256 * block.expansion, 512, depths[3], stride=2)
        num_deconvs = read_extra(extra, "NUM_DECONV_LAYERS", range(1, 6))
        filters = read_sizes(extra, "NUM_DECONV_FILTERS", num_deconvs)
        self.deconv_layers = deconv_layers(
            [512 * block.expansion, *filters],
            read_sizes(extra, "NUM_DECONV_KERNELS", num_deconvs),
            read_extra(extra, "DECONV_WITH_BIAS", [False, True]),
        )
        self.final_layer = heatmap_layer(
            filters[-1], num_joints, read_extra(extra, "FINAL_CONV_KERNEL", allowed=[1, 3])
        )
        initialize_with_relu(self)
        initialize(self.deconv_layers)
        initialize(self.final_layer)

    def forward(self, images: Tensor) -> Tensor:
        """Return the heatmaps (B, J, H/4, W/4) of images.

        Their size is that of the published nets with three transposed convolutions, each of which doubles it.

        Args:
            images: Images (B, 3, H, W), normalized as in training.

        Raises:
            InputError: H or W is not a multiple of 32.
        """
        check_size(images)
        x = F.relu(self.bn1(self.conv1(images)))  # (B, 64, H/2, W/2)
        x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)  # (B, 64, H/4, W/4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (B, 512 or 2048, H/32, W/32)
        heatmaps: Tensor = self.final_layer(self.deconv_layers(x))  # (B, J, H/4, W/4)
        return heatmaps


POSE_NET = PoseResNet
