import itertools
import json
import sys
from pathlib import Path

import cv2
import pytest
import torch
import yaml
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.labeling.learning import Chain, add_seconds, keep_settings, plan_grid
from lib.labeling.learning_options import LearningOptions, complete
from lib.models import build_model
from lib.utils.errors import InputError
from lib.utils.files import write_json
from tests.tool_runner import run_tool

TOOLS = Path(__file__).parents[2] / "tools"


def learn(out, *arguments):
    return run_tool([sys.executable, TOOLS / "learn.py", "--out", out, *arguments])


@pytest.mark.slow
def test_a_demo_in_small(tmp_path):
    out = tmp_path / "demo"
    keys = ["--train", "2", "--val", "1", "--augment", "DATASET.NUM_LABELED_FRAMES_PER_VIDEO", "2"]
    keys += ["TRAIN.END_EPOCH", "1", "MODEL.WARP.NUM_BLOCKS", "1", "MODEL.WARP.DILATIONS", "[1]"]
    done = learn(out, *keys)
    assert done.returncode == 0, done.stderr
    table = (out / "table.txt").read_text()
    names = ["single", "average", "aggregate", "augmented single", "augmented aggregate"]
    assert [" ".join(line.split()[:-8]) for line in table.split("\n\n")[1].splitlines()] == ["", *names]
    assert table in done.stdout
    results = out / "posetrack18/pose_hrnet/posewarper"
    for mode in ("single", "average", "aggregate"):
        assert json.loads((results / f"result-{mode}.json").read_text())["videos"] == 1
    assert cv2.imread(str(out / "curves.png")) is not None
    assert json.loads((out / "augmented.json").read_text())["info"]["propagated_by"] == "warp-dis"
    capture = cv2.VideoCapture(str(out / "poses.mp4"))
    sizes = []
    while (frame := capture.read()[1]) is not None:
        sizes.append(frame.shape)
    assert sizes == [(240, 640, 3)] * 10  # every fourth frame is labeled

    # Another run has nothing left to do but the table; other settings are refused.
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.pth")}
    again = learn(out, *keys)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("already done") == 11
    assert table in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pth")} == times
    other = learn(out, *keys, "--seed", "1")
    assert other.returncode == 2
    assert (
        other.stderr
        == f"error: {out}: contains a run with other settings; choose another --out, or remove this folder\n"
    )


def test_the_record_of_a_run_has_its_settings_and_command(tmp_path):
    chain = Chain(tmp_path, {"augment": False, "configs": ["SEED: 0"]}, [])
    record = tmp_path / "learn.json"
    keep_settings([chain])
    first = json.loads(record.read_text())
    assert first.items() >= chain.settings.items()
    assert first.keys() == {*chain.settings, "command", "commit"}
    write_json(record, first | {"command": "python tools/learn.py with other words"})
    keep_settings([chain])  # the same settings
    assert json.loads(record.read_text()) == first
    add_seconds(tmp_path)
    once = json.loads(record.read_text())
    assert once == first | {"seconds": once["seconds"]}
    assert once["seconds"] > 0
    keep_settings([chain])  # interrupted, and resumed
    add_seconds(tmp_path)
    assert json.loads(record.read_text())["seconds"] >= 2 * once["seconds"]
    for other in (first | {"augment": True}, ["SEED: 0"]):
        write_json(record, other)
        with pytest.raises(InputError, match="contains a run with other settings"):
            keep_settings([chain])
        assert json.loads(record.read_text()) == other


def test_a_run_of_a_version_with_fewer_keys_has_their_defaults(tmp_path):
    path = TOOLS.parent / "experiments/synthetic/demo/single.yaml"
    cfg = load_config(path)
    write_json(tmp_path / "learn.json", {"configs": [cfg.dump().replace("  LAYER_DECAY: 1.0\n", "")]})
    keep_settings([Chain(tmp_path, {"configs": [cfg.dump()]}, [])])
    with pytest.raises(InputError, match="other settings"):
        keep_settings([Chain(tmp_path, {"configs": [load_config(path, ["TRAIN.LAYER_DECAY", 0.5]).dump()]}, [])])


