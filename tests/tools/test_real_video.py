"""A real video with labels of all frames, which POSEWARPER_TEST_DATA holds: what moves labels without any learning."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.tool_runner import run_tool

TOOL = Path(__file__).parents[2] / "tools/label_video.py"
FOLDER = os.environ.get("POSEWARPER_TEST_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="POSEWARPER_TEST_DATA is not set")


@pytest.fixture(scope="module")
def pitch(tmp_path_factory):
    """Frames 1 to 130 of Penn Action's video 0001; later labels drift."""
    root = tmp_path_factory.mktemp("pitch")
    source = Path(FOLDER, "penn_action_0001")
    (root / "frames").mkdir()
    for number in range(1, 131):
        (root / f"frames/{number:06}.jpg").symlink_to((source / f"frames/0001/{number:06}.jpg").resolve())
    content = json.loads((source / "derived/0001_coco.json").read_text())
    content["images"] = content["images"][:130]
    content["annotations"] = [person for person in content["annotations"] if person["image_id"] < 130]
    (root / "labels.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    ("method", "every", "pixels", "pck"),
    [
        ("copy", 7, 4.3, 89.3),
        ("linear", 7, 2.2, 96.3),
        ("lucas_kanade", 7, 4.0, 91.5),
        ("copy", 15, 7.7, 77.8),
        ("linear", 15, 5.3, 85.4),
        ("lucas_kanade", 15, 5.7, 86.5),
    ],
)
def test_the_baselines_have_the_figures_that_others_measured(pitch, method, every, pixels, pck):
    out = pitch / f"{method}{every}.json"
    command = [sys.executable, TOOL, "--video", pitch / "frames", "--labels", pitch / "labels.json", "--out", out]
    command += ["--every", every, "--method", method, "TEST.PROPAGATE.REFINE", "0"]
    done = run_tool(command)
    assert done.returncode == 0, done.stderr
    last = next(line.split() for line in done.stdout.splitlines() if line.startswith("1+"))
    assert [float(value) for value in last[1:]] == [pytest.approx(pck, abs=0.11), pytest.approx(pixels, abs=0.06)]
    assert len(json.loads(out.read_text())["annotations"]) == 130
