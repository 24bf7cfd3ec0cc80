"""Checkpoint files as each generation of programs wrote them, made by hand around small nets."""

import json
import pickle
import struct
import sys
from argparse import Namespace
from collections import OrderedDict
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18, resnext50_32x4d
from yacs.config import CfgNode
from zoo_names import CODES
from zoo_names import hrnet as zoo_hrnet

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
        lambda weights: {"state_dict": weights, "ema_state_dict": {"steps": torch.tensor(3)}, "message_hub": {}},
        lambda weights: {"ema_state_dict": weights, "param_schedulers": []},
        lambda weights: {"state_dict": weights, "args": Namespace(model="resnet50", lr=0.1), "arch": "resnet50"},
    ],
    ids=["bare", "state_dict", "model", "best_state_dict", "state_dict and ema", "ema alone", "with options"],
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


@pytest.mark.parametrize("warps", [False, True], ids=["hrnet", "posewarper"])
@pytest.mark.parametrize("code", CODES)
def test_files_of_every_code(path, code, warps):
    """Values too: each tensor is where the first implementations' name for it says."""
    small = {"width": 4, "joints": 5, "warps": warps, "blocks": 1, "modules": (1, 1, 1)}
    theirs, published = zoo_hrnet(code, **small), zoo_hrnet("original", **small)
    weights = [torch.rand(shape) if shape else torch.tensor(7) for shape in theirs.values()]
    torch.save({"meta": {}, "state_dict": dict(zip(theirs, weights, strict=True))}, path)
    model = PoseWarper(hrnet(), 5) if warps else hrnet()
    report = load_weights(model, path)
    assert_loaded(model, dict(zip(published, weights, strict=True)))
    report.raise_if_incomplete()
    assert len(report.renamed) == (0 if code == "original" else len(theirs))


@pytest.mark.parametrize("head", ["keypoint_head", "head"])
def test_names_of_mmpose_resnet(path, head):
    model = resnet(18)
    weights = noisy_weights(model)
    in_head = ("final_layer.", "deconv_layers.")
    names = {name: f"{head if name.startswith(in_head) else 'backbone'}.{name}" for name in weights}
    torch.save({"meta": {}, "state_dict": {names[name]: tensor for name, tensor in weights.items()}}, path)
    report = load_weights(model, path)
    assert_loaded(model, weights)
    report.raise_if_incomplete()
    assert report.renamed[f"{head}.final_layer.bias"] == "final_layer.bias"


def test_torchvision_resnet_without_its_classifier(path):
    model, imagenet = resnet(18), resnet18()
    torch.save(imagenet.state_dict(), path)
    report = load_weights(model, path)
    assert torch.equal(model.layer4[1].conv2.weight, imagenet.layer4[1].conv2.weight)
    assert report.unexpected == []
    assert {name.split(".")[0] for name in report.missing} == {"deconv_layers", "final_layer"}
    assert str(report).endswith(
        "ResNet-18 without a pose head; 120 tensors loaded; "
        "not in the file, and left at initial values: 5 of deconv_layers, 2 of final_layer"
    )
    with pytest.raises(
        InputError, match=r"holds ResNet-18 without a pose head, and .* is ResNet-18 with 5 joints: not in"
    ):
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
    assert {name.split(".")[0] for name in report.unasked} == {
        *(f"transition{i}" for i in (1, 2, 3)),
        "stage3",
        "stage4",
    }
    assert report.missing == ["final_layer.weight", "final_layer.bias"]
    assert load_weights(model, path, layers=["*"]).unasked == []
    with pytest.raises(InputError, match="only 0 of its 294 tensors fit"):
        load_weights(model, path, layers=["stage_2"])


def test_other_joints_are_reported_with_both_shapes(path):
    torch.save(noisy_weights(hrnet(num_joints=17)), path)
    report = load_weights(warper(), path)
    assert report.other_shape == [
        ("final_layer.weight", (17, 4, 1, 1), (5, 4, 1, 1)),
        ("final_layer.bias", (17,), (5,)),
    ]
    assert "of another shape, and left at initial values: final_layer.weight (17, 4, 1, 1) in the file" in str(report)
    assert "\n" not in str(report)
    with pytest.raises(InputError) as caught:
        report.raise_if_incomplete()
    assert "holds HRNet-W4 with 17 joints, and the experiment's net is PoseWarper over HRNet-W4 with 5" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_a_single_frame_file_in_a_posewarper_and_the_other_way_round(path):
    """It starts the training of the head, and does not pass a test; the pose net inside a PoseWarper does."""
    torch.save(noisy_weights(hrnet()), path)
    report = load_weights(warper(), path)
    assert str(report).endswith(
        "left at initial values: 25 of offset_feats, 1 of offsets1, 1 of offsets2, 1 of deform_conv1, 1 of deform_conv2"
    )
    with pytest.raises(
        InputError, match="holds HRNet-W4 with 5 joints, and the experiment's net is PoseWarper over HRNet"
    ):
        report.raise_if_incomplete()
    weights, model = noisy_weights(warper()), hrnet()
    torch.save(weights, path)
    report = load_weights(model, path)
    report.raise_if_incomplete()
    assert_loaded(model, weights)
    assert "PoseWarper over HRNet-W4 with 5 joints; " in str(report)
    assert "not in the model, and left out: 30 of offset_feats, 1 of offsets1" in str(report)


