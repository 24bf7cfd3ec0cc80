"""tools/prepare_posetrack.py from its command line."""

import json
import sys
from pathlib import Path

import pytest
from matlab_files import write_posetrack
from posetrack_sample import make_video

from lib.formats import posetrack17
from lib.formats.posetrack_set import read_video
from tests.tool_runner import run_tool

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
    done = run_tool(command, folder)
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


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (["full"], "posetrack_val.json"),
        (["sparse", "--frames", 1], "posetrack_train_N1_per_video.json"),
        (["consecutive"], "posetrack_val_consecutive.json"),
    ],
)
def test_the_mat_files_of_2017_make_what_the_json_files_make(tmp_path, annotations, command, made):
    for file in annotations.glob("*/*.json"):
        posetrack17.write(tmp_path / "json" / file.parent.name / file.name, read_video(file))
    for file in tmp_path.glob("json/*/*.json"):
        write_posetrack(tmp_path / "mat" / file.parent.name / f"{file.stem}.mat", json.loads(file.read_text()))
    for form in ("json", "mat"):
        done = prepare(tmp_path, *command, "--annotations", tmp_path / form)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("PoseTrack17: 3 validation videos")
    assert (tmp_path / "mat" / made).read_text() == (tmp_path / "json" / made).read_text()


def test_options_are_passed_on(tmp_path, annotations):
    options = ["--videos", 2, "--frames", 1, "--seed", 3, "--out", tmp_path / "out"]
    done = prepare(tmp_path, "sparse", "--annotations", annotations, *options)
    assert done.returncode == 0, done.stderr
    info = json.loads((tmp_path / "out/posetrack_train_N1_per_video_V2_videos.json").read_text())["info"]
    assert (info["num_videos"], info["num_frames"], info["seed"], len(info["labeled_frames"])) == (2, 1, 3, 2)


@pytest.mark.parametrize(("folder", "named"), [("annotations", "v1.json"), ("nowhere", "nowhere"), ("", "train")])
def test_bad_input_is_one_line_and_status_2(tmp_path, annotations, folder, named):
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
    assert "0 is less than 1" in done.stderr
