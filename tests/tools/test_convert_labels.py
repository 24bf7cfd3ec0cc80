"""The command line: what it prints, what it writes, how it ends."""

import json
import sys
from pathlib import Path

import pytest

from lib.formats.labels.model import name_tracks
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


def test_round_trip(labels, tmp_path):
    done = convert("labels.csv", "new/labels.xml", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "new/labels.xml: 2 poses of 2 joints in 2 frames\n"
    done = convert("new/labels.xml", "again.csv", folder=tmp_path)
    assert done.returncode == 0
    assert read_any_labels(tmp_path / "again.csv").joints.tolist()[0] == [[1, 2], [5, 6]]


def test_losses_of_the_conversion_are_printed(labels, tmp_path):
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


WHO = {2: "alice", 5: "track5", 9: "bob"}
"""Names of the tracks below; one has only a number."""


def write_identities(path, *, scored):
    """Three individuals, of whom two swap places in frame 2 and one comes in frame 1; their numbers have gaps."""
    names = ["nose", "head_top"]
    images = [{"id": number, "file_name": f"labeled-data/mice/img{number:03}.png"} for number in range(4)]
    people = []
    for number in range(4):
        for place, track in enumerate(((9, 2, 5), (2, 9, 5))[number >= 2][: 3 if number else 2]):
            x, y = 100 * place + number, 50 + number
            person = {"id": len(people), "image_id": number, "track_id": track, "keypoints": [x, y, 2, x + 5, y + 9, 2]}
            person |= {"track_name": WHO[track]} if track != 5 else {}
            people.append(person | ({"scores": [0.5, 0.75]} if scored else {}))
    category = {"id": 1, "name": "mouse", "keypoints": names, "skeleton": []}
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [category]}))


def identities(labels, names):
    """Return the position of each individual's nose by frame."""
    nose = labels.joints[:, labels.names.index("nose")].tolist()
    rows = zip(labels.frame.tolist(), labels.track.tolist(), nose, strict=True)
    return {(labels.frames[frame].number, names[track]): tuple(place) for frame, track, place in rows}


@pytest.mark.parametrize(
    ("target", "keeps_names"),
    [
        ("out.json", True),
        ("out.csv", True),
        ("CollectedData_me.csv", True),
        ("CollectedData_me.h5", True),
        ("clipDLC_resnet50.csv", True),
        ("out.xml", False),
        ("posetrack.json", False),
    ],
)
def test_who_is_who_is_kept(tmp_path, target, keeps_names):
    write_identities(tmp_path / "labels.json", scored="DLC" in target)
    given = read_any_labels(tmp_path / "labels.json")
    target_format = ["--to", "posetrack18"] if target.startswith("posetrack") else []
    done = convert("labels.json", target, *target_format, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("names of individuals: they become numbers" in done.stdout) != keeps_names
    done = convert(target, "again.json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    again = read_any_labels(tmp_path / "again.json")
    assert len(again.frame) == 11
    if keeps_names:
        assert identities(again, name_tracks(again)) == identities(given, WHO)
    else:
        numbers = {track: track for track in WHO}
        assert identities(again, numbers) == identities(given, numbers)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["labels.csv", "labels.csv"], "this is the input file of"),
        (["labels.csv", "sub/../labels.csv"], "this is the input file of"),
        (["labels.csv", "out.json", "--to", "deeplabcut-project"], "can be read but not written"),
        (["labels.csv", "out.txt"], "unknown format of labels"),
        (["labels.csv", "out.yaml"], "convert with --size WIDTHxHEIGHT"),
        (["labels.csv", "out.json", "--from", "cvat"], "not an XML file"),
        (["nothing.csv", "out.json"], "nothing.csv: No such file"),
        (["sub", "out.json"], "sub: a folder with 0 files that describe labels"),
        (["labels.csv", "sub", "--to", "coco"], "sub: is a folder; name a file"),
    ],
)
def test_impossible_conversions_are_one_line(labels, tmp_path, arguments, fault):
    (tmp_path / "sub").mkdir()
    done = convert(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert fault in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert labels.read_text() == TEXT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "sub"]
