"""Names and shapes in files of the first implementations, of MMPose and of the ImageNet zoos, in every shipped
experiment's net; tests/utils/test_checkpoint.py loads such files into small nets."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from golden_models import published_shapes
from torchvision import models as torchvision_models
from vit_names import CODES as VIT_CODES
from vit_names import SIZES, vitpose, written_by
from zoo_names import CODES, hrnet_trunk, published

from lib.config import load_config
from lib.config.rows import read_rows
from lib.models import build_model
from lib.utils.weight_names import is_of_head, net, our_names

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
FILES = sorted(path for kind in ("hrnet", "resnet") for path in EXPERIMENTS.rglob(f"{kind}/[wr]*.yaml"))
VITS = sorted(EXPERIMENTS.rglob("*/vit/vit*.yaml"))
ROWS = [row for row in read_rows(EXPERIMENTS / "rows.yaml") if "raft" not in row.weights]
SHAPES = {}  # of nets that were built, by what they were built from

TRUNKS = ["HRNet-W32", "HRNet-W48", "ResNet-50", "ResNet-101", "ResNet-152"]

# sha256 of the names and shapes of the nets that MMPose 0.29.0 and 1.3.2 themselves build of their published
# configurations, with 17 joints, as a JSON object in the state dict's order; the first 16 digits.
OF_MMPOSE = {
    ("HRNet-W32", False): {"mmpose0": "ee13f585614fbbb2", "mmpose1": "b000415acf7bdadb"},
    ("HRNet-W48", False): {"mmpose0": "cd2a0da125461a7c", "mmpose1": "6077b32fc2de79c2"},
    ("ResNet-50", False): {"mmpose0": "977fdd608e0399da", "mmpose1": "0c618d5924e1b011"},
    ("ResNet-101", False): {"mmpose0": "170e995353c32e29", "mmpose1": "f3b16f5d1df4a862"},
    ("ResNet-152", False): {"mmpose0": "d1cc540a021842fe", "mmpose1": "0624fb3178fdebb7"},
    ("HRNet-W48", True): {"mmpose0": "c7f6bd21ebb457c9", "mmpose1": "c7f6bd21ebb457c9"},
}
# What classification code puts before the names of the trunk, and a name or two of each part that it adds.
CLASSIFIERS = {
    "torchvision and timm": ("ResNet", "", ["fc.weight", "fc.bias"]),
    "MMPretrain, ResNet": ("ResNet", "backbone.", ["head.fc.weight", "head.fc.bias"]),
    "timm and HRNet's classification code": (
        "HRNet",
        "",
        ["incre_modules.0.0.conv1.weight", "downsamp_modules.2.1.running_var", "final_layer.0.bias", "classifier.bias"],
    ),
    "the files of HRNet's pose code": ("HRNet", "", ["head.0.0.0.conv1.weight", "head.3.0.0.bn1.bias", "fc.weight"]),
    "MMPretrain, HRNet": (
        "HRNet",
        "backbone.",
        [
            f"neck.0.{part}"
            for part in ("increase_layers.0.0.bn1.bias", "downsample_layers.2.conv.weight", "final_layer.bn.bias")
        ],
    ),
}


def listed(names):
    """As in JSON, in order."""
    return [(name, list(shape)) for name, shape in names.items()]


def test_the_names_are_those_of_the_first_implementations():
    for name, trunk, warps in (
        ("hrnet_w32_256x192", "HRNet-W32", False),
        ("resnet50_256x192", "ResNet-50", False),
        ("posewarper_w48", "HRNet-W48", True),
    ):
        assert listed(published("original", trunk, 17, warps)) == list(published_shapes(name).items())


@pytest.mark.parametrize(("trunk", "warps"), OF_MMPOSE)
def test_the_names_are_those_of_mmpose(trunk, warps):
    for code, digest in OF_MMPOSE[trunk, warps].items():
        names = json.dumps(dict(listed(published(code, trunk, 17, warps))))
        assert hashlib.sha256(names.encode()).hexdigest().startswith(digest)


def own_shapes(cfg):
    """Of the experiment's net."""
    net = str([cfg.MODEL[key] for key in ("NAME", "NUM_JOINTS", "EXTRA", "WARP")])
    if net not in SHAPES:
        with torch.device("meta"):
            SHAPES[net] = {name: tuple(tensor.shape) for name, tensor in build_model(cfg).state_dict().items()}
    return SHAPES[net]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXPERIMENTS)))