def test_bad_input_is_one_line_and_status_2(tmp_path):
    done = learn(tmp_path / "demo", "TRAIN.LRR", "1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "TRAIN.LRR" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_step_that_fails_ends_the_run_with_its_status(tmp_path):
    done = learn(tmp_path / "demo", "--train", "-1", "--val", "1")
    assert done.returncode == 2
    assert done.stderr == "error: synthetic videos: -1 videos for train; the number must be between 0 and 500000\n"
    assert "Stage 1" not in done.stdout


@pytest.fixture
def stages(tmp_path):
    """The experiment files of both stages, on two tiny videos; stage 1 starts from a file of weights."""
    for name in ("a_video", "b_video"):
        make_video(tmp_path / "data", name, num_frames=6)
    both = yaml.safe_load(write_experiment(tmp_path, tmp_path / "data").read_text())
    both |= {"TRAIN": {"END_EPOCH": 1, "BATCH_SIZE_PER_GPU": 2}}
    both["DATASET"] |= {"TRAIN_SET": "val", "NUM_LABELED_FRAMES_PER_VIDEO": 1}
    warp, pretrained = both["MODEL"]["WARP"], str(tmp_path / "coco.pth")
    first = both | {"MODEL": both["MODEL"] | {"WARP": {"ENABLED": False}, "PRETRAINED": pretrained}}
    first |= {"TEST": both["TEST"] | {"MODE": "single"}}
    second = both | {"MODEL": both["MODEL"] | {"WARP": warp, "FREEZE_POSE_NET": True}}
    paths = tmp_path / "first.yaml", tmp_path / "second.yaml"
    for path, content in zip(paths, (first, second), strict=True):
        path.write_text(yaml.safe_dump(content))
    torch.save(build_model(load_config(paths[0])).state_dict(), pretrained)
    return paths


@pytest.mark.slow
def test_the_chain_on_custom_data(stages, tmp_path):
    out = tmp_path / "chain"
    done = learn(out, "--cfg", *stages)
    assert done.returncode == 0, done.stderr
    assert "Generate the videos" not in done.stdout
    assert "on the experiments' test set" in (out / "table.txt").read_text()
    results = out / "posetrack18/pose_hrnet"
    assert sorted(path.name for path in results.iterdir()) == ["first", "second"]
    assert "coco.pth" in json.loads((results / "first/result-train.json").read_text())["config"]
    (log,) = (results / "first").glob("*_train.log")
    assert "in 2 labeled frames of 2 videos" in log.read_text()  # NUM_LABELED_FRAMES_PER_VIDEO is 1


def test_options_of_generated_data_exclude_cfg(stages, tmp_path):
    for options, message in (
        ([*stages, "--train", "3"], "remove --experiment, --train and --val"),
        ([stages[0], stages[0]], "names must differ"),
        ([stages[0], tmp_path / "none.yaml"], "none.yaml"),
    ):
        done = learn(tmp_path / "chain", "--cfg", *options)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert message in done.stderr


def finish_cell(stages, out, videos, frames, seed, scores):
    """Write the files that the steps of a cell of the grid leave, with these scores by mode."""
    cell = out / f"videos{videos}_frames{frames}_seed{seed}"
    keys = ["SEED", seed, "OUTPUT_DIR", cell, "LOG_DIR", cell / "log"]
    keys += ["DATASET.NUM_LABELED_VIDEOS", videos, "DATASET.NUM_LABELED_FRAMES_PER_VIDEO", frames]
    results = cell / "posetrack18/pose_hrnet"
    for stage in ("first", "second"):
        (results / stage).mkdir(parents=True)
        (results / stage / "final_state.pth").touch()
    config = load_config(stages[1], [*map(str, keys), "MODEL.PRETRAINED", str(results / "first/final_state.pth")])
    for mode, score in scores.items():
        content = {"config": config.dump(), "table": {"Mean": score}, "score": score}
        (results / f"second/result-{mode}.json").write_text(json.dumps(content))


def test_a_grid_ends_in_a_table_and_a_plot(stages, tmp_path):
    """The files of all steps exist, so that only the table is left to do."""
    out = tmp_path / "grid"
    for videos, frames, seed in itertools.product((1, 2), (1, 4), (0, 1)):
        score = 10.0 * videos + frames + 2 * seed
        finish_cell(stages, out, videos, frames, seed, {"single": score, "average": score, "aggregate": score + 5})
    grid = ["--grid", "--videos", "1,2", "--seeds", "0", "1", "--frames", "1", "4", "TRAIN.END_EPOCH", "1"]
    done = learn(out, "--cfg", *stages, *grid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("already done") == 8 * 5
    table = (out / "table.txt").read_text()
    assert table in done.stdout
    parts = [[" ".join(line.split()) for line in part.splitlines()] for part in table.strip().split("\n\n")]
    assert parts[0] == [
        "AP in percent by the number of labeled videos (V) and of labeled frames per video (N), "
        "mean ± standard deviation over n seeds"
    ]
    assert parts[1] == [
        "single",
        "V 1 V 2",
        "N 1 12.0 ± 1.4 (n 2) 22.0 ± 1.4 (n 2)",
        "N 4 15.0 ± 1.4 (n 2) 25.0 ± 1.4 (n 2)",
    ]
    assert [part[0] for part in parts[2:]] == ["average", "aggregate"]
    assert parts[3][2] == "N 1 17.0 ± 1.4 (n 2) 27.0 ± 1.4 (n 2)"
    assert cv2.imread(str(out / "grid.png")) is not None
    assert json.loads((out / "learn.json").read_text())["seconds"] > 0
    other = learn(out, "--cfg", *stages, *grid[:-1], "2")
    assert other.returncode == 2
    assert "videos1_frames1_seed0: contains a run with other settings" in other.stderr


def test_grid_cells_use_their_numbers_of_labels(stages, tmp_path):
    given = LearningOptions(
        out=tmp_path,
        experiment=None,
        cfg=stages,
        seed=None,
        train=None,
        val=None,
        augment=False,
        opts=["TRAIN.END_EPOCH", "2"],
        grid=True,
        videos=[1, 2],
        frames=[1],
        seeds=[],
    )
    cells = plan_grid(complete(given))
    assert list(cells) == [(1, 1, None), (2, 1, None)]
    for (videos, frames, _), chain in cells.items():
        trainings = [step.arguments for step in chain.steps if step.arguments[0] == "train.py"]
        assert len(trainings) == 2
        for _, _, file, *keys in trainings:
            cfg = load_config(file, keys)
            assert (cfg.DATASET.NUM_LABELED_VIDEOS, cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO) == (videos, frames)
            assert (cfg.TRAIN.END_EPOCH, cfg.OUTPUT_DIR) == (2, str(chain.folder))
    assert len({chain.folder for chain in cells.values()}) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--videos", "2"], "--videos, --frames and --seeds require --grid"),
        (
            ["--grid", "--videos", "2", "2"],
            "--videos 2 2: expected different whole numbers of at least 1, such as 20 40",
        ),
        (["--grid", "--frames", "0"], "--frames 0: expected different whole numbers of at least 1"),
        (["--grid", "--seeds", "x", "1"], "--seeds x 1: expected different whole numbers of at least 0"),
        (["--grid", "--train", "10"], "--videos 80: there are 10 training videos; --train generates more"),
        (["--grid", "SEED", "3"], "--grid sets SEED: use --videos, --frames or --seeds"),
        (["--grid", "--videos", "2", "TRAIN.LRR", "1"], "unknown key TRAIN.LRR"),
        (["--grid", "--cfg", "a.yaml", "b.yaml"], "--grid with --cfg requires --videos and --frames"),
    ],
)
def test_invalid_grid_options(tmp_path, options, message):
    done = learn(tmp_path / "grid", *options)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (tmp_path / "grid").exists()
