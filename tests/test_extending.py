"""docs/extending.md: what it adds works."""

import re
import sys
import textwrap
from pathlib import Path

import pytest
import torch
import yaml

import lib.models
from lib.config import load_config
from lib.config.pose_nets import EXTRA
from lib.models import build_model
from lib.models.pose_warper import PoseWarper
from lib.utils.errors import InputError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text()


def block(language):
    return textwrap.dedent(re.search(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)[1])


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The page's pose net beside the others, and an experiment's settings."""
    (tmp_path / "pose_tiny.py").write_text(block("python"))
    monkeypatch.setattr(lib.models, "__path__", [*lib.models.__path__, str(tmp_path)])
    yield load_config(ROOT / "experiments/synthetic/demo/posewarper.yaml")
    sys.modules.pop("lib.models.pose_tiny", None)


@pytest.mark.parametrize("warps", [False, True])
def test_a_pose_net_is_one_file(tiny, warps):
    tiny.defrost()
    tiny.MODEL.NAME, tiny.MODEL.EXTRA.WIDTH, tiny.MODEL.WARP.ENABLED = "pose_tiny", 8, warps
    net = build_model(tiny).eval()
    frames = torch.zeros(1, *([5] if warps else []), 3, 64, 64)
    with torch.no_grad():
        assert net(frames).shape == (1, tiny.MODEL.NUM_JOINTS, 16, 16)


def test_every_pose_net_of_the_configuration_has_its_module():
    for name in EXTRA:
        assert isinstance(lib.models._pose_net(name), type)
    for name in ("pose_warper", "pose_nothing", "layers"):
        with pytest.raises(InputError, match="no pose net of this name"):
            lib.models._pose_net(name)


def test_a_variant_of_the_warp_is_yaml(tmp_path):
    content = yaml.safe_load(block("yaml"))
    content["_BASE_"] = str(ROOT / "experiments/synthetic/demo" / content["_BASE_"])
    (tmp_path / "variant.yaml").write_text(yaml.safe_dump(content))
    net = build_model(load_config(tmp_path / "variant.yaml"))
    assert isinstance(net, PoseWarper)
    assert [layer.dilation for layer in net.offsets] == [(1, 1), (4, 4)]
    assert len(net.offset_feats) == 3
    assert net.offsets[0].in_channels == 16