def test_every_experiment_takes_files_of_every_code(path):
    cfg, size = load_config(path), path.stem.split("_")[0]
    trunk = f"HRNet-{size.upper()}" if size.startswith("w") else f"ResNet-{size.removeprefix('res')}"
    own = own_shapes(cfg)
    for code in CODES:
        theirs = published(code, trunk, cfg.MODEL.NUM_JOINTS, cfg.MODEL.WARP.ENABLED)
        names = our_names(theirs, own)
        assert {names[name]: shape for name, shape in theirs.items()} == own


@pytest.mark.parametrize("path", VITS, ids=lambda path: str(path.relative_to(EXPERIMENTS)))
def test_every_vision_transformer_takes_files_of_every_program(path):
    cfg = load_config(path)
    dim, depth, heads = SIZES[path.stem[3].upper()]
    assert cfg.MODEL.EXTRA.NUM_HEADS == heads  # which shapes do not tell
    shapes = vitpose(dim, depth, 17, simple="_simple_" in path.stem)
    own = {name: shape for name, shape in own_shapes(cfg).items() if not name.startswith(("offset", "deform_conv"))}
    assert own == shapes
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    for code in VIT_CODES:
        names = our_names(written_by(code, tensors), own).values()
        assert {re.sub(r"attn\.(query|key|value)\.", "attn.qkv.", name) for name in names} == own.keys()


def test_a_published_rows_net_is_that_of_its_experiment():
    for row in ROWS:
        assert row.experiment.resolve() in [*FILES, *VITS]
        settings = [part for pair in row.settings(Path()).items() for part in pair]
        assert load_config(row.experiment, settings).MODEL == load_config(row.experiment).MODEL


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "module.module."])
def test_prefixes_of_wrappers(prefix):
    own = published("original", "ResNet-50", 17)
    for code in CODES:
        names = our_names([f"{prefix}{name}" for name in published(code, "ResNet-50", 17)], own)
        assert list(names.values()) == list(own)


def imagenet_trunk(name):
    """As torchvision has it; HRNet's with the four outputs of classification."""
    kind, size = name.split("-")
    if kind == "HRNet":
        return dict(hrnet_trunk(int(size[1:]), outputs=4))
    with torch.device("meta"):
        resnet = getattr(torchvision_models, f"resnet{size}")(num_classes=1)
    return {name: tuple(tensor.shape) for name, tensor in resnet.state_dict().items() if not name.startswith("fc.")}


@pytest.mark.parametrize("zoo", CLASSIFIERS)
def test_imagenet_files_contain_complete_trunks(zoo):
    kind, prefix, added = CLASSIFIERS[zoo]
    for trunk in TRUNKS:
        if trunk.startswith(kind):
            own = published("original", trunk, 17)
            theirs = {f"{prefix}{name}": shape for name, shape in imagenet_trunk(trunk).items()}
            names = our_names([*theirs, *added], own)
            assert {ours: theirs[name] for name, ours in names.items()} == {
                name: shape for name, shape in own.items() if not is_of_head(name)
            }


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_net_is_recognized_by_tensor_names(trunk):
    for joints in (14, 17, 133):
        names = published("original", trunk, joints)
        tensors = {name: torch.empty(shape, device="meta") for name, shape in names.items()}
        assert net(tensors) == f"{trunk} with {joints} joints"
        assert net({name: tensor for name, tensor in tensors.items() if not is_of_head(name)}) == (
            f"{trunk} without a pose head"
        )


def test_posewarper_is_recognized_by_tensor_names():
    names = published("original", "HRNet-W48", 17, warps=True)
    tensors = {name: torch.empty(shape, device="meta") for name, shape in names.items()}
    assert net(tensors) == "PoseWarper over HRNet-W48 with 17 joints"
