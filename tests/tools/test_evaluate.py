"""The command line: what it prints, what it writes, how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "tests" / "golden" / "poseval" / "small"


def evaluate(*arguments, folder=ROOT):
    command = [sys.executable, str(ROOT / "tools" / "evaluate.py"), "posetrack", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


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
    assert [row[0] for row in rows] == ["AP", "MOTA", "MOTP"]
    assert [row[-1] for row in rows] == ["53.7", "6.4", "82.5"]
    result = json.loads((tmp_path / "new" / "r.json").read_text())
    assert result["table"]["Mean"] == pytest.approx(53.703843131699465, abs=1e-9)
    assert set(result) == {"table", "joints", "mota", "motp", "mot_precision", "mot_recall"}


def test_nan_is_null(tmp_path):
    """A joint that is predicted but never labelled has no AP, and JSON has no NaN."""
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


def test_wrong_input_is_one_line_and_status_2(tmp_path):
    (tmp_path / "result").write_text("before")
    for name in ("001011", "001048", "001085"):
        content = (SMALL / "pred" / f"{name}_mpii_test.json").read_text()
        (tmp_path / f"{name}_mpii_test.json").write_text(content)
    (tmp_path / "001122_mpii_test.json").write_text(content[:500])
    done = evaluate("--gt", SMALL / "gt", "--pred", tmp_path, "--out", tmp_path / "result")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"error: {tmp_path / '001122_mpii_test.json'}: not a JSON file")
    assert (tmp_path / "result").read_text() == "before"


def test_scoring_does_not_load_torch_or_scipy():
    """The scorer is small and starts fast; either import would cost more than the scoring."""
    code = "import sys, lib.evaluation.posetrack; print({'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
