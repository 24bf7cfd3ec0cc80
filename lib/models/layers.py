"""Layers of all pose nets, their initial values, and the check of the input size."""

from collections.abc import Sequence

from torch import Tensor, nn

from lib.utils.errors import InputError

# Kernel size to the padding and output padding with which a transposed convolution of stride 2 doubles the size.
_DECONV_PADDING = {2: (0, 0), 3: (1, 1), 4: (1, 0)}


def conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Return a convolution without bias, followed by BatchNorm and optionally ReLU.

    The padding is half the kernel, so odd kernels keep h and w at stride 1.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        stride: Stride of the convolution.
        relu: Append a ReLU.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def deconv_layers(widths: Sequence[int], kernel_sizes: Sequence[int], bias: bool) -> nn.Sequential:
    """Return layers of transposed convolution, BatchNorm and ReLU, each of which doubles the resolution.

    Args:
        widths: Channels of the input and of the output of each layer.
        kernel_sizes: Kernel size of each layer, 2, 3 or 4.
        bias: Give the convolutions a bias.

    Raises:
        InputError: A kernel has another size.
    """
    layers: list[nn.Module] = []
    for in_channels, out_channels, size in zip(widths, widths[1:], kernel_sizes, strict=False):
        if size not in _DECONV_PADDING:
            choices = ", ".join(map(str, _DECONV_PADDING))
            raise InputError(f"MODEL.EXTRA.NUM_DECONV_KERNELS holds {size}: supported kernels are {choices}")
        padding, output_padding = _DECONV_PADDING[size]
        layers += [
            nn.ConvTranspose2d(in_channels, out_channels, size, 2, padding, output_padding, bias=bias),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def heatmap_layer(in_channels: int, num_joints: int, kernel_size: int) -> nn.Conv2d:
    """Return the last convolution of a pose net, from features to one heatmap per joint of the same h and w.

    Args:
        in_channels: Channels of the features.
        num_joints: Number J of heatmaps.
        kernel_size: Height and width of the kernel, an odd number.
    """
    return nn.Conv2d(in_channels, num_joints, kernel_size, padding=kernel_size // 2)


def initialize(module: nn.Module) -> None:
    """Initialize the layers of a module as the reference implementations do.

    Weights of convolutions are drawn from N(0, 0.001²), and their biases are 0. BatchNorm has scale 1 and shift 0.

    Args:
        module: Module whose layers are initialized in place.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=0.001)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


def initialize_with_relu(module: nn.Module) -> None:
    """Draw the weights of the convolutions of a module for layers with ReLU (He et al., ICCV 2015), by their outputs.

    Args:
        module: Module whose convolutions are initialized in place.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def check_size(images: Tensor) -> None:
    """Check that images can be halved five times, as the pose nets do.

    Args:
        images: Images (…, H, W).

    Raises:
        InputError: H or W is not a multiple of 32.
    """
    height, width = images.shape[-2:]
    if height % 32 or width % 32:
        raise InputError(
            f"images of {width}×{height} pixels do not fit the net: make both sides of MODEL.IMAGE_SIZE multiples of 32"
        )
