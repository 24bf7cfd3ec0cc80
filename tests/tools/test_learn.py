import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def learn(out, *arguments):
    command = [sys.executable, TOOLS / "learn.py", "--out", out, "--train", "2", "--val", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_a_demo_in_small(tmp_path):
    out = tmp_path / "demo"
    keys = ["--augment", "DATASET.NUM_LABELED_FRAMES_PER_VIDEO", "2"]
    keys += ["TRAIN.END_EPOCH", "1", "MODEL.WARP.NUM_BLOCKS", "1", "MODEL.WARP.DILATIONS", "[1]"]
    done = learn(out, *keys)
    assert done.returncode == 0, done.stderr
    table = (out / "table.txt").read_text()
    names = ["single", "average", "aggregate", "augmented single", "augmented aggregate"]
    assert [" ".join(line.split()[:-8]) for line in table.split("\n\n")[1].splitlines()] == ["", *names]
    assert table in done.stdout
    results = out / "posetrack18/pose_hrnet/posewarper"
    for mode in ("single", "average", "aggregate"):
        assert json.loads((results / f"result-{mode}.json").read_text())["videos"] == 1
    assert cv2.imread(str(out / "curves.png")) is not None
    assert json.loads((out / "augmented.json").read_text())["info"]["propagated_by"] == "warp"
    movie = cv2.VideoCapture(str(out / "poses.mp4"))
    sizes = []
    while (frame := movie.read()[1]) is not None:
        sizes.append(frame.shape)
    assert sizes == [(240, 640, 3)] * 10  # every fourth frame is labelled

    # Another run has nothing left to do but the table; other settings are refused.
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.pth")}
    again = learn(out, *keys)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done before") == 11
    assert table in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pth")} == times
    other = learn(out, *keys, "--seed", "1")
    assert other.returncode == 2
    assert other.stderr == f"error: {out}: holds a run with other settings; name another --out, or remove this one\n"


def test_wrong_input_is_one_line_and_status_2(tmp_path):
    done = learn(tmp_path / "demo", "TRAIN.LRR", "1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "TRAIN.LRR" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_step_that_fails_ends_the_run_with_its_status(tmp_path):
    done = learn(tmp_path / "demo", "--train", "-1")
    assert done.returncode == 2
    assert done.stderr == "error: synthetic videos: -1 videos for train; it has to be from 0 to 500000\n"
    assert "Stage 1" not in done.stdout
