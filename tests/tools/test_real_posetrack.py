"""tools/test.py on a few real frames of PoseTrack18: POSEWARPER_TEST_DATA is the folder of mini/posetrack18."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.dataset.video_people import joint_boxes
from lib.formats.posetrack_set import read_videos
from lib.models import build_model
from tests.tool_runner import run_tool

DATA = os.environ.get("POSEWARPER_TEST_DATA")
ROOT = Path(DATA or "", "mini/posetrack18")
VIDEOS = ["003418_mpii_test", "009473_mpii_test", "012834_mpii_test"]

pytestmark = pytest.mark.skipif(not DATA, reason="POSEWARPER_TEST_DATA is not set: no real frames to test on")


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    net = build_model(load_config(write_experiment(tmp_path, ROOT)))
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    return tmp_path


def run(folder, *overrides):
    command = [sys.executable, str(Path(__file__).parents[2] / "tools/test.py"), "--cfg", str(folder / "small.yaml")]
    command += ["TEST.MODEL_FILE", str(folder / "weights.pth"), *map(str, overrides)]
    done = run_tool(command, folder)
    assert done.returncode == 0, done.stderr
    out = folder / "output/posetrack18/pose_hrnet/small"
    submission = {
        path.stem: json.loads(path.read_text()) for path in sorted((out / "predictions/aggregate/val").iterdir())
    }
    return json.loads((out / "result-aggregate.json").read_text()), submission, done


def test_ground_truth_boxes_of_official_and_merged_annotations(folder):
    result, submission, done = run(folder)
    assert list(submission) == VIDEOS
    assert result["people"] == 14
    assert result["replaced_frames"] == 28  # A + 1 and A + 2 of the only frame of each video
    assert "Mean" in done.stdout
    merged = run(folder, "DATASET.TEST_ANNOTATIONS", ROOT / "annotations/test_posetrack18_val.json")
    assert merged[1] == submission
    assert merged[0]["table"] == result["table"]


def test_detections_by_image_id(folder):
    boxes = ROOT / "annotations/test_posetrack18_human_detections.json"
    result, submission, _ = run(
        folder, "TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", boxes, "TEST.IMAGE_THRE", 0.0
    )
    assert result["people"] == 278
    assert sum(len(content["annotations"]) for content in submission.values()) == 278


def test_boxes_on_a_clip_of_five_frames(folder):
    names = [f"videos/000001_mpiinew_test/{number:06d}.jpg" for number in range(5)]
    boxes = [{"image_name": name, "category_id": 1, "bbox": [60, 40, 120, 200], "score": 0.9} for name in names]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    keys = ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json"]
    result, submission, done = run(folder, "DATASET.ROOT", folder, "DATASET.IMAGE_DIR", ROOT, *keys)
    assert (result["people"], result["replaced_frames"]) == (5, 0)
    assert "submit the predictions to the benchmark's server" in done.stderr
    (content,) = submission.values()
    assert [image["file_name"] for image in content["images"]] == names
    assert len({tuple(a["keypoints"]) for a in content["annotations"]}) > 1


def test_posetracks_boxes_are_the_joints_extent_and_a_margin():
    """The rule for the boxes of PoseTrack17, which has none, on videos that have boxes."""
    for video in read_videos(ROOT / "annotations/val"):
        labeled = video.labeled.any(axis=1)
        np.testing.assert_allclose(joint_boxes(video)[labeled], video.boxes[labeled], atol=0.5)
