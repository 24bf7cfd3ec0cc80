"""No tool writes over what it reads, or over a file that it did not write itself."""

import argparse
import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from posetrack_sample import make_video, write_experiment

from lib.evaluation.posetrack_metrics import evaluate_posetrack
from lib.frames.video_writer import VideoWriter
from lib.utils.errors import InputError
from lib.utils.files import RECORD
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
TEXT = "somebody's own\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with an input for each tool, from which the tools run."""
    monkeypatch.chdir(tmp_path)
    for folder in ("tools", "benchmarks"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    # A module that another test imported has a path relative to the folder that the tests were started in.
    monkeypatch.setattr("lib.labeling.learning.EXPERIMENTS", ROOT / "experiments" / "synthetic")
    make_video(tmp_path, "video", num_frames=3, people=1)
    write_experiment(tmp_path, tmp_path)
    for name in ("labels.json", "poses.json", "result-a.json", "b.pth", "boxes.json", "model_best.pth"):
        (tmp_path / name).write_text(TEXT)
    with VideoWriter(tmp_path / "clip.mp4", (64, 48), 10) as writer:
        for _ in range(3):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    return tmp_path


def refused(tool, *arguments):
    """Return the tool's one-line message."""
    module = importlib.import_module(tool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{tool}.py", *map(str, arguments)])
        with pytest.raises(InputError) as error:
            module.main()
    assert "\n" not in str(error.value)
    return str(error.value)


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def name_case(part):
    return part[0] if isinstance(part, list) else part


SMALL = ["--cfg", "small.yaml"]
DEMO = ["demo", "--video", "clip.mp4", *SMALL]
VIDEO = ["label_video", "--video", "clip.mp4", "--labels", "labels.json"]
CUSTOM = ["TEST.MODE", "propagate", "TEST.PROPAGATE.SAVE", "True"]
OUTPUTS = [  # a command up to the option of an output, and an output
    ([*DEMO, "--out"], "x.mp4"),
    ([*DEMO, "--json"], "x.json"),
    ([*DEMO, "--out", "x.mp4", "--json"], "y.json"),
    ([*VIDEO, "--out"], "x.json"),
    ([*VIDEO, "--out"], "x.csv"),
    ([*VIDEO, "--out", "x.json", "--draw"], "x.mp4"),
    ([*VIDEO, "--out", "x.json", "--review"], "x.html"),
    ([*VIDEO, "--images", "images", "--out", "x.json", "--draw"], "x.mp4"),
    (["propagate", *SMALL, *CUSTOM, "--out"], "x.json"),
    (["convert_labels", "labels.json"], "x.csv"),
    (["evaluate", "coco", "--gt", "labels.json", "--pred", "poses.json", "--out"], "x.json"),
    (["evaluate", "posetrack", "--gt", "annotations/val", "--pred", "annotations/val", "--out"], "x.json"),
    (["review", "labels.json", "--video", "clip.mp4", "--out"], "x.html"),
    (["strip", "labels.json", "poses.json", "--root", ".", "--frames", "1", "--out"], "x.png"),
    (["table", "result-a.json", "--over", "distance", "--plot"], "x.png"),
]
FOLDERS = [  # a command up to the option of a folder, and a file that is made there
    (["illustrate", *SMALL, "TEST.MODE", "aggregate", "--out"], "curves.png"),
    (["illustrate", *SMALL, "TEST.MODE", "aggregate", "--out"], "warp.png"),
    (["illustrate", *SMALL, "TEST.MODE", "aggregate", "--out"], "warp.gif"),
    (["illustrate", *SMALL, "TEST.MODE", "aggregate", "--out"], "poses.mp4"),
    (["learn", "--out"], "table.txt"),
    (["learn", "--out"], "poses.mp4"),
    (["prepare_posetrack", "full", "--annotations", "annotations", "--out"], "posetrack_val.json"),
    (["prepare_posetrack", "consecutive", "--annotations", "annotations", "--out"], "posetrack_val_consecutive.json"),
    (["make_posetrack_set", "--videos", "2", "--out"], "pred/000002_mpii_test.json"),
]
INPUTS = [  # a command up to the option of an output, and an input of it
    ([*DEMO, "--out"], "clip.mp4"),
    ([*DEMO, "--boxes", "boxes.json", "--json"], "boxes.json"),
    ([*DEMO, "--boxes", "boxes.json", "--out"], "boxes.mp4"),  # whose poses would be in boxes.json
    ([*DEMO, "TEST.MODEL_FILE", "poses.json", "--json"], "poses.json"),
    ([*VIDEO, "--out"], "labels.json"),
    ([*VIDEO, "--out", "x.json", "--draw"], "clip.mp4"),
    (["propagate", *SMALL, *CUSTOM, "MODEL.PRETRAINED", "poses.json", "--out"], "poses.json"),
    (["convert_labels", "labels.json"], "labels.json"),
    (["evaluate", "coco", "--gt", "labels.json", "--pred", "poses.json", "--out"], "labels.json"),
    (["evaluate", "coco", "--gt", "labels.json", "--pred", "poses.json", "--out"], "poses.json"),
    (["table", "result-a.json", "--over", "distance", "--plot"], "result-a.json"),
]


@pytest.mark.parametrize(("command", "name"), OUTPUTS, ids=name_case)
def test_a_file_of_another_program_is_kept(root, command, name):
    (root / name).write_text(TEXT)
    before = contents(root)
    assert f"{name}: this file exists and was not written by PoseWarper" in refused(*command, name)
    (root / name).unlink()
    (root / name).symlink_to("nowhere")
    assert f"{name}: this file exists" in refused(*command, name)
    (root / name).unlink()
    (root / name).mkdir()
    assert f"{name}: " in refused(*command, name)
    (root / name).rmdir()
    del before[root / name]
    assert contents(root) == before


@pytest.mark.parametrize(("command", "name"), FOLDERS, ids=name_case)
def test_files_of_other_programs_in_a_folder_are_kept(root, command, name):
    (root / "made" / name).parent.mkdir(parents=True)
    (root / "made" / name).write_text(TEXT)
    before = contents(root)
    assert f"made/{name}: this file exists" in refused(*command, "made")
    assert contents(root) == before


def test_a_made_posetrack_set_can_be_scored(root, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make_posetrack_set.py", "--videos", "2", "--frames", "3", "--out", "made"])
    importlib.import_module("make_posetrack_set").main()
    assert 40 < evaluate_posetrack("made/gt", "made/pred")["table"]["Mean"] < 80


@pytest.mark.parametrize(("command", "name"), INPUTS, ids=name_case)
def test_inputs_are_not_overwritten_under_any_path(root, command, name):
    before = contents(root)
    read = root / name if (root / name).exists() else root / "boxes.json"
    (root / "sub").mkdir()
    (root / "link").symlink_to(root)
    for path in (name, root / name, f"sub/../{name}", f"link/{name}"):
        assert "this is the input file of" in refused(*command, path)
    for make in (os.link, os.symlink):
        make(read, root / f"other{read.suffix}")
        assert "this is the input file of" in refused(*command, f"other{Path(name).suffix}")
        (root / f"other{read.suffix}").unlink()
    assert contents(root) == before


def test_case_insensitive_file_systems(root, monkeypatch):
    same = os.path.samefile

    def insensitive(one, other):
        return same(*(Path(path).parent / Path(path).name.lower() for path in (one, other)))

    monkeypatch.setattr(os.path, "samefile", insensitive)
    assert "this is the input file of --video" in refused(*DEMO, "--out", "Clip.mp4")


def test_outputs_among_the_inputs_are_refused(root):
    scored = ["evaluate", "posetrack", "--gt", "annotations/val", "--pred", "annotations/val", "--out"]
    assert "read as one of the files of --gt" in refused(*scored, "annotations/val/x.json")
    made = ["prepare_posetrack", "full", "--annotations", "annotations", "--out"]
    assert "taken for one of the annotations" in refused(*made, "annotations/val/more")
    assert "expected a .json file" in refused("propagate", *SMALL, *CUSTOM, "--out", "images/val/video/000009.jpg")


def test_a_partial_file_of_another_program_is_kept(root):
    (root / "x.json.part").write_text(TEXT)
    assert "x.json.part: PoseWarper did not write this file" in refused(*DEMO, "--out", "x.mp4")
    assert (root / "x.json.part").read_text() == TEXT


def test_inputs_in_the_work_folder_are_refused(root):
    (root / "x").mkdir()
    (root / "x/labels.json").write_text(TEXT)
    video = ["label_video", "--video", "clip.mp4", "--labels", "x/labels.json", "--out", "x.json"]
    assert "x/labels.json: x is for the nets of this run" in refused(*video)
    run = root / "output/posetrack18/pose_hrnet/small"
    (run / "predictions/single/val").mkdir(parents=True)
    (run / "predictions/single/val/notes.txt").write_text(TEXT)
    assert "notes.txt: not a file of predictions" in refused("test", *SMALL, "TEST.MODE", "single")
    (run / "predictions/single/val/notes.txt").rename(run / "predictions/single/val/boxes.json")
    boxes = ["TEST.COCO_BBOX_FILE", run / "predictions/single/val/boxes.json"]
    assert "TEST.COCO_BBOX_FILE" in refused("test", *SMALL, "TEST.MODE", "single", *boxes)
    (run / "model_best.pth").write_text(TEXT)
    train = ["train", *SMALL, "TEST.MODE", "pair", "MODEL.PRETRAINED", run / "model_best.pth"]
    assert "model_best.pth: this is the input file of MODEL.PRETRAINED" in refused(*train)
    (run / "model_best.pth").rename(run / "trace.json")
    profile = ["train", *SMALL, "TEST.MODE", "pair", "TEST.EVALUATE", "False", "TRAIN.PROFILE", "1"]
    assert "trace.json: this file exists and was not written by PoseWarper" in refused(*profile)
    assert (run / "trace.json").read_text() == TEXT


def test_a_benchmark_replaces_only_its_own_figures(root):
    timing = importlib.import_module("timing")
    path = timing.output_file("figures.json")
    for _ in range(2):
        timing.keep(path, [{"what": "poses"}])
        timing.output_file("figures.json")
    path.write_text(TEXT)
    with pytest.raises(argparse.ArgumentTypeError, match="this file exists and was not written by PoseWarper"):
        timing.output_file("figures.json")


def convert(*arguments):
    command = [sys.executable, str(ROOT / "tools/convert_labels.py"), *arguments]
    return run_tool(command)


def test_the_same_command_again_replaces_what_it_wrote_and_nothing_else(root):
    Path("a.csv").write_text("frame,joint,x,y\n0,a,1,2\n")
    for _ in range(2):
        assert convert("a.csv", "made/a.json").returncode == 0
    Path("a.csv").write_text("frame,joint,x,y\n0,a,3,4\n")
    assert convert("a.csv", "made/a.json").returncode == 0
    made = Path("made/a.json").read_text()
    Path("made").rename("moved")  # with its record
    assert convert("a.csv", "moved/a.json").returncode == 0
    Path("moved/a.json").write_text(made.replace("3", "5"))  # a person corrects it
    done = convert("a.csv", "moved/a.json")
    assert done.returncode == 2
    line = "this file exists and was not written by PoseWarper, or was changed since; choose another name, or remove it"
    assert done.stderr == f"error: OUT moved/a.json: {line}\n"
    assert Path("moved/a.json").read_text() == made.replace("3", "5")
    Path("moved/a.json").unlink()
    assert convert("a.csv", "moved/a.json").returncode == 0
    assert sorted(path.name for path in Path("moved").iterdir()) == [RECORD, "a.json"]


def test_a_source_video_is_not_overwritten(root):
    before = (root / "clip.mp4").read_bytes()
    command = [sys.executable, str(ROOT / "tools/label_video.py"), "--video", "clip.mp4", "--labels", "labels.json"]
    done = run_tool([*command, "--out", "clip.json", "--draw", "clip.mp4"])
    assert done.returncode == 2
    assert done.stderr == "error: --draw clip.mp4: this is the input file of --video; choose another name\n"
    assert (root / "clip.mp4").read_bytes() == before
    assert not (root / "clip").exists()
