"""Checkpoint files as each generation of programs wrote them, made by hand around small nets."""

from argparse import Namespace

import pytest
import torch
from small_nets import assert_loaded, hrnet, noisy_weights, resnet, warper
from torch import nn
from torchvision.models import resnet18, resnext50_32x4d
from zoo_names import CODES
from zoo_names import hrnet as zoo_hrnet

from lib.models import PoseWarper
from lib.utils.checkpoint import load_weights
from lib.utils.checkpoint_files import training_of, with_training
from lib.utils.errors import InputError


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
        InputError, match=r"contains ResNet-18 without a pose head, but .* is ResNet-18 with 5 joints: not in"
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
    with pytest.raises(InputError, match=r"PRETRAINED_LAYERS: the net has no layer 'stage_2'; it has conv1, .*stage4"):
        load_weights(model, path, layers=["conv1", "stage_2"])


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
    assert "contains HRNet-W4 with 17 joints, but the experiment's net is PoseWarper over HRNet-W4 with 5" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_single_frame_weights_in_a_posewarper_and_vice_versa(path):
    """It starts the training of the head, and does not pass a test; the pose net inside a PoseWarper does."""
    torch.save(noisy_weights(hrnet()), path)
    report = load_weights(warper(), path)
    assert str(report).endswith(
        "left at initial values: 25 of offset_feats, 1 of offsets1, 1 of offsets2, 1 of deform_conv1, 1 of deform_conv2"
    )
    with pytest.raises(
        InputError, match="contains HRNet-W4 with 5 joints, but the experiment's net is PoseWarper over HRNet"
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
        (lambda: hrnet(width=8), hrnet, "contains HRNet-W8 with 5 joints, but the experiment's net is HRNet-W4 with 5"),
        (
            lambda: hrnet(width=8),
            warper,
            "contains HRNet-W8 with .*, but the experiment's net is PoseWarper over HRNet-W4",
        ),
        (lambda: resnet(50), hrnet, "contains ResNet-50 with 5 joints, but the experiment's net is HRNet-W4 with 5"),
        (warper, lambda: resnet(50), "PoseWarper over HRNet-W4 with 5 joints, but the experiment's net is ResNet-50"),
        (lambda: resnet(18), lambda: resnet(34), "ResNet-18 with .*, but the experiment's net is ResNet-34"),
        (
            resnext50_32x4d,
            lambda: resnet(50),
            "ResNet-50 without a pose head, .* 176 that are needed are not among them",
        ),
        (lambda: nn.Linear(2, 2), hrnet, "contains another net, .* only 0 of its 2 tensors fit"),
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


def test_same_tensor_under_two_names_is_refused(path):
    torch.save({"conv1.weight": torch.zeros(1), "module.conv1.weight": torch.ones(1)}, path)
    with pytest.raises(
        InputError,
        match=r"contains conv1\.weight twice, as conv1\.weight and module\.conv1\.weight, with different values",
    ):
        load_weights(hrnet(), path)


def mmpose_weights(model, neck_first):
    """The model's layers under MMPose's names, the last one in the head and in the neck: both have its values."""
    weights = noisy_weights(model)
    last = {name: tensor for name, tensor in weights.items() if name.startswith("final_layer.")}
    neck = {name.replace("final_layer", "neck.trans_layer"): tensor.clone() for name, tensor in last.items()}
    head = {f"keypoint_head.{name}": tensor.clone() for name, tensor in last.items()}
    trunk = {f"backbone.{name}": tensor for name, tensor in weights.items() if name not in last}
    return weights, trunk | (neck | head if neck_first else head | neck)


@pytest.mark.parametrize("neck_first", [True, False])
def test_a_last_layer_in_head_and_neck_is_one_if_it_is_the_same(path, neck_first):
    model = hrnet()
    weights, file = mmpose_weights(model, neck_first)
    torch.save({"state_dict": file}, path)
    report = load_weights(model, path)
    assert_loaded(model, weights)
    report.raise_if_incomplete()
    assert report.overruled == {}
    assert "different values" not in str(report)


@pytest.mark.parametrize("neck_first", [True, False])
@pytest.mark.parametrize("change", [lambda bias: bias + 1, lambda bias: torch.zeros(3)], ids=["values", "shape"])
def test_the_neck_counts_where_its_last_layer_differs_from_the_head_s(path, change, neck_first):
    model = hrnet()
    weights, file = mmpose_weights(model, neck_first)
    file["keypoint_head.final_layer.bias"] = change(file["keypoint_head.final_layer.bias"])
    torch.save({"state_dict": file}, path)
    report = load_weights(model, path)
    assert_loaded(model, weights)
    report.raise_if_incomplete()
    assert report.overruled == {"keypoint_head.final_layer.bias": "neck.trans_layer.bias"}
    assert str(report).endswith("are used: neck.trans_layer.bias, not keypoint_head.final_layer.bias")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = hrnet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = noisy_weights(model)
    weights["final_layer.bias"][0] = float("nan")
    torch.save(weights, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth: final_layer\.bias has values that are not finite"):
        load_weights(model, tmp_path / "a.pth")
    assert_loaded(model, before)


@pytest.mark.parametrize("inside", [lambda weights: weights, lambda weights: {"epoch": 1, "state_dict": weights}])
def test_weights_record_their_training(tmp_path, inside):
    training = {"config": "SEED: 0\n", "joints": ["nose"], "epochs": 3, "starts": [{"changed": {"SEED": [0, 1]}}]}
    model = hrnet()
    torch.save(inside(with_training(hrnet().state_dict(), training)), tmp_path / "a.pth")
    assert load_weights(model, tmp_path / "a.pth").training == training
    assert training_of(model.state_dict()) == {}  # which is of the file, not of the net


@pytest.mark.parametrize("metadata", [None, 3, {}, {"": 3}, {"": {"training": "text"}}, {"": {"training": {"a": 1}}}])
def test_other_metadata_is_ignored(tmp_path, metadata):
    weights = hrnet().state_dict()
    weights._metadata = metadata
    torch.save(weights, tmp_path / "a.pth")
    assert load_weights(hrnet(), tmp_path / "a.pth").training == {}
