"""The published propagation experiments as they are, W48 at 384×288 on synthetic data in PoseTrack17's own form."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lib.config import load_config
from lib.formats import posetrack17
from lib.formats.posetrack_set import read_videos
from lib.models import build_model
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
PREFIX = ROOT / "experiments/posetrack/hrnet/w48_384x288_adam_lr1e-4"

pytestmark = pytest.mark.slow


def tool(name, *arguments, cwd):
    command = [sys.executable, ROOT / "tools" / name, *arguments]
    done = run_tool(command, cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data/posetrack17, two videos of one person, frames from 00000001.jpg on; and weights."""
    root = tmp_path_factory.mktemp("posetrack17")
    made, data = root / "made", root / "data/posetrack17"
    size = ["--frames", 5, "--people", 1, 1, "--width", 160, "--height", 120, "--processes", 1]
    tool("make_synthetic.py", "--out", made, "--train", 1, "--val", 1, *size, cwd=root)
    for part in ("train", "val"):
        (video,) = read_videos(made / "annotations" / part)
        names = [f"images/bonn_5sec/{video.name}/{number:08d}.jpg" for number in range(1, 6)]
        for before, after in zip(video.frame_names, names, strict=True):
            (data / after).parent.mkdir(parents=True, exist_ok=True)
            (made / before).rename(data / after)
        (data / "annotations" / part).mkdir(parents=True)
        posetrack17.write(data / "annotations" / part / f"{video.name}.json", replace(video, frame_names=names))
    torch.manual_seed(0)
    cfg = load_config(Path(f"{PREFIX}_PoseWarper_inference_video_pose_propagation.yaml"))
    torch.save(build_model(cfg).state_dict(), root / "posewarper.pth")
    return root


def keys(folder):
    data = ["DATASET.DATASET", "posetrack17", "DATASET.ROOT", "data/posetrack17", "WORKERS", 0]
    return [*data, "TEST.MODEL_FILE", folder / "posewarper.pth"]


def test_video_pose_propagation(folder):
    tool("prepare_posetrack.py", "consecutive", "--annotations", "data/posetrack17/annotations", cwd=folder)
    cfg = f"{PREFIX}_PoseWarper_inference_video_pose_propagation.yaml"
    printed = tool("propagate.py", "--cfg", cfg, *keys(folder), cwd=folder)
    assert "PCK .05" in printed
    out = folder / "output/posetrack17/pose_hrnet" / Path(cfg).stem
    result = json.loads((out / "result-propagate-warp-every7.json").read_text())
    assert result["people"] == 5
    assert list(result["ap_by_distance"]) == ["0", "1", "2", "3"]


def test_augmentation_and_training_on_it(folder):
    cfg = f"{PREFIX}_PoseWarper_inference_data_augmentation.yaml"
    tool("prepare_posetrack.py", "full", "--annotations", "data/posetrack17/annotations", cwd=folder)
    tool("propagate.py", "--cfg", cfg, *keys(folder), cwd=folder)
    path = folder / "data/posetrack17/annotations/posetrack_train_N1_per_video_wPseudoGT.json"
    content = json.loads(path.read_text())
    (source,) = {person["propagated_from"] for person in content["annotations"] if "propagated_from" in person}
    assert source.startswith("images/bonn_5sec/")
    assert 3 <= len(content["images"]) <= 5  # the label is in one of five frames
    small = ["TRAIN.BATCH_SIZE_PER_GPU", 2, "TRAIN.ITERATIONS_PER_EPOCH", 1, "TRAIN.END_EPOCH", 1]
    small += ["TEST.EVALUATE", "False", "DATASET.DATASET", "posetrack17", "DATASET.ROOT", "data/posetrack17"]
    tool("train.py", "--cfg", f"{PREFIX}_pseudo_gt_train.yaml", *small, "WORKERS", 0, cwd=folder)
    stem = Path(f"{PREFIX}_pseudo_gt_train").name
    assert (folder / "output/posetrack17/pose_hrnet" / stem / "final_state.pth").exists()
