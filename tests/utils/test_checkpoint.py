"""Checkpoint files as each generation of programs wrote them, made by hand around small nets."""

import pickle
import sys
from collections import OrderedDict
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18
from yacs.config import CfgNode

from lib.models import PoseHRNet, PoseResNet, PoseWarper
from lib.utils.checkpoint import load_weights, read_checkpoint
from lib.utils.errors import InputError


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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "meta": {"epoch": 210, "config": "model = dict()"}},
        lambda weights: {"model": weights, "epoch": 3},
        lambda weights: {"epoch": 3, "model": "pose_hrnet", "best_state_dict": weights, "optimizer": {"state": {}}},
    ],
    ids=["bare", "state_dict", "model", "best_state_dict"],
)
def test_bare_state_dicts_and_training_files(path, wrap, zip_format):
    model = hrnet()
    weights = noisy_weights(model)
    torch.save(wrap(weights), path, _use_new_zipfile_serialization=zip_format)
    report = load_weights(model, path)
    assert_loaded(model, weights)
    assert report.loaded == list(weights)
    assert report.renamed == {}
    assert [report.missing, report.unexpected, report.other_shape] == [[], [], []]
    report.raise_if_incomplete()


@pytest.mark.parametrize("every", [1, 2], ids=["all", "mixed"])
def test_names_of_a_parallel_wrapper(path, every):
    model = warper()
    weights = noisy_weights(model)
    names = {name: f"module.{name}" if i % every == 0 else name for i, name in enumerate(weights)}
    torch.save({names[name]: tensor for name, tensor in weights.items()}, path)
    report = load_weights(model, path)
    assert_loaded(model, weights)
    report.raise_if_incomplete()
    assert report.renamed["module.conv1.weight"] == "conv1.weight"


@pytest.mark.parametrize("head", ["keypoint_head", "head"])
@pytest.mark.parametrize("make", [hrnet, lambda: resnet(18)], ids=["hrnet", "resnet"])
def test_names_of_mmpose_single_frame_nets(path, make, head):
    model = make()
    weights = noisy_weights(model)
    in_head = ("final_layer.", "deconv_layers.")
    names = {name: f"{head if name.startswith(in_head) else 'backbone'}.{name}" for name in weights}
    torch.save({"meta": {}, "state_dict": {names[name]: tensor for name, tensor in weights.items()}}, path)
    report = load_weights(model, path)
    assert_loaded(model, weights)
    report.raise_if_incomplete()
    assert report.renamed[f"{head}.final_layer.bias"] == "final_layer.bias"


def mmpose_warper_name(name: str) -> str:
    part, rest = name.split(".", 1)
    if part == "final_layer":
        return f"neck.trans_layer.{rest}"
    if part == "offset_feats":
        return f"neck.{name}"
    for ours, theirs in (("offsets", "offset_layers"), ("deform_conv", "deform_conv_layers")):
        if part.startswith(ours):
            return f"neck.{theirs}.{int(part.removeprefix(ours)) - 1}.{rest}"
    return f"backbone.{name}"


def test_names_of_mmpose_posewarper(path):
    model = warper()
    weights = noisy_weights(model)
    torch.save({"state_dict": {mmpose_warper_name(name): tensor for name, tensor in weights.items()}}, path)
    report = load_weights(model, path)
    assert_loaded(model, weights)
    report.raise_if_incomplete()
    assert report.renamed["neck.deform_conv_layers.1.weight"] == "deform_conv2.weight"


def test_torchvision_resnet_without_its_classifier(path):
    model, imagenet = resnet(18), resnet18()
    torch.save(imagenet.state_dict(), path)
    report = load_weights(model, path)
    assert torch.equal(model.layer4[1].conv2.weight, imagenet.layer4[1].conv2.weight)
    assert report.unexpected == []
    assert {name.split(".")[0] for name in report.missing} == {"deconv_layers", "final_layer"}
    with pytest.raises(InputError, match=r"tensors of the model are not in the file \(deconv_layers\.0\.weight, "):
        report.raise_if_incomplete()


