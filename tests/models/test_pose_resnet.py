import pytest
import torch
from golden_models import noise, resnet_extra
from torch import nn

from lib.models.pose_resnet import PoseResNet
from lib.utils.errors import InputError


@pytest.mark.parametrize(("num_layers", "millions"), [(101, 53.0), (152, 68.6)])
def test_published_sizes(num_layers, millions):
    with torch.device("meta"):
        model = PoseResNet(17, resnet_extra(num_layers))
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(millions * 1e6, abs=0.05e6)


@pytest.mark.parametrize("num_layers", [18, 34, 50])
@torch.no_grad()
def test_heatmaps_are_a_quarter_of_the_image(num_layers):
    assert PoseResNet(5, resnet_extra(num_layers))(noise(0, 2, 3, 96, 32)).shape == (2, 5, 24, 8)


@pytest.mark.parametrize("kernel", [2, 3, 4])
@torch.no_grad()
def test_every_deconv_kernel_doubles_the_size(kernel):
    extra = resnet_extra(18)
    extra.NUM_DECONV_KERNELS = [kernel] * 3
    extra.DECONV_WITH_BIAS = True
    model = PoseResNet(3, extra)
    assert model.deconv_layers[0].bias.shape == (256,)
    assert model(noise(0, 1, 3, 64, 32)).shape == (1, 3, 16, 8)


@torch.no_grad()
def test_caffe_s_resnet_has_the_same_tensors_and_strides_in_the_first_convolutions():
    extra = resnet_extra(50)
    model = PoseResNet(5, extra)
    extra.STRIDE_IN_1X1 = True
    caffe = PoseResNet(5, extra).eval()
    caffe.load_state_dict(model.state_dict())
    for number, stage in enumerate((caffe.layer1, caffe.layer2, caffe.layer3, caffe.layer4)):
        strides = [(block.conv1.stride, block.conv2.stride) for block in stage]
        assert strides == [((1 if number == 0 else 2,) * 2, (1, 1))] + [((1, 1), (1, 1))] * (len(stage) - 1)
    images = noise(0, 1, 3, 64, 32)
    assert caffe(images).shape == (1, 5, 16, 8)
    # The rest of a bottleneck sees every second row and column of what goes in.
    block = caffe.layer2[0]
    features = noise(1, 1, 256, 8, 8)
    same = block.conv1(features)
    assert torch.equal(same, nn.functional.conv2d(features, block.conv1.weight)[..., ::2, ::2])


def test_caffe_s_resnet_has_bottlenecks():
    extra = resnet_extra(34)
    extra.STRIDE_IN_1X1 = True
    with pytest.raises(InputError, match=r"MODEL\.EXTRA\.STRIDE_IN_1X1 is True: MODEL\.EXTRA\.NUM_LAYERS has to be 50"):
        PoseResNet(5, extra)


def test_new_layers_start_small():
    torch.manual_seed(0)
    model = PoseResNet(17, resnet_extra(18))
    assert model.deconv_layers[3].weight.std().item() == pytest.approx(1e-3, rel=0.05)
    assert model.final_layer.weight.std().item() == pytest.approx(1e-3, rel=0.05)
    assert not model.final_layer.bias.any()


def test_size_that_does_not_halve_is_named():
    with pytest.raises(InputError, match=r"48×250"):
        PoseResNet(17, resnet_extra(18))(torch.zeros(1, 3, 250, 48))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NUM_LAYERS", 42),
        ("NUM_DECONV_FILTERS", [256, 256]),
        ("NUM_DECONV_KERNELS", [4, 4, 5]),
        ("FINAL_CONV_KERNEL", 2),
        ("NUM_DECONV_LAYERS", 0),
        ("STRIDE_IN_1X1", "yes"),
    ],
)
def test_unsupported_value_is_named(key, value):
    extra = resnet_extra(18)
    extra[key] = value
    with pytest.raises(InputError, match=rf"MODEL\.EXTRA\.{key}"):
        PoseResNet(17, extra)


def test_missing_key_is_named():
    extra = resnet_extra(18)
    del extra["NUM_DECONV_KERNELS"]
    with pytest.raises(InputError, match=r"MODEL\.EXTRA\.NUM_DECONV_KERNELS is missing"):
        PoseResNet(17, extra)
