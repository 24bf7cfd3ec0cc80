import json
import subprocess
import sys
from pathlib import Path

import cv2

TOOL = Path(__file__).parents[2] / "tools/table.py"


def table(folder, *contents, options=()):
    paths = [*options]
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(content))
    return subprocess.run([sys.executable, TOOL, *paths], capture_output=True, text=True)


def result(mode, mean, ankle=50.0, videos=20):
    config = f"TEST:\n  MODE: {mode}\nDATASET:\n  NUM_LABELED_VIDEOS: {videos}\n"
    return {"config": config, "table": {"Ankle": ankle, "Mean": mean}, "score": mean}


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


def propagated(method, ap, pck, name=""):
    tracks = {"0": {"pck": 100}, **{d: {"pck": share} for d, share in pck.items()}, "1+": {"pck": 1}}
    content = {"method": method, "ap_by_distance": {"0": 99.0, **ap}, "tracks_by_distance": tracks}
    return content | {"config": f"EXPERIMENT_NAME: '{name}'"}


def test_propagated_labels_by_distance(tmp_path):
    first = propagated("warp", {"1": 80.0, "2": 60.0, "10": 5.0}, {"1": 90.0, "2": 70.0})
    second = propagated("warp", {"1": 70.0, "2": 50.0}, {"1": 80.0, "2": 60.0})
    other = propagated("copy", {"1": 50.0, "2": 20.0}, {"1": 40.0, "2": 30.0}, name="mine")
    picture = tmp_path / "distances.png"
    done = table(tmp_path, first, second, other, options=["--over", "distance", "--plot", picture])
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["AP", "1", "AP", "2"],
        ["warp", "75.0", "55.0"],
        ["mine", "copy", "50.0", "20.0"],
        ["PCK", ".05", "1", "PCK", ".05", "2"],
        ["warp", "85.0", "65.0"],
        ["mine", "copy", "40.0", "30.0"],
    ]
    assert cv2.imread(str(picture)) is not None
    refused = table(tmp_path, result("single", 60.0), options=["--over", "distance"])
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "0.json: not a scored result of tools/propagate.py" in refused.stderr


def test_results_over_a_key_of_the_experiments(tmp_path):
    picture = tmp_path / "videos.png"
    contents = [result("single", mean, videos=v) for mean, v in ((60.0, 80), (40.0, 20), (50.0, 20))]
    over = ["--over", "DATASET.NUM_LABELED_VIDEOS"]
    done = table(tmp_path, *contents, result("aggregate", 70.0, videos=80), options=[*over, "--plot", picture])
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["AP", "20", "AP", "80"],
        ["single", "45.0", "60.0"],
        ["aggregate", "nan", "70.0"],
    ]
    assert cv2.imread(str(picture)) is not None
    refused = table(tmp_path, *contents, options=["--over", "TEST.MODE"])
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "0.json: TEST.MODE is single, not a number" in refused.stderr
    assert "name that by --over" in table(tmp_path, *contents, options=["--plot", picture]).stderr
