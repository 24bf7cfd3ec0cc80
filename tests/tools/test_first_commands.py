"""tools/test.py and tools/train.py with the options and keys of the first HRNet, SimpleBaseline and PoseWarper code."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.models import build_model
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
PLACE = Path("output/posetrack18/pose_hrnet/small")
pytestmark = pytest.mark.slow


@pytest.fixture
def sample(tmp_path):
    """The folder of a test: big/ with a data set of one video, weights, boxes; small.yaml, a net of single frames."""
    make_video(tmp_path / "big/data", "video", num_frames=2)
    cfg = load_config(write_experiment(tmp_path, Path("data")), ["MODEL.WARP.ENABLED", "False", "TEST.MODE", "single"])
    (tmp_path / "small.yaml").write_text(cfg.dump())
    torch.manual_seed(0)
    torch.save(build_model(cfg).state_dict(), tmp_path / "big/weights.pth")
    boxes = [
        {"image_name": f"images/val/video/{frame:06d}.jpg", "category_id": 1, "bbox": [20, 30, 40, 60], "score": 0.9}
        for frame in range(2)
    ]
    (tmp_path / "big/boxes.json").write_text(json.dumps(boxes))
    return tmp_path


def run(folder, tool, *arguments):
    command = [sys.executable, str(ROOT / f"tools/{tool}.py"), "--cfg", "small.yaml", *arguments]
    done = run_tool(command, folder)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def succeed(folder, tool, *arguments):
    done = run(folder, tool, *arguments)
    assert done.returncode == 0, done.stderr
    return done


def refused(folder, tool, *arguments):
    """The one line of an error."""
    done = run(folder, tool, *arguments)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def outcome(folder, name="single"):
    """Return the result of a run and its configuration."""
    result = json.loads((folder / PLACE / f"result-{name}.json").read_text())
    return result, yaml.safe_load(result["config"])


def test_options_of_the_simple_baselines_valid_script(sample):
    keys = ["DATA_DIR", "big", "TEST.MODEL_FILE", "weights.pth", "TEST.FLIP_TEST", "True", "TEST.POST_PROCESS", "True"]
    keys += ["TEST.SHIFT_HEATMAP", "True", "TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json"]
    succeed(sample, "test", *keys, "WORKERS", "1", "PRINT_FREQ", "3")
    by_keys, config_by_keys = outcome(sample)
    (sample / PLACE / "result-single.json").unlink()
    options = ["--dataDir", "big", "--model-file", "weights.pth", "--flip-test", "--post-process", "--shift-heatmap"]
    options += ["--use-detect-bbox", "--coco-bbox-file", "boxes.json", "--gpus", "0", "--workers", "1"]
    succeed(sample, "test", *options, "--frequent", "3", "DEBUG.DEBUG", "True")
    by_options, config = outcome(sample)
    assert config["DEBUG"].pop("DEBUG") is not config_by_keys["DEBUG"].pop("DEBUG")
    assert config == config_by_keys
    assert by_options["table"] == by_keys["table"]
    assert by_options["people"] == 2
    assert (config["WORKERS"], config["PRINT_FREQ"]) == (1, 3)
    # DEBUG.DEBUG alone draws every picture; nobody of detected people is labeled.
    pictures = {path.name for path in (sample / PLACE / "debug").iterdir()}
    assert pictures >= {"single_0_poses.jpg", "single_0_heatmaps.jpg"}


def test_options_of_the_simple_baselines_train_script(sample):
    options = ["--dataDir", "big", "--gpus", "0,1", "--workers", "0", "--frequent", "1"]
    keys = ["DATASET.TRAIN_SET", "val", "TRAIN.END_EPOCH", "1", "TRAIN.BATCH_SIZE", "2", "TEST.EVALUATE", "False"]
    keys += ["MODEL.PRETRAINED", "weights.pth"]
    done = succeed(sample, "train", *options, *keys)
    _, config = outcome(sample, "train")
    assert (config["GPUS"], config["WORKERS"], config["PRINT_FREQ"]) == ([0, 1], 0, 1)
    assert config["TRAIN"]["BATCH_SIZE_PER_GPU"] == 2
    assert "[1/2]" in done.stderr  # each iteration says how far it is: 4 people in batches of 2
    # A test of another folder of results takes up what training left in this one.
    again = [*options, "--modelDir", "other", "--prevModelDir", "output"]
    succeed(sample, "test", *again)
    result = json.loads((sample / "other/posetrack18/pose_hrnet/small/result-single.json").read_text())
    assert "final_state.pth" in result["config"]
    # And so does a training.
    done = succeed(sample, "train", *again, *keys, "TRAIN.END_EPOCH", "2")
    assert "output/posetrack18/pose_hrnet/small/checkpoint.pth: resuming at epoch 1" in done.stderr


def test_missing_weights_are_reported_before_data_are_read(sample):
    nowhere = ["DATASET.ROOT", "nowhere", "--dataDir", "big"]
    line = refused(sample, "test", *nowhere, "TEST.MODEL_FILE", "no.pth")
    assert line == "error: TEST.MODEL_FILE: big/no.pth does not exist"
    line = refused(sample, "test", *nowhere)
    end = "small/final_state.pth does not exist; train the experiment, or set TEST.MODEL_FILE to the weights"
    assert line.endswith(end)
    line = refused(sample, "train", *nowhere, "MODEL.PRETRAINED", "no.pth")
    assert line.startswith("error: MODEL.PRETRAINED: big/no.pth does not exist")


def test_annotations_are_found_in_the_data_folder(sample):
    (sample / "big/data/annotations/val").rename(sample / "big/labels")
    (sample / "big/data/images").rename(sample / "big/images")
    succeed(
        sample, "test", "--dataDir", "big", "--model-file", "weights.pth",
        "DATASET.TEST_ANNOTATIONS", "labels", "DATASET.IMAGE_DIR", ".",
    )  # fmt: skip
    assert outcome(sample)[0]["people"] == 4
    keys = ["DATASET.TEST_ANNOTATIONS", "none.json"]
    line = refused(sample, "test", "--dataDir", "big", "--model-file", "weights.pth", *keys)
    places = "big/none.json, big/data/annotations/none.json, big/data/none.json"
    assert f"DATASET.TEST_ANNOTATIONS: none of {places} exists" in line
