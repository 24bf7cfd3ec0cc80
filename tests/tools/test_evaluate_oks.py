"""The command line for COCO and its relatives: what it prints, what it writes, how it ends."""

import json
import sys
from pathlib import Path

import pytest

from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "coco"


def evaluate(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "evaluate.py"), *map(str, arguments)]
    return run_tool(command)


@pytest.mark.parametrize(
    ("data_set", "columns", "rows"),
    [
        ("aic", 10, [["11.0", "27.4", "12.2", "11.2", "11.0", "23.4", "43.7", "27.5", "21.9", "24.2"]]),
        ("crowdpose", 9, [["59.1", "74.1", "58.6", "67.1", "79.2", "66.5", "52.3", "62.1", "57.6"]]),
    ],
)
def test_table_and_file(tmp_path, data_set, columns, rows):
    files = "--gt", GOLDEN / f"{data_set}_gt.json", "--pred", GOLDEN / f"{data_set}_pred.json"
    done = evaluate(data_set, *files, "--out", tmp_path / "result.json")
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = done.stdout.splitlines()
    assert [line.split() for line in lines] == rows
    table = json.loads((tmp_path / "result.json").read_text())["table"]
    assert table == pytest.approx(json.loads((GOLDEN / "expected.json").read_text())[data_set]["stats"], abs=1e-6)
    assert [header[start : start + 10].strip() for start in range(len(header) - 10 * columns, len(header), 10)] == list(
        table
    )


def test_rows_of_parts():
    done = evaluate(
        "coco_wholebody", "--gt", GOLDEN / "coco_wholebody_gt.json", "--pred", GOLDEN / "coco_wholebody_pred.json"
    )
    rows = {name: values for name, *values in map(str.split, done.stdout.splitlines()[1:])}
    assert list(rows) == ["body", "foot", "face", "lefthand", "righthand", "wholebody", "hand"]
    assert (rows["lefthand"][0], rows["righthand"][0], rows["hand"][0]) == ("30.3", "29.3", "29.8")


def test_bad_input_is_one_line_and_status_2(tmp_path):
    files = "--gt", GOLDEN / "coco_gt.json", "--pred", GOLDEN / "aic_pred.json"
    done = evaluate("coco", *files, "--out", tmp_path / "result.json")
    assert (done.returncode, done.stdout) == (2, "")
    where = GOLDEN / "aic_pred.json"
    assert done.stderr == f"error: {where}: predictions[0]: 'keypoints' must contain 51 finite numbers, not 42\n"
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "two"])
def test_a_factor_on_the_sigmas_is_a_number_over_0(scale):
    files = "--gt", GOLDEN / "aic_gt.json", "--pred", GOLDEN / "aic_pred.json"
    done = evaluate("aic", *files, f"--sigma-scale={scale}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "argument --sigma-scale: " in done.stderr.splitlines()[-1]
    assert scale in done.stderr.splitlines()[-1]


def test_nan_in_a_file_is_named(tmp_path):
    (tmp_path / "pred.json").write_text('[{"score": NaN}]')
    done = evaluate("coco", "--gt", GOLDEN / "coco_gt.json", "--pred", tmp_path / "pred.json")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "NaN" in done.stderr
