"""Custom data from training to table: one experiment file, joints of one's own, a tiny net."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.models import build_model
from tests.tool_runner import run_tool

TOOLS = Path(__file__).parents[2] / "tools"
NAMES = ["nose", "left_ear", "right_ear", "tail"]


@pytest.fixture
def experiment(tmp_path):
    """An experiment on two videos of which every second frame is labeled, and random weights."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(10):
        name = f"mouse{number // 5}/{number % 5:03d}.png"
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
        images.append({"id": number, "file_name": name})
        if number % 2 == 0:
            joints = np.column_stack([rng.uniform(20, 80, (4, 2)).round(1), np.full(4, 2)])
            annotations.append({"id": 70 + number, "image_id": number, "keypoints": joints.ravel().tolist()})
    content = {"images": images, "annotations": annotations, "categories": [{"name": "mouse", "keypoints": NAMES}]}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    keys = yaml.safe_load(write_experiment(tmp_path, tmp_path).read_text())
    labels = {"TRAIN_ANNOTATIONS": "labels.json", "TEST_ANNOTATIONS": "labels.json"}
    keys["DATASET"] |= {"DATASET": "custom", **labels}
    keys["MODEL"]["NUM_JOINTS"] = 4
    keys["TRAIN"] = {"END_EPOCH": 1, "BATCH_SIZE_PER_GPU": 2}
    path = tmp_path / "mice.yaml"
    path.write_text(yaml.safe_dump(keys))
    torch.manual_seed(0)
    torch.save(build_model(load_config(path)).state_dict(), tmp_path / "weights.pth")
    return path


def run(name, *arguments):
    done = run_tool([sys.executable, TOOLS / name, *arguments])
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("mode", ["single", "pair", "aggregate"])
def test_a_test_ends_in_a_table_that_the_scorer_repeats(experiment, tmp_path, mode):
    done = run("test.py", "--cfg", experiment, "TEST.MODE", mode, "TEST.MODEL_FILE", tmp_path / "weights.pth")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "output/custom/pose_hrnet/mice"
    result = json.loads((folder / f"result-{mode}.json").read_text())
    assert (result["people"], result["videos"]) == (5, 2)
    assert result["score"] == result["table"]["AP"]
    assert set(result["joints"]) == set(NAMES)
    assert 0 < result["table"]["EPE"] < 120
    predictions = folder / f"predictions/{mode}/val.json"
    assert {one["id"] for one in json.loads(predictions.read_text())} == {70, 72, 74, 76, 78}
    again = run("evaluate.py", "custom", "--gt", tmp_path / "labels.json", "--pred", predictions)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == done.stdout
    assert "PCK@0.2" in again.stdout


def test_people_in_detected_boxes_have_ap(experiment, tmp_path):
    boxes = [{"image_id": n, "category_id": 1, "bbox": [10, 10, 70, 70], "score": 0.9} for n in (0, 2)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    keys = ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", tmp_path / "boxes.json"]
    done = run("test.py", "--cfg", experiment, "TEST.MODEL_FILE", tmp_path / "weights.pth", *keys)
    assert done.returncode == 0, done.stderr
    assert "no PCK: 5 labeled people have no pose" in done.stderr
    table = json.loads((tmp_path / "output/custom/pose_hrnet/mice/result-aggregate.json").read_text())["table"]
    assert table["AP"] is not None
    assert table["PCK@0.2"] is None


@pytest.mark.slow
def test_training_is_tested_after_its_epoch(experiment, tmp_path):
    done = run("train.py", "--cfg", experiment)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "output/custom/pose_hrnet/mice/history.jsonl").read_text())
    assert record["test"]["score"] == record["test"]["table"]["AP"]


def test_unscorable_labels_are_refused_before_the_training(experiment, tmp_path):
    content = json.loads((tmp_path / "labels.json").read_text())
    content["annotations"][1]["id"] = 70
    (tmp_path / "labels.json").write_text(json.dumps(content))
    done = run("train.py", "--cfg", experiment)
    assert done.returncode == 2
    assert "annotations[1]: id 70 is used twice" in done.stderr.splitlines()[-1]
    assert "epoch 0" not in done.stderr


def test_pictures_of_any_joints(experiment, tmp_path):
    out = tmp_path / "pictures"
    done = run("illustrate.py", "--cfg", experiment, "--out", out, "TEST.MODEL_FILE", tmp_path / "weights.pth")
    assert done.returncode == 0, done.stderr
    capture = cv2.VideoCapture(str(out / "poses.mp4"))
    assert capture.read()[1].shape == (90, 240, 3)
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 5
