import json
import sys
from pathlib import Path

import cv2
import pytest
import yaml

from tests.tool_runner import run_tool

TOOL = Path(__file__).parents[2] / "tools/table.py"


def table(folder, *contents, options=()):
    paths = [*options]
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(content))
    return run_tool([sys.executable, TOOL, *paths])


def result(mode, mean, seed=0, videos=20, ankle=50.0, out="output", pretrained="", workers=4):
    config = {"OUTPUT_DIR": out, "SEED": seed, "WORKERS": workers, "MODEL": {"PRETRAINED": pretrained}}
    config |= {"TEST": {"MODE": mode}, "DATASET": {"NUM_LABELED_VIDEOS": videos}}
    return {"config": yaml.safe_dump(config), "table": {"Ankle": ankle, "Mean": mean}, "score": mean}


def test_runs_that_differ_in_the_seed_are_a_mean_and_a_standard_deviation(tmp_path):
    contents = [result("single", mean, seed) for seed, mean in enumerate((60.0, 62.0, 67.0))]
    done = table(tmp_path, contents[0], result("aggregate", 70.0, ankle=None), *contents[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "                   n       Ankle        Mean",
        "single             3  50.0 ± 0.0  63.0 ± 3.6",
        "aggregate          1         nan        70.0",
    ]


def test_paths_and_devices_are_not_settings(tmp_path):
    """The paths of learn.py's runs lie inside their own output folders."""
    contents = [
        result("single", 60.0 + seed, seed, out=f"out/{seed}", pretrained=f"out/{seed}/a.pth", workers=seed)
        for seed in (1, 2)
    ]
    done = table(tmp_path, *contents)
    assert done.stdout.splitlines()[1].split() == ["single", "2", "50.0", "±", "0.0", "61.5", "±", "0.7"]


def named(name, mean, seed):
    content = result("single", mean, seed)
    return content | {"config": content["config"] + f"EXPERIMENT_NAME: {name}\n"}


def test_seeds_of_other_names_are_averaged_under_all_their_names(tmp_path):
    done = table(tmp_path, named("s1", 60.0, 1), named("s2", 64.0, 2))
    assert done.stdout.splitlines()[1].split() == [
        "s1",
        "+",
        "s2",
        "single",
        "2",
        "50.0",
        "±",
        "0.0",
        "62.0",
        "±",
        "2.8",
    ]
    contents = [named(name, mean, seed) for name, mean, seed in (("a", 60.0, 1), ("a", 62.0, 2), ("b", 70.0, 1))]
    assert [line.split() for line in table(tmp_path, *contents).stdout.splitlines()[1:]] == [
        ["a", "single", "2", "50.0", "±", "0.0", "61.0", "±", "1.4"],
        ["b", "single", "1", "50.0", "70.0"],
    ]


def test_runs_that_differ_in_other_keys_are_never_averaged(tmp_path):
    done = table(tmp_path, result("single", 60.0, 0, videos=20), result("single", 64.0, 1, videos=80))
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["Ankle", "Mean"],
        ["single,", "DATASET.NUM_LABELED_VIDEOS", "20", "50.0", "60.0"],
        ["single,", "DATASET.NUM_LABELED_VIDEOS", "80", "50.0", "64.0"],
    ]
    done = table(tmp_path, result("single", 60.0, pretrained="a.pth"), result("single", 64.0, 1, pretrained="b.pth"))
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [
        ["single,", "MODEL.PRETRAINED", "a.pth"],
        ["single,", "MODEL.PRETRAINED", "b.pth"],
    ]


def test_runs_with_the_same_seed_are_not_averaged(tmp_path):
    done = table(tmp_path, result("single", 60.0), result("single", 64.0))
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["single,", str(tmp_path / "0.json"), "50.0", "60.0"],
        ["single,", str(tmp_path / "1.json"), "50.0", "64.0"],
    ]
    again = table(tmp_path, result("single", 60.0), options=[tmp_path / "0.json"])
    assert again.stdout.splitlines()[1].split() == ["single", "50.0", "60.0"]  # the file was named twice


def test_tests_of_one_net_with_several_seeds_are_not_averaged(tmp_path):
    contents = [result("single", 60.0 + seed, seed) | {"weights_sha256": "ab"} for seed in (0, 1)]
    assert [line.split() for line in table(tmp_path, *contents).stdout.splitlines()[1:]] == [
        ["single,", str(tmp_path / "0.json"), "50.0", "60.0"],
        ["single,", str(tmp_path / "1.json"), "50.0", "61.0"],
    ]
    over = table(tmp_path, *contents, options=["--over", "DATASET.NUM_LABELED_VIDEOS"])
    assert [line.split()[-1] for line in over.stdout.splitlines()[1:]] == ["60.0", "61.0"]
    contents[1]["weights_sha256"] = "cd"
    assert table(tmp_path, *contents).stdout.splitlines()[1].split()[:2] == ["single", "2"]


def test_propagation_methods_have_separate_rows(tmp_path):
    warped, copied = (result("propagate", mean) | {"name": name} for name, mean in (("warp", 70.0), ("copy", 50.0)))
    second = result("propagate", 72.0, seed=1) | {"name": "warp"}
    done = table(tmp_path, warped, copied, second)
    assert [line.split() for line in done.stdout.splitlines()[1:3]] == [
        ["warp", "2", "50.0", "±", "0.0", "71.0", "±", "1.4"],
        ["copy", "1", "50.0", "50.0"],
    ]


