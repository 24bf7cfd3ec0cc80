"""tools/prepare_posetrack.py from its command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from posetrack_sample import make_video

TOOL = Path(__file__).parents[2] / "tools/prepare_posetrack.py"


@pytest.fixture
def annotations(tmp_path):
    for number in range(3):
        make_video(tmp_path, f"v{number}")
    folder = tmp_path / "annotations"
    (folder / "train").mkdir()
    for file in (folder / "val").iterdir():
        (folder / "train" / file.name).write_bytes(file.read_bytes())
    return folder


def prepare(folder, *arguments):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["full"], {"posetrack_train.json", "posetrack_val.json"}),
        (["sparse", "--videos", 2, "--frames", 1], {"posetrack_train_N1_per_video_V2_videos.json"}),
        (["sparse", "--frames", 4], {"posetrack_train_N4_per_video.json"}),
        (["consecutive"], {"posetrack_val_consecutive.json"}),
    ],
)
def test_the_files_that_experiments_look_for(tmp_path, annotations, arguments, names):
    done = prepare(tmp_path, *arguments, "--annotations", annotations)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PoseTrack18: 3 validation videos: neither")
    assert {path.name for path in annotations.glob("*.json")} == names


def test_options_arrive(tmp_path, annotations):
    options = ["--videos", 2, "--frames", 1, "--seed", 3, "--out", tmp_path / "out"]
    done = prepare(tmp_path, "sparse", "--annotations", annotations, *options)
    assert done.returncode == 0, done.stderr
    info = json.loads((tmp_path / "out/posetrack_train_N1_per_video_V2_videos.json").read_text())["info"]
    assert (info["num_videos"], info["num_frames"], info["seed"], len(info["labeled_frames"])) == (2, 1, 3, 2)


@pytest.mark.parametrize(("folder", "named"), [("annotations", "v1.json"), ("nowhere", "nowhere"), ("", "train")])
def test_wrong_input_is_one_line_and_status_2(tmp_path, annotations, folder, named):
    (annotations / "val/v1.json").write_text('{"images": [')
    done = prepare(tmp_path, "full", "--annotations", tmp_path / folder, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert not list(tmp_path.glob("out/*"))


def test_no_frames_are_refused(tmp_path, annotations):
    done = prepare(tmp_path, "sparse", "--frames", 0, "--annotations", annotations)
    assert done.returncode == 2
    assert "0 is not 1 or more" in done.stderr
