"""The command line: what it prints, what it writes, how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matlab_files import write_mpii_truth, write_posetrack
from scipy.io import savemat

from lib.formats import mpii
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "tests" / "golden" / "poseval" / "small"


def evaluate(*arguments, folder=ROOT, kind="posetrack"):
    command = [sys.executable, str(ROOT / "tools" / "evaluate.py"), kind, *map(str, arguments)]
    return run_tool(command, folder)


def test_table_and_file(tmp_path):
    done = evaluate(
        "--gt",
        SMALL / "gt",
        "--pred",
        SMALL / "pred",
        "--tracking",
        "--out",
        tmp_path / "new" / "r.json",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows = [line.split() for line in done.stdout.splitlines()]
    assert header == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"]
    assert rows[0] == ["AP", "55.0", "53.4", "53.1", "52.7", "60.4", "54.7", "46.1", "53.7"]
    assert [row[0] for row in rows] == ["AP", "MOTA", "MOTP", "Precision", "Recall", "IDF1", "HOTA"]
    assert [row[-1] for row in rows] == ["53.7", "6.4", "82.5", "54.7", "73.2", "59.2", "32.0"]
    result = json.loads((tmp_path / "new" / "r.json").read_text())
    assert result["table"]["Mean"] == pytest.approx(53.703843131699465, abs=1e-9)
    scores = {"table", "joints", "mota", "motp", "mot_precision", "mot_recall", "idf1", "hota"}
    assert set(result) == scores | {"command", "commit", "seconds"}
    assert result["command"].endswith(f"--out {tmp_path / 'new' / 'r.json'}")


def test_nan_is_null(tmp_path):
    """A joint that is predicted but never labeled has no AP, and JSON has no NaN."""
    for side in ("gt", "pred"):
        (tmp_path / side).mkdir()
    point = {"id": [13], "x": [1], "y": [1]}
    rect = {"x1": [0], "y1": [0], "x2": [9], "y2": [9], "track_id": [0], "annopoints": [{"point": [point]}]}
    frame = {"image": [{"name": "0.jpg"}], "annorect": [rect]}
    (tmp_path / "gt" / "v.json").write_text(json.dumps({"annolist": [frame]}))
    point["id"] = [14]
    (tmp_path / "pred" / "v.json").write_text(json.dumps({"annolist": [frame]}))
    done = evaluate("--gt", tmp_path / "gt", "--pred", tmp_path / "pred", "--out", tmp_path / "r.json")
    assert done.returncode == 0
    assert json.loads((tmp_path / "r.json").read_text())["joints"]["head_top"] == {
        "ap": None,
        "precision": 0.0,
        "recall": None,
    }


def test_bad_input_is_one_line_and_status_2(tmp_path):
    for name in ("001011", "001048", "001085"):
        content = (SMALL / "pred" / f"{name}_mpii_test.json").read_text()
        (tmp_path / f"{name}_mpii_test.json").write_text(content)
    (tmp_path / "001122_mpii_test.json").write_text(content[:500])
    done = evaluate("--gt", SMALL / "gt", "--pred", tmp_path, "--out", tmp_path / "result")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"error: {tmp_path / '001122_mpii_test.json'}: not a JSON file")
    assert not (tmp_path / "result").exists()


def test_ground_truth_of_2017_as_mat_files(tmp_path):
    for path in (SMALL / "gt_2017").glob("*.json"):
        write_posetrack(tmp_path / f"gt/{path.stem}.mat", json.loads(path.read_text()))
    done = evaluate("--gt", tmp_path / "gt", "--pred", SMALL / "pred", "--tracking", "--out", tmp_path / "r.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "r.json").read_text())["table"]["Mean"] == pytest.approx(53.703843131699465, abs=1e-9)


def test_mpii(tmp_path):
    """Two people with a head of 30 pixels; the first one's head is off by more than half of that."""
    joints = np.random.default_rng(0).uniform(1, 500, (16, 2, 2)).round()
    heads = np.repeat(np.array([[[10], [10]], [[40], [50]]], dtype=float), 2, axis=2)
    write_mpii_truth(tmp_path / "gt.mat", joints, np.zeros((16, 2)), heads, mpii.JOINTS)
    joints[9, 0, 0] += 16
    savemat(tmp_path / "pred.mat", {"preds": joints.transpose(2, 0, 1)})
    files = "--gt", tmp_path / "gt.mat", "--pred", tmp_path / "pred.mat"
    done = evaluate(*files, "--out", tmp_path / "r.json", kind="mpii")
    assert (done.returncode, done.stderr) == (0, "")
    header, row = (line.split() for line in done.stdout.splitlines())
    assert header == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean", "Mean@0.1"]
    assert row == ["PCKh", "50.0", *["100.0"] * 6, "96.4", "96.4"]
    table = json.loads((tmp_path / "r.json").read_text())["table"]
    assert list(table) == header
    assert table["Mean"] == pytest.approx(100 * 27 / 28)


