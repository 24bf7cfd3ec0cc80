"""The summary of labels before a run: counts, and what is probably a mistake."""

import os
from pathlib import Path

import pytest

from lib.formats.labels import plain_csv
from lib.formats.labels.registry import read_any_labels
from lib.labeling.label_checks import mirroring_keys, summarize_labels, unnamed_sides
from lib.utils.errors import InputError

FOLDER = os.environ.get("POSEWARPER_TEST_DATA", "")


def summary(tmp_path, rows):
    """The lines for a CSV file with rows (frame, individual, joint)."""
    path = tmp_path / "labels.csv"
    path.write_text("frame,track,joint,x,y\n" + "".join(f"{frame},{who},{joint},5,6\n" for frame, who, joint in rows))
    return [line.replace(str(tmp_path), "") for line in summarize_labels(plain_csv.read(path), path)]


def checks(lines):
    return [line.removeprefix("  check: ") for line in lines if line.startswith("  check: ")]


def test_a_misspelled_joint_is_named(tmp_path):
    lines = summary(tmp_path, [(0, "", "hub"), (0, "", "base"), (9, "", "hub"), (9, "", "bsae")])
    assert lines[:2] == ["/labels.csv: 2 labeled poses in 2 frames", "  joints: hub in 2 frames, base in 1, bsae in 1"]
    assert checks(lines) == [
        "joints base (1 frame) and bsae (1 frame) are never labeled together: is one of the names misspelled?"
    ]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("left_paw", "Left Paw"), ("left_knee", "left_kene"), ("shoulder_left", "shoulder_lft"),
        ("tail_base", "tailbsae"), ("antenna", "antena"),
    ],
)  # fmt: skip
def test_typing_errors(tmp_path, name, other):
    assert len(checks(summary(tmp_path, [(0, "", name), (1, "", name), (2, "", other)]))) == 1


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("hub", "hip"), ("nose_top", "nose_bot"), ("tailBase_top", "tailBase_bot"), ("finger1", "finger2"),
        ("tail", "tail1"), ("left_paw", "right_paw"), ("pawL", "pawR"), ("lpaw", "rpaw"), ("ear", "eye"), ("A", "B"),
        ("paw1LH", "paw4RH"),
    ],
)  # fmt: skip
def test_joints_of_similar_names(tmp_path, name, other):
    lines = checks(summary(tmp_path, [(0, "", name), (1, "", other)]))
    assert not [line for line in lines if "misspelled" in line]


def test_joints_that_are_labeled_together_are_different(tmp_path):
    assert checks(summary(tmp_path, [(0, "", "base"), (0, "", "bsae")])) == []


def test_an_individual_who_became_two(tmp_path):
    rows = [(frame, who, "nose") for frame in range(6) for who in ("0", "1") if (frame, who) != (3, "0")]
    lines = summary(tmp_path, [*rows, (3, "O", "nose")])
    assert lines[1] == "  individuals: 0 in 5 frames, 1 in 6, O in 1"
    assert checks(lines) == [
        "individuals 0 (5 frames) and O (1 frame) are never labeled together: is one of the names misspelled?"
    ]
    lines = summary(tmp_path, [*rows, (3, "stranger", "nose")])
    assert checks(lines) == [
        "individual stranger is labeled in frame 3 alone, where 0 (5 frames) is missing: are they the same individual?"
    ]


def test_individuals_who_come_and_go(tmp_path):
    rows = [(frame, "a", "nose") for frame in range(4)] + [(frame, "b", "nose") for frame in range(4, 8)]
    rows += [(9, "c", "nose"), (2, "d", "nose")]  # one after the others, one beside another
    assert checks(summary(tmp_path, rows)) == []
    pairs = [(frame, f"mouse{1 + frame // 4}", "nose") for frame in range(5)]
    assert checks(summary(tmp_path, pairs)) == []


def test_sides_without_a_word(tmp_path):
    mouse = ["paw1LH_top", "paw2LF_top", "paw3RF_top", "paw4RH_top", "nose_top", "obsHigh_bot", "obsLow_bot"]
    assert unnamed_sides(mouse) == [("paw1LH_top", "paw4RH_top"), ("paw2LF_top", "paw3RF_top")]
    assert mirroring_keys(mouse) == ["DATASET.FLIP", False]
    (line,) = checks(summary(tmp_path, [(0, "", name) for name in mouse]))
    assert line.startswith("paw1LH_top and paw4RH_top, paw2LF_top and paw3RF_top look like a left/right pair")
    assert line.endswith("training will not mirror images")
    for names in (["pawL", "pawR"], ["left_ear", "right_ear", "tail"], ["Joystick1", "Joystick2"], ["A", "B"]):
        assert mirroring_keys(names) == []


def test_many_joints_are_not_all_listed(tmp_path):
    rows = [(frame, "", f"point{joint}") for joint in range(30) for frame in range(1 + joint)]
    line = summary(tmp_path, rows)[1]
    assert line.startswith("  joints: 30, in up to 30 frames; the rarest: point0 in 1 frame, point1 in 2, ")
    assert line.endswith(", point4 in 5")


def test_estimates_do_not_count(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("frame,joint,x,y,score\n0,nose,1,2,\n1,nose,1,2,0.5\n2,nsoe,1,2,0.5\n")
    lines = summarize_labels(plain_csv.read(path), Path("labels.csv"))
    assert lines == ["labels.csv: 1 labeled pose in 1 frame", "  joints: nose in 1 frame, nsoe in 0"]


@pytest.mark.skipif(not FOLDER, reason="POSEWARPER_TEST_DATA is not set")
def test_ordinary_labels_give_no_warning():
    """Only the mirror mouse's paws, whose names have no word for a side, are mentioned."""
    found, read = [], 0
    for path in sorted(Path(FOLDER).rglob("*")):
        if path.suffix in (".csv", ".h5", ".slp", ".json"):
            try:
                labels = read_any_labels(path)
            except InputError:
                continue  # predictions and boxes
            read += 1
            found += checks(summarize_labels(labels, path))
    assert read > 15
    assert len(found) == 1
    assert "paw1LH_top" in found[0]
