"""tools/make_synthetic.py from its command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SMALL = ["--width", "96", "--height", "72", "--frames", "4", "--people", "1", "2"]


def command(folder, *arguments):
    return [sys.executable, str(ROOT / "tools/make_synthetic.py"), "--out", str(folder / "set"), *SMALL, *arguments]


def make(folder, *arguments):
    done = subprocess.run(command(folder, *arguments), capture_output=True, text=True, cwd=folder, timeout=600)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_options_are_passed_on(tmp_path):
    done = make(tmp_path, "--preset", "easy", "--seed", "3", "--train", "1", "--val", "0", "--mp4", "--damage", "0.5")
    assert done.returncode == 0, done.stderr
    made, following = done.stdout.splitlines()
    assert made == f"{tmp_path}/set: 1 training and 0 validation videos"
    assert following.endswith(f" DATASET.ROOT {tmp_path}/set")
    settings = json.loads((tmp_path / "set/synthetic.json").read_text())
    assert settings["seed"] == 3
    spec = settings["spec"]
    assert (spec["people"], spec["damage"], spec["blur"], spec["frames"]) == ([1, 2], 0.5, 0.2, 4)
    frames = sorted((tmp_path / "set/images/train/000000_synthetic").iterdir())
    assert [frame.name for frame in frames] == [f"{number:06d}.jpg" for number in range(4)]
    assert cv2.imread(str(frames[0])).shape == (72, 96, 3)
    assert (tmp_path / "set/videos/train/000000_synthetic.mp4").stat().st_size > 0


def test_bad_input_is_one_line_and_status_2(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine.txt").write_text("mine")
    for arguments, named in (([], "not empty"), (["--blur", "7"], "blur is 7"), (["--train", "-1"], "-1 videos")):
        done = make(tmp_path, *arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")
        assert named in done.stderr
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["mine.txt"]


def test_overwriting_removes_only_generated_files(tmp_path):
    assert make(tmp_path, "--train", "2", "--val", "1", "--mp4").returncode == 0
    out = tmp_path / "set"
    before = sorted(out.rglob("*"))
    for name in ("images/train/mine.jpg", "annotations/val/000000_mine.json", "images/train/000000_synthetic/notes"):
        (out / name).write_text("mine")
        done = make(tmp_path, "--train", "1", "--val", "0", "--overwrite")
        assert done.returncode == 2
        assert done.stderr == (
            f"error: {out}: not overwritten: {name} belongs to no video listed in synthetic.json; move it first\n"
        )
        (out / name).unlink()
        assert sorted(out.rglob("*")) == before
    done = make(tmp_path, "--train", "1", "--val", "0", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.glob("*/*/*")) == ["000000_synthetic", "000000_synthetic.json"]
    assert not (out / "videos").exists()


def start(folder, *arguments):
    """The tool at work on more videos than it can make, when there are three more."""
    annotations = folder / "set/annotations/train"
    before = len(list(annotations.glob("*.json")))
    process = subprocess.Popen(
        command(folder, *arguments, "--train", "2000", "--val", "0", "--processes", "2", "--mp4"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A test run in the background may have been told to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and len(list(annotations.glob("*.json"))) < before + 3:
        time.sleep(0.05)
    return process


def check_whole(folder):
    """Every file is of a whole video."""
    names = {path.stem for path in (folder / "set/annotations/train").iterdir()}
    assert len(names) >= 3
    assert {path.name for path in (folder / "set/images/train").iterdir()} == names
    assert {path.stem for path in (folder / "set/videos/train").iterdir()} == names
    assert all(len(list((folder / "set/images/train" / name).iterdir())) == 4 for name in names)
    assert not list(folder.rglob("*.unfinished"))


@pytest.mark.parametrize(
    ("number", "send", "line"),
    [
        (signal.SIGINT, os.killpg, "interrupted"),  # as a terminal does it: to the tool and its processes alike
        (signal.SIGTERM, os.killpg, "terminated"),  # as a batch system does it
        (signal.SIGTERM, os.kill, "terminated"),  # as a container is stopped
    ],
)
def test_an_interruption_leaves_whole_videos(tmp_path, number, send, line):
    rng = np.random.default_rng(number)
    for _ in range(3):  # at another moment each time
        process = start(tmp_path)
        time.sleep(rng.uniform(0, 0.3))
        send(process.pid, number)
        try:
            _, errors = process.communicate(timeout=600)
        finally:
            process.kill()
        assert process.returncode == 128 + number, errors
        assert errors.splitlines()[-1] == f"error: {line}"
        assert "Traceback" not in errors
        check_whole(tmp_path)
        shutil.rmtree(tmp_path / "set")


def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    process = start(tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (tmp_path / "set/images/train/000999_synthetic").mkdir()
    left = tmp_path / "set/images/train/.000001_synthetic.01234567.unfinished"
    left.mkdir(exist_ok=True)
    again = start(tmp_path)
    assert not left.exists()
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=600)
    check_whole(tmp_path)