def test_unexpected_tensors_are_reported(path):
    torch.save({**noisy_weights(hrnet()), "tag.weight": torch.zeros(3)}, path)
    report = load_weights(hrnet(), path)
    assert report.unexpected == ["tag.weight"]
    assert str(report).endswith("not in the model, and left out: 1 of tag")
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
        (lambda: hrnet(width=8), hrnet, "holds HRNet-W8 with 5 joints, and the experiment's net is HRNet-W4 with 5"),
        (
            lambda: hrnet(width=8),
            warper,
            "holds HRNet-W8 with .*, and the experiment's net is PoseWarper over HRNet-W4",
        ),
        (lambda: resnet(50), hrnet, "holds ResNet-50 with 5 joints, and the experiment's net is HRNet-W4 with 5"),
        (warper, lambda: resnet(50), "PoseWarper over HRNet-W4 with 5 joints, and the experiment's net is ResNet-50"),
        (lambda: resnet(18), lambda: resnet(34), "ResNet-18 with .*, and the experiment's net is ResNet-34"),
        (
            resnext50_32x4d,
            lambda: resnet(50),
            "ResNet-50 without a pose head, .* 176 that are needed are not among them",
        ),
        (lambda: nn.Linear(2, 2), hrnet, "holds another net, .* only 0 of its 2 tensors fit"),
        (lambda: nn.Linear(2, 2), lambda: nn.Linear(2, 3), "the experiment's net is of another kind: only 0 of its 2"),
    ],
)
def test_weights_of_another_net_are_refused(path, make_file, make_model, message):
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save(noisy_weights(make_file()), path)
    with pytest.raises(InputError, match=message):
        load_weights(model, path)
    assert_loaded(model, before)


@pytest.mark.parametrize(
    "damage", [lambda weights, name: weights.pop(name), lambda weights, name: weights.update({name: torch.zeros(2)})]
)
def test_a_trunk_that_is_not_whole_is_refused(path, damage):
    """A stem at random under trained layers is worth nothing, and nobody would see it."""
    weights = noisy_weights(hrnet())
    damage(weights, "conv1.weight")
    torch.save(weights, path)
    model = hrnet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=r"1 that are needed are not among them \(conv1\.weight\)"):
        load_weights(model, path)
    assert_loaded(model, before)
    assert "conv1.weight" not in load_weights(model, path, layers=["bn1", "stage2"]).loaded


def test_names_that_the_model_itself_has_stay(path):
    model = nn.ModuleDict({"backbone": nn.Linear(2, 2), "fc": nn.Linear(2, 2)})
    weights = noisy_weights(model)
    torch.save(weights, path)
    load_weights(model, path).raise_if_incomplete()
    assert_loaded(model, weights)


def write_safetensors(path, tensors: dict[str, Tensor]) -> None:
    """The length of a JSON header, the header, the numbers (the format's own description)."""
    header, numbers = {}, b""
    for name, tensor in tensors.items():
        begin, numbers = len(numbers), numbers + tensor.numpy().tobytes()
        dtype = "F32" if tensor.is_floating_point() else "I64"
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [begin, len(numbers)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    path, model = tmp_path / "model.safetensors", hrnet()
    weights = noisy_weights(model)
    write_safetensors(path, weights)
    load_weights(model, path).raise_if_incomplete()
    assert_loaded(model, weights)
    for content in (b"", path.read_bytes()[:1000]):
        path.write_bytes(content)
        with pytest.raises(
            InputError, match=r"model\.safetensors: not a safetensors file, or an empty or truncated one"
        ):
            load_weights(model, path)
    path.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: No such file"):
        load_weights(model, path)


def test_safetensors_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(InputError, match=r"model\.safetensors: .*: pip install safetensors$"):
        load_weights(hrnet(), tmp_path / "model.safetensors")


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
