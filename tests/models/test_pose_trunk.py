import pytest
import torch
import torchvision
from golden_models import fill, noise
from torch import nn

from lib.models import PoseWarper
from lib.models.inference import prepare_for_inference
from lib.models.pose_trunk import PoseTrunk
from lib.utils.checkpoint import load_weights
from lib.utils.errors import InputError

FAMILIES = [
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "swin_t",
    "swin_v2_t",
]


def pose_trunk(name, joints=5):
    return PoseTrunk(joints, {"TRUNK": name, "DECONV_FILTERS": 8})


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_weights_of_torchvision_and_a_quarter_of_the_image(name, tmp_path):
    classifier = torchvision.models.get_model(name, weights=None)
    torch.save(classifier.state_dict(), tmp_path / "imagenet.pth")
    model = pose_trunk(name)
    report = load_weights(model, tmp_path / "imagenet.pth")
    assert {part.split(".")[0] for part in report.missing} == {"deconv_layers", "final_layer"}
    assert not {part.split(".")[0] for part in report.unexpected} - {"classifier", "fc", "head"}
    for part, tensor in model.state_dict().items():
        if not part.startswith(("deconv_layers", "final_layer")):
            assert torch.equal(tensor, classifier.state_dict()[part]), part
    model.eval()
    images = noise(0, 1, 3, 64, 96)
    assert model(images).shape == (1, 5, 16, 24)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "convnext_tiny", "swin_t"])
@torch.inference_mode()
def test_the_inference_form_is_the_net(name):
    model, images = fill(pose_trunk(name)), noise(0, 2, 3, 64, 64)
    expected = model(images)
    prepared = prepare_for_inference(model)
    assert (prepared(images) - expected).abs().max() < 1e-4 * expected.abs().max()
    assert (prepare_for_inference(model, torch.bfloat16)(images) - expected).abs().max() < 0.1 * expected.abs().max()
    if name == "resnet18":
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in prepared.modules())


def test_the_decoder_goes_by_the_channels_of_the_features():
    model = pose_trunk("resnet18")
    assert model.training
    assert model.deconv_layers[0].in_channels == 512
    assert model.deconv_layers[3].in_channels == model.final_layer.in_channels == 8


@torch.no_grad()
def test_a_posewarper_over_it():
    warper = PoseWarper(pose_trunk("resnet18"), 5, num_blocks=1, num_channels=8, dilations=(1,)).eval()
    assert warper(noise(0, 1, 2, 3, 64, 32)).shape == (1, 5, 16, 8)
    assert "conv1.weight" in warper.state_dict()


@pytest.mark.parametrize("name", ["squeezenet1_0", "vit_b_16"])
def test_nets_without_such_features_are_refused(name):
    with pytest.raises(
        InputError, match=f"TRUNK is {name}: its features are not maps of a 32nd of the image's size; use another"
    ):
        pose_trunk(name)


def test_an_unknown_net_suggests_another():
    with pytest.raises(InputError, match="TRUNK is 'resnet17': torchvision has no such net; did you mean resnet1"):
        pose_trunk("resnet17")