def test_imagenet_hrnet_gives_the_pretrained_layers_only(path):
    model = hrnet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = noisy_weights(model)
    classifier = {
        "incre_modules.0.0.conv1.weight": torch.zeros(3),
        "downsamp_modules.0.0.bias": torch.zeros(3),
        "final_layer.0.weight": torch.zeros(2048, 1024, 1, 1),
        "classifier.weight": torch.zeros(1000, 2048),
    }
    trunk = {name: tensor for name, tensor in weights.items() if not name.startswith("final_layer")}
    torch.save(trunk | classifier, path)
    report = load_weights(model, path, layers=["conv1", "bn1", "conv2", "bn2", "layer1", "stage2"])
    assert torch.equal(model.stage2[0].branches[0][0].conv1.weight, weights["stage2.0.branches.0.0.conv1.weight"])
    assert torch.equal(model.transition1[0][0].weight, before["transition1.0.0.weight"])
    assert {name.split(".")[0] for name in report.loaded} == {"conv1", "bn1", "conv2", "bn2", "layer1", "stage2"}
    assert report.unexpected == []
    assert load_weights(model, path, layers=["*"]).missing == ["final_layer.weight", "final_layer.bias"]


def test_other_joints_are_reported_with_both_shapes(path):
    torch.save(noisy_weights(hrnet(num_joints=17)), path)
    report = load_weights(warper(), path)
    assert report.other_shape == [
        ("final_layer.weight", (17, 4, 1, 1), (5, 4, 1, 1)),
        ("final_layer.bias", (17,), (5,)),
    ]
    assert "2 have another shape" in str(report)
    assert "\n" not in str(report)
    with pytest.raises(InputError, match=r"2 have another shape \(final_layer\.weight \(17, 4, 1, 1\) in the file"):
        report.raise_if_incomplete()


def test_unexpected_tensors_are_reported(path):
    torch.save({**noisy_weights(hrnet()), "tag.weight": torch.zeros(3)}, path)
    report = load_weights(hrnet(), path)
    assert report.unexpected == ["tag.weight"]
    assert "1 in the file are not in the model: tag.weight" in str(report)
    report.raise_if_incomplete()


def test_files_from_before_batches_were_counted(path):
    model = hrnet()
    weights = {name: t for name, t in noisy_weights(model).items() if not name.endswith("num_batches_tracked")}
    torch.save(weights, path)
    report = load_weights(model, path)
    assert report.missing == []
    assert model.bn1.num_batches_tracked == 0


def test_half_precision_is_converted(path):
    model = hrnet()
    weights = {name: t.half() if t.is_floating_point() else t for name, t in noisy_weights(model).items()}
    torch.save(weights, path)
    load_weights(model, path)
    assert model.conv1.weight.dtype == torch.float32
    assert torch.equal(model.conv1.weight, weights["conv1.weight"].float())


@pytest.mark.parametrize(
    ("make_file", "make_model", "message"),
    [
        (lambda: hrnet(width=8), hrnet, "HRNet-W8, but the experiment's net is HRNet-W4"),
        (lambda: resnet(50), hrnet, "ResNet-50, but the experiment's net is HRNet-W4"),
        (lambda: resnet(18), lambda: resnet(34), "ResNet-18, but the experiment's net is ResNet-34"),
        (lambda: nn.Linear(2, 2), hrnet, "only 0 of its 2 tensors fit"),
    ],
)
def test_weights_of_another_net_are_refused(path, make_file, make_model, message):
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save(noisy_weights(make_file()), path)
    with pytest.raises(InputError, match=message):
        load_weights(model, path)
    assert_loaded(model, before)


@pytest.mark.parametrize("fitting", [1, 2])
def test_half_of_the_file_must_fit(path, fitting):
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))
    own = list(noisy_weights(model).items())[:fitting]
    torch.save(dict(own) | {"a": torch.zeros(1), "b": torch.zeros(1)}, path)
    if fitting == 2:
        assert load_weights(model, path).loaded == ["0.weight", "0.bias"]
    else:
        with pytest.raises(InputError, match="only 1 of its 3 tensors"):
            load_weights(model, path)


