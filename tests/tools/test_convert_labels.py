"""The command line: what it prints, what it writes, how it ends."""

import sys
from pathlib import Path

import pytest

from lib.formats.labels.registry import read_any_labels
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
TEXT = "frame,joint,x,y,visibility\n3,nose,1,2,1\n3,tail,5,6,2\n40,nose,3,4,2\n"


def convert(*arguments, folder):
    command = [sys.executable, str(ROOT / "tools/convert_labels.py"), *map(str, arguments)]
    return run_tool(command, folder)


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(TEXT)
    return path


def test_there_and_back(labels, tmp_path):
    done = convert("labels.csv", "new/labels.xml", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "new/labels.xml: 2 poses of 2 joints in 2 frames\n"
    done = convert("new/labels.xml", "again.csv", folder=tmp_path)
    assert done.returncode == 0
    assert read_any_labels(tmp_path / "again.csv").joints.tolist()[0] == [[1, 2], [5, 6]]


def test_what_is_lost_is_printed(labels, tmp_path):
    done = convert("labels.csv", "out.csv", "--to", "deeplabcut", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "lost: image files of 2 frames: extract them, under the names in the file",
        "lost: 2 frames whose image names give another number or video",
        "lost: 1 hidden joints: they become visible",
        "out.csv: 2 poses of 2 joints in 2 frames",
    ]


def test_one_video_of_a_project(tmp_path):
    project = ROOT / "tests/golden/labels/two_videos.slp"
    assert convert(project, "a.xml", folder=tmp_path).returncode == 2
    done = convert(project, "a.xml", "--video", "cage one.mp4", folder=tmp_path)
    assert done.returncode == 0
    assert "WARNING" in done.stderr
    assert [frame.number for frame in read_any_labels(tmp_path / "a.xml").frames] == [3, 11]


def test_a_data_set_of_a_size(labels, tmp_path):
    done = convert("labels.csv", "set/data.yaml", "--size", "640x480", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = convert("set", "again.json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "again.json: 2 poses of 2 joints in 2 frames\n")
    assert read_any_labels(tmp_path / "again.json").frames[0].width == 640
    done = convert("labels.csv", "a.json", "--size", "640*480", folder=tmp_path)
    assert done.returncode == 2
    assert "must be two whole numbers, such as 640x480" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["labels.csv", "labels.csv"], "that is the file to read"),
        (["labels.csv", "sub/../labels.csv"], "that is the file to read"),
        (["labels.csv", "out.json", "--to", "deeplabcut-project"], "can be read but not written"),
        (["labels.csv", "out.txt"], "unknown format of labels"),
        (["labels.csv", "out.yaml"], "convert with --size WIDTHxHEIGHT"),
        (["labels.csv", "out.json", "--from", "cvat"], "not an XML file"),
        (["nothing.csv", "out.json"], "nothing.csv: No such file"),
        (["sub", "out.json"], "sub: a folder with 0 files that describe labels"),
        (["labels.csv", "sub", "--to", "coco"], "sub: a folder; name a file"),
    ],
)
def test_what_cannot_be_converted_ends_in_a_line(labels, tmp_path, arguments, fault):
    (tmp_path / "sub").mkdir()
    done = convert(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert fault in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert labels.read_text() == TEXT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "sub"]
