import pytest
import torch
from golden_models import model_cfg, noise, small_hrnet_extra
from torch import nn

from lib.models import build_model
from lib.models.pose_hrnet import PoseHRNet
from lib.utils.errors import InputError


@pytest.mark.parametrize("num_joints", [5, 133])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (160, 64)])
@torch.no_grad()
def test_heatmaps_are_a_quarter_of_the_image(num_joints, height, width):
    heatmaps = PoseHRNet(num_joints, small_hrnet_extra())(noise(0, 2, 3, height, width))
    assert heatmaps.shape == (2, num_joints, height // 4, width // 4)


def test_size_that_does_not_halve_is_named():
    with pytest.raises(InputError, match=r"190×256.*MODEL\.IMAGE_SIZE.*32"):
        PoseHRNet(17, small_hrnet_extra())(torch.zeros(1, 3, 256, 190))


def test_initial_values():
    """He et al., ICCV 2015, but for the last convolution: the heatmaps begin near zero."""
    torch.manual_seed(0)
    net = PoseHRNet(17, small_hrnet_extra())
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.weight.shape[0] * layer.weight[0, 0].numel()
            std = 1e-3 if layer is net.final_layer else (2 / fan_out) ** 0.5
            assert layer.weight.std().item() == pytest.approx(std, rel=0.5)
            assert layer.bias is None or not layer.bias.any()
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.momentum == 0.1
            assert (layer.weight == 1).all()
            assert not layer.bias.any()


@torch.no_grad()
def test_bottlenecks_in_every_stage_and_kernel_3():
    extra = small_hrnet_extra()
    extra.FINAL_CONV_KERNEL = 3
    for stage in ("STAGE2", "STAGE3", "STAGE4"):
        extra[stage].BLOCK = "BOTTLENECK"
    model = PoseHRNet(3, extra)
    assert model.final_layer.weight.shape == (3, 16, 3, 3)
    assert model(noise(0, 1, 3, 64, 32)).shape == (1, 3, 16, 8)


@torch.no_grad()
def test_same_heatmaps_again():
    model = PoseHRNet(3, small_hrnet_extra()).eval()
    images = noise(0, 2, 3, 64, 64)
    assert torch.equal(model(images), model(images))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("FUSE_METHOD", "CAT"),
        ("BLOCK", "OTHER"),
        ("NUM_BRANCHES", 2),
        ("NUM_BLOCKS", [4, 4]),
        ("NUM_CHANNELS", [32, 64, "128"]),
        ("NUM_MODULES", 0),
    ],
)
def test_unsupported_value_is_named(key, value):
    extra = small_hrnet_extra()
    extra.STAGE3[key] = value
    with pytest.raises(InputError, match=rf"MODEL\.EXTRA\.STAGE3\.NUM_BLOCKS|MODEL\.EXTRA\.STAGE3\.{key}"):
        PoseHRNet(17, extra)


@pytest.mark.parametrize("key", ["FINAL_CONV_KERNEL", "STAGE4"])
def test_missing_key_is_named(key):
    cfg = model_cfg("pose_hrnet", small_hrnet_extra())
    del cfg.MODEL.EXTRA[key]
    with pytest.raises(InputError, match=rf"MODEL\.EXTRA\.{key}.* is missing"):
        build_model(cfg)


def test_a_narrow_short_stem():
    extra = small_hrnet_extra()
    assert len(PoseHRNet(3, extra).layer1) == 4
    extra["STEM_CHANNELS"], extra["STEM_BLOCKS"] = 16, 2
    model = PoseHRNet(3, extra)
    assert len(model.layer1) == 2
    assert model.conv1.weight.shape[0] == model.conv2.weight.shape[0] == 16
    assert model.layer1[0].conv1.weight.shape == (16, 16, 1, 1)
    assert model(noise(0, 1, 3, 64, 64)).shape == (1, 3, 16, 16)
    for key in ("STEM_CHANNELS", "STEM_BLOCKS"):
        with pytest.raises(InputError, match=rf"MODEL\.EXTRA\.{key}"):
            PoseHRNet(3, {**extra, key: 0})