def test_same_tensor_under_two_names_is_refused(path):
    torch.save({"conv1.weight": torch.zeros(1), "module.conv1.weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match=r"holds conv1\.weight twice"):
        load_weights(hrnet(), path)


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
def test_numpy_numbers_beside_the_weights(path, dtype, zip_format):
    content = {"state_dict": noisy_weights(hrnet()), "perf": dtype(1), "history": np.arange(3, dtype=dtype)}
    torch.save(content, path, _use_new_zipfile_serialization=zip_format)
    read = read_checkpoint(path)
    assert read["perf"] == 1
    assert read["history"].tolist() == [0, 1, 2]
    load_weights(hrnet(), path).raise_if_incomplete()


@pytest.mark.parametrize(("written", "wanted"), [("numpy._core.", "numpy.core."), ("numpy.core.", "numpy._core.")])
def test_numpy_numbers_of_the_other_numpy_generation(path, written, wanted):
    torch.save({"perf": np.float64(0.75), "w": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(f"c{written}".encode(), f"c{wanted}".encode()))
    assert read_checkpoint(path)["perf"] == 0.75


class HistoryBuffer:
    """Pickles as MMEngine's log does: under its module's name, with methods among its values."""

    def __init__(self):
        self.history = np.zeros(3)
        self.methods = {"min": HistoryBuffer.smallest}

    def smallest(self):
        raise AssertionError("nobody calls this")


def test_log_of_mmengine_is_passed_over(path, monkeypatch):
    monkeypatch.setattr(HistoryBuffer, "__module__", "mmengine.logging.history_buffer")
    monkeypatch.setattr(HistoryBuffer.smallest, "__module__", "mmengine.logging.history_buffer")
    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["mmengine.logging.history_buffer"].HistoryBuffer = HistoryBuffer
    model = hrnet()
    torch.save({"state_dict": noisy_weights(model), "message_hub": {"loss": HistoryBuffer()}}, path)
    load_weights(model, path).raise_if_incomplete()


class Malicious:
    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return exec, (f"open({self.target!r}, 'w').close()",)


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
def test_code_in_a_file_is_refused(path, tmp_path, zip_format):
    target = tmp_path / "ran"
    torch.save(
        {"state_dict": noisy_weights(hrnet()), "perf": Malicious(target)},
        path,
        _use_new_zipfile_serialization=zip_format,
    )
    with pytest.raises(InputError, match=r"weights\.pth: refused, because loading it would run exec") as caught:
        load_weights(hrnet(), path)
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_whole_model_is_refused(path):
    torch.save(hrnet(), path)
    with pytest.raises(InputError, match=r"refused.*PoseHRNet"):
        load_weights(hrnet(), path)


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_truncated_file(path, zip_format, share):
    torch.save(noisy_weights(hrnet()), path, _use_new_zipfile_serialization=zip_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"weights\.pth: not a checkpoint, or an empty, truncated") as caught:
        load_weights(hrnet(), path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"hello", b"<html>", b"\x00" * 100, b"{}", b"\x89PNG\r\n\x1a\n", pickle.dumps(1, protocol=2)]
)
def test_file_that_is_no_checkpoint(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a checkpoint"):
        load_weights(hrnet(), path)


@pytest.mark.parametrize("content", [{}, [1, 2], {"state_dict": {}}, {"epoch": 3}, torch.zeros(3), {1: torch.zeros(3)}])
def test_checkpoint_without_weights(path, content):
    torch.save(content, path)
    with pytest.raises(InputError, match=r"holds no weights"):
        load_weights(hrnet(), path)


def test_missing_file(path):
    with pytest.raises(InputError, match=r"weights\.pth: No such file"):
        load_weights(hrnet(), path)


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(InputError, match=r"Is a directory"):
        load_weights(hrnet(), tmp_path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = hrnet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = noisy_weights(model)
    weights["final_layer.bias"][0] = float("nan")
    torch.save(weights, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth: final_layer\.bias holds values that are not finite"):
        load_weights(model, tmp_path / "a.pth")
    assert_loaded(model, before)