def test_tables_of_other_columns_leave_gaps(tmp_path):
    other = result("aggregate", 70.0) | {"table": {"AP": 40.0}}
    done = table(tmp_path, result("single", 60.0), other)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["Ankle", "Mean", "AP"],
        ["single", "50.0", "60.0", "nan"],
        ["aggregate", "nan", "nan", "40.0"],
    ]


def test_files_without_a_table_are_skipped_with_a_message(tmp_path):
    training = {"config": "SEED: 0", "versions": {}}
    done = table(tmp_path, training, result("single", 60.0))
    assert done.returncode == 0
    kind = "a scored result of tools/test.py or tools/propagate.py"
    assert done.stderr == f"{tmp_path}/0.json is left out: not {kind}; it lacks score, table\n"
    assert done.stdout.splitlines()[1].split() == ["single", "50.0", "60.0"]
    over = table(tmp_path, training, result("single", 60.0), options=["--over", "DATASET.NUM_LABELED_VIDEOS"])
    assert over.returncode == 0
    assert over.stderr == done.stderr


@pytest.mark.parametrize("content", [{"config": ""}, [1, 2]])
def test_files_without_any_table_are_an_error(tmp_path, content):
    done = table(tmp_path, content)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: none of these files is a scored result of tools/test.py")


def test_a_broken_file_is_named(tmp_path):
    for content, message in (("{", "not a JSON file"), (json.dumps(result("single", 1.0) | {"config": 7}), "'config'")):
        (tmp_path / "broken.json").write_text(content)
        done = table(tmp_path, result("single", 60.0), options=[tmp_path / "broken.json"])
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {tmp_path}/broken.json: ")
        assert message in done.stderr


def propagated(method, ap, pck, name="", seed=0):
    tracks = {"0": {"pck": 100}, **{d: {"pck": share} for d, share in pck.items()}, "1+": {"pck": 1}}
    content = {"method": method, "ap_by_distance": {"0": 99.0, **ap}, "tracks_by_distance": tracks}
    return content | {"config": f"EXPERIMENT_NAME: '{name}'\nSEED: {seed}"}


def test_propagated_labels_by_distance(tmp_path):
    first = propagated("warp", {"1": 80.0, "2": 60.0, "10": 5.0}, {"1": 90.0, "2": 70.0})
    second = propagated("warp", {"1": 70.0, "2": 50.0}, {"1": 80.0, "2": 60.0}, seed=1)
    other = propagated("copy", {"1": 50.0, "2": 20.0}, {"1": 40.0, "2": 30.0}, name="mine")
    picture = tmp_path / "distances.png"
    done = table(tmp_path, first, second, other, options=["--over", "distance", "--plot", picture])
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == [
        "AP 1 AP 2",
        "warp 75.0 ± 7.1 (n 2) 55.0 ± 7.1 (n 2)",
        "mine copy 50.0 20.0",
        "PCK .05 1 PCK .05 2",
        "warp 85.0 ± 7.1 (n 2) 65.0 ± 7.1 (n 2)",
        "mine copy 40.0 30.0",
        f"{picture}: the same as curves",
    ]
    assert cv2.imread(str(picture)) is not None
    refused = table(tmp_path, result("single", 60.0), options=["--over", "distance"])
    assert refused.returncode == 2
    assert "error: none of these files is a scored result of tools/propagate.py" in refused.stderr


def test_results_over_a_key_of_the_experiments(tmp_path):
    picture = tmp_path / "videos.png"
    contents = [
        result("single", mean, seed, videos=v) for mean, v, seed in ((60.0, 80, 0), (40.0, 20, 0), (50.0, 20, 1))
    ]
    over = ["--over", "DATASET.NUM_LABELED_VIDEOS"]
    done = table(tmp_path, *contents, result("aggregate", 70.0, videos=80), options=[*over, "--plot", picture])
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == [
        "AP 20 AP 80",
        "single 45.0 ± 7.1 (n 2) 60.0",
        "aggregate nan 70.0",
        f"{picture}: the same as curves",
    ]
    assert cv2.imread(str(picture)) is not None
    refused = table(tmp_path, *contents, options=["--over", "TEST.MODE"])
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "0.json: TEST.MODE is single, not a number" in refused.stderr
    assert "--plot requires --over" in table(tmp_path, *contents, options=["--plot", picture]).stderr


def test_results_over_a_key_that_differ_in_another_one_are_rows_of_their_own(tmp_path):
    contents = [
        result("single", 40.0 + v + n, videos=v, workers=n, pretrained=f"{n}.pth") for v in (20, 40) for n in (1, 2)
    ]
    done = table(tmp_path, *contents, options=["--over", "DATASET.NUM_LABELED_VIDEOS"])
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["AP", "20", "AP", "40"],
        ["single,", "MODEL.PRETRAINED", "1.pth", "61.0", "81.0"],
        ["single,", "MODEL.PRETRAINED", "2.pth", "62.0", "82.0"],
    ]
