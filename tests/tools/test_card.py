"""tools/card.py: a model card from the files of a run."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from lib.config.default import DEFAULTS
from tests.tool_runner import run_tool

TOOL = Path(__file__).parents[2] / "tools/card.py"
RUN = {
    "command": "python tools/train.py --cfg mice.yaml",
    "commit": "abc123",
    "seconds": 120.0,
    "versions": {"python": "3.11.7", "device": "CPU", "torch": "2.14.1"},
    "joints": ["nose", "tail"],
    "epochs": 4,
}


@pytest.fixture
def folder(tmp_path):
    cfg = DEFAULTS.clone()
    cfg.MODEL.WARP.ENABLED = True
    cfg.MODEL.NUM_JOINTS, cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO = 2, 8
    run = tmp_path / "mice"
    run.mkdir()
    (run / "result-train.json").write_text(json.dumps(RUN | {"config": cfg.dump()}))
    (run / "final_state.pth").write_bytes(b"weights")
    return run


def card(folder, out):
    return run_tool([sys.executable, TOOL, folder, "--out", out])


def test_a_card_says_how_the_net_was_made(folder, tmp_path):
    done = card(folder, tmp_path / "card.md")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "card.md").read_text()
    assert page.startswith("# Model card: mice\n")
    assert "pose_hrnet with the warping head for 2 joints, crops of 256×256 pixels: nose, tail." in page
    assert f"| `final_state.pth` | `{hashlib.sha256(b'weights').hexdigest()}` |" in page
    assert "model_best.pth" not in page
    assert "all videos, 8 frames per video" in page
    assert "Epochs: 4; seed 0; 2 minutes on CPU." in page
    assert "not tested yet" in page


def test_a_card_has_the_results_of_tests(folder, tmp_path):
    config = json.loads((folder / "result-train.json").read_text())["config"].replace("MODE: single", "MODE: aggregate")
    result = {"table": {"Ankle": 50.0, "Mean": 61.5}, "score": 61.5, "config": config}
    (folder / "result-aggregate.json").write_text(json.dumps(result))
    assert card(folder, tmp_path / "card.md").returncode == 0
    lines = [line.split() for line in (tmp_path / "card.md").read_text().splitlines()]
    assert ["aggregate", "50.0", "61.5"] in lines


def test_other_folders_are_refused(folder, tmp_path):
    for content in (None, "{}"):
        (folder / "result-train.json").unlink(missing_ok=True)
        if content:
            (folder / "result-train.json").write_text(content)
        done = card(folder, tmp_path / "card.md")
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {folder}/result-train.json")
        assert not (tmp_path / "card.md").exists()