SIDED = ("shoulder", "hip", "elbow", "knee", "wrist", "ankle")


@pytest.fixture
def labels(tmp_path):
    """A file of two people with the joints of JHMDB, and right poses of them."""
    sides = [f"{side}_{name}" for name in SIDED for side in ("right", "left")]
    names = ["neck", "belly", "head", *sides]
    flat = [value for k in range(15) for value in (20 * k, 10, 2)]
    person = {"image_id": 1, "keypoints": flat, "bbox": [0, 0, 300, 90], "headbox": [0, 0, 60, 80]}
    people = [person | {"id": 7}, person | {"id": 8}]
    categories = [{"id": 1, "name": "person", "keypoints": names}]
    (tmp_path / "gt.json").write_text(json.dumps({"images": [], "annotations": people, "categories": categories}))
    poses = [{"image_id": 1, "keypoints": [*flat[:6], flat[6] + 70, *flat[7:]]}, {"image_id": 1, "keypoints": flat}]
    (tmp_path / "pred.json").write_text(json.dumps(poses))
    return "--gt", tmp_path / "gt.json", "--pred", tmp_path / "pred.json", "--out", tmp_path / "r.json"


@pytest.mark.parametrize(
    ("kind", "options", "header", "rows"),
    [
        ("mpii_trb", [], "Skeleton Contour Mean", ["PCKh 96.4 100.0 96.7"]),  # 70 pixels are more than 0.3 · 100
        (
            "jhmdb",
            [],
            "Head Shoulder Elbow Wrist Hip Knee Ankle Mean",
            ["box 50.0 " + 6 * "100.0 " + "96.7", "torso 50.0 " + 6 * "100.0 " + "96.7"],
        ),
        ("pck", [], "PCK@0.05 PCK@0.1 PCK@0.2 AUC AUC@box EPE", ["by box 96.7 96.7 96.7 91.8 94.3 2.3"]),
        (
            "pck",
            ["--normalizer", "joints"],
            "PCK@0.05 PCK@0.1 PCK@0.2 AUC AUC@joints EPE",
            ["by joints 96.7 96.7 96.7 91.8 94.2 2.3"],
        ),
    ],
)
def test_coco_style_files(tmp_path, labels, kind, options, header, rows):
    """One head of 30 joints is off by 70 pixels: 0.2333 of the box, 0.25 of the joints' box, not under 0.25."""
    done = evaluate(*labels, *options, kind=kind)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == header.split()
    assert lines[1:] == [row.split() for row in rows]
    assert list(json.loads((tmp_path / "r.json").read_text())["table"]) == header.split()


def test_poses_that_cannot_be_matched(tmp_path, labels):
    (tmp_path / "pred.json").write_text(json.dumps(json.loads((tmp_path / "pred.json").read_text())[:1]))
    done = evaluate(*labels, kind="pck")
    assert (done.returncode, done.stdout) == (2, "")
    expected = "image_id 1: 1 poses for 2 labeled people: give each pose the annotation_id of its person"
    assert done.stderr == f"error: {tmp_path / 'pred.json'}: {expected}\n"
    assert not (tmp_path / "r.json").exists()


def test_scoring_does_not_load_torch_or_scipy():
    """The scorer is small and starts fast; either import would cost more than the scoring."""
    code = "import sys, lib.evaluation.posetrack_metrics; print({'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
