import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools/table.py"


def table(folder, *contents):
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(content))
    return subprocess.run([sys.executable, TOOL, *paths], capture_output=True, text=True)


def result(mode, mean, ankle=50.0):
    return {"config": f"TEST:\n  MODE: {mode}\n", "table": {"Ankle": ankle, "Mean": mean}}


def test_results_of_one_mode_are_averaged(tmp_path):
    done = table(tmp_path, result("single", 60.0), result("aggregate", 70.0, ankle=None), result("single", 62.0))
    assert done.stdout.splitlines() == [
        "               Ankle      Mean",
        "single          50.0      61.0",
        "aggregate        nan      70.0",
        "single: mean of 2, 60.0, 62.0",
    ]


def test_ways_of_propagating_labels_are_told_apart(tmp_path):
    warped, copied = (result("propagate", mean) | {"name": name} for name, mean in (("warp", 70.0), ("copy", 50.0)))
    done = table(tmp_path, warped, copied, warped)
    assert [line.split() for line in done.stdout.splitlines()[1:3]] == [
        ["warp", "50.0", "70.0"],
        ["copy", "50.0", "50.0"],
    ]
    assert "warp: mean of 2" in done.stdout


def test_what_is_no_result_is_named(tmp_path):
    done = table(tmp_path, {"config": ""})
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/0.json: not a scored result")
