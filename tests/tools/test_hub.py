"""tools/hub.py and torch.hub's `from_pretrained`, on a folder that stands for the Hub."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.dataset import build_skeleton
from lib.evaluation import hub
from lib.formats.posetrack_set import read_videos
from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.models import build_model
from lib.utils.checkpoint_files import save_checkpoint, with_training
from lib.utils.errors import InputError

pytest.importorskip("safetensors")
ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/hub.py"
CLIENT = """
import os, shutil
from pathlib import Path

HUB = Path(os.environ["FAKE_HUB"])

class HfApi:
    def create_repo(self, repo_id, *, private=None, exist_ok=False):
        if "/" not in repo_id:
            raise ValueError("401 Client Error.\\nLog in first.")
        (HUB / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        (HUB / repo_id / "private").write_text(str(private))
        return f"https://hub.invalid/{repo_id}"

    def upload_folder(self, *, repo_id, folder_path, commit_message=None):
        shutil.copytree(folder_path, HUB / repo_id, dirs_exist_ok=True)

def snapshot_download(repo_id, *, revision=None, allow_patterns=None):
    if not (HUB / repo_id).is_dir() or revision:
        raise RuntimeError("404 Client Error.")
    return str(HUB / repo_id)
"""


@pytest.fixture
def client(tmp_path, monkeypatch):
    """The folder of a module that replaces huggingface_hub; repositories are folders of hub/."""
    (tmp_path / "client").mkdir()
    (tmp_path / "hub").mkdir()
    (tmp_path / "client/huggingface_hub.py").write_text(CLIENT)
    monkeypatch.setenv("FAKE_HUB", str(tmp_path / "hub"))
    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "client")
    yield tmp_path / "client"
    sys.modules.pop("huggingface_hub", None)


@pytest.fixture
def run(tmp_path):
    """The folder of a finished training, on data in a folder of this machine."""
    make_video(tmp_path / "data", "v", num_frames=5)
    cfg = load_config(write_experiment(tmp_path, tmp_path / "data"))
    folder = tmp_path / "mice"
    folder.mkdir()
    torch.manual_seed(0)
    joints = list(KEYPOINT_NAMES)
    record = {
        "command": "python tools/train.py --cfg small.yaml",
        "commit": "abc123",
        "seconds": 1.0,
        "versions": {"python": "3.11.7", "device": "CPU", "torch": "2.14.1"},
        "joints": joints,
        "epochs": 4,
        "config": cfg.dump(),
    }
    (folder / "result-train.json").write_text(json.dumps(record))
    weights = with_training(build_model(cfg).state_dict(), {"config": cfg.dump(), "joints": joints})
    save_checkpoint(folder / "final_state.pth", weights)
    return folder


def call(client, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(client)}
    command = [sys.executable, TOOL, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_net_is_pushed_and_pulled(client, run, tmp_path):
    done = call(client, "push", run, "lab/mice", "--private")
    assert (done.returncode, done.stdout) == (0, "https://hub.invalid/lab/mice\n"), done.stderr
    out = tmp_path / "models/mice"
    done = call(client, "pull", "lab/mice", "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"--cfg {out}/experiment.yaml TEST.MODEL_FILE {out}/model.safetensors" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md", "experiment.yaml", "joints.json", "model.safetensors"
    ]  # fmt: skip
    card = (out / "README.md").read_text(encoding="utf-8")
    header, _, text = card.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(header)["pipeline_tag"] == "keypoint-detection"
    assert text.startswith("# Model card: mice\n")
    for name in ("experiment.yaml", "model.safetensors", "joints.json"):  # but for the card, which its user completes
        assert str(tmp_path).encode() not in (out / name).read_bytes()
    assert (tmp_path / "hub/lab/mice/private").read_text() == "True"
    again = call(client, "pull", "lab/mice", "--out", out)
    assert again.stderr == f"error: --out {out}: exists already; name a new folder\n"


def test_a_pulled_net_predicts_as_the_pushed_one(client, run, tmp_path):
    hub.push(run, "lab/mice")
    (video,) = read_videos(tmp_path / "data/annotations/val")
    frames = [cv2.imread(str(tmp_path / "data" / name))[..., ::-1] for name in video.frame_names]
    boxes = [video.boxes[video.person_frame == number] for number in range(5)]
    pulled = torch.hub.load(str(ROOT), "from_pretrained", source="local", repository="lab/mice")
    arguments = {"experiment": tmp_path / "small.yaml", "weights": run / "final_state.pth"}
    own = torch.hub.load(str(ROOT), "predictor", source="local", **arguments)
    for one, other in zip(pulled(frames, boxes), own(frames, boxes), strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_custom_joints_travel_with_the_net(client, run, tmp_path):
    hub.push(run, "lab/mice")
    folder = hub.pull("lab/mice")
    keys = [word for pair in hub.keys_of(folder).items() for word in pair]
    cfg = load_config(folder / hub.EXPERIMENT, [*keys, "DATASET.DATASET", "custom"])

    assert tuple(build_skeleton(cfg).names) == KEYPOINT_NAMES


def test_a_completed_card_is_used(client, run, tmp_path):
    (tmp_path / "card.md").write_text("# Mice in the dark\n", encoding="utf-8")
    hub.push(run, "lab/mice", card=tmp_path / "card.md")
    assert (tmp_path / "hub/lab/mice/README.md").read_text().endswith("---\n# Mice in the dark\n")


def test_failures_are_one_line(client, run, tmp_path):
    with pytest.raises(InputError, match=r"^mice: not uploaded: 401 Client Error\.$"):
        hub.push(run, "mice")
    with pytest.raises(InputError, match=r"^lab/none: not downloaded: 404 Client Error\.$"):
        hub.pull("lab/none", folder=tmp_path / "out")
    (tmp_path / "hub/lab/other").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^lab/other: has no model\.safetensors"):
        hub.pull("lab/other", folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    torch.save(torch.load(run / "final_state.pth")["conv1.weight"], run / "final_state.pth")
    with pytest.raises(InputError, match=r"final_state\.pth: has no record of its training"):
        hub.push(run, "lab/new")
    assert not (tmp_path / "hub/lab/new").exists()


def test_without_the_package(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install -r requirements-hub\.txt$"):
        hub.pull("lab/mice")


def test_the_package_accepts_our_calls():
    real = pytest.importorskip("huggingface_hub")
    inspect.signature(real.HfApi.create_repo).bind(None, "a/b", private=True, exist_ok=True)
    inspect.signature(real.HfApi.upload_folder).bind(None, repo_id="a/b", folder_path=".", commit_message="Add")
    inspect.signature(real.snapshot_download).bind("a/b", revision=None, allow_patterns=["a"])
