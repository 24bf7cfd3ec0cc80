"""What the nets share: residual layers, their initial values, the check of the input's size."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from lib.utils.errors import InputError


def conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution without bias, BatchNorm and, unless `relu` is False, ReLU; odd kernels keep h and w at stride 1."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def residual_layer(
    block: type[BasicBlock | Bottleneck], in_channels: int, channels: int, num_blocks: int
) -> nn.Sequential:
    """`num_blocks` residual blocks at one resolution (He et al., CVPR 2016).

    The output has channels * block.expansion channels; the first block projects its shortcut where that differs
    from `in_channels`.
    """
    out_channels = channels * block.expansion
    projection = conv_bn(in_channels, out_channels, kernel_size=1, relu=False) if in_channels != out_channels else None
    blocks = [block(in_channels, channels, downsample=projection)]
    blocks += [block(out_channels, channels) for _ in range(1, num_blocks)]
    return nn.Sequential(*blocks)


def heatmap_layer(in_channels: int, num_joints: int, kernel_size: int) -> nn.Conv2d:
    """The last convolution of a pose net: features to one heatmap per joint, of the same h and w."""
    return nn.Conv2d(in_channels, num_joints, kernel_size, padding=kernel_size // 2)


def initialise(module: nn.Module) -> None:
    """Convolutions N(0, 0.001²) with zero bias, BatchNorm 1 and 0, as the reference implementations start."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=0.001)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


def check_size(images: Tensor) -> None:
    """Both nets halve the image five times and bring the parts together again.

    Raises:
        InputError: a side of the images (…, H, W) is not a multiple of 32.
    """
    height, width = images.shape[-2:]
    if height % 32 or width % 32:
        raise InputError(
            f"images of {width}×{height} pixels do not fit the net: make both sides of MODEL.IMAGE_SIZE multiples of 32"
        )
