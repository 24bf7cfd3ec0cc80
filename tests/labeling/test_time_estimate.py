"""The duration of a run that label_video.py announces."""

from pathlib import Path

import pytest
import torch

from lib.config import load_config
from lib.labeling import time_estimate
from lib.labeling.time_estimate import (
    estimate_inference_seconds,
    estimate_propagation_seconds,
    estimate_training_seconds,
)

RECIPE = Path(__file__).parents[2] / "experiments/video"
CPU = torch.device("cpu")


@pytest.fixture
def cfg_of(monkeypatch):
    """Configurations of the stages; whatever is timed runs once and takes two seconds."""

    def seconds(run):
        run()
        return 2.0

    monkeypatch.setattr(time_estimate, "_time", seconds)
    monkeypatch.setattr(time_estimate, "num_cores", lambda: 4)
    size = ["MODEL.IMAGE_SIZE", "[96,128]", "MODEL.NUM_JOINTS", "4"]
    return lambda stage, *keys: load_config(RECIPE / f"{stage}.yaml", [*size, *keys])


@pytest.mark.parametrize("stage", ["single", "posewarper"])
def test_duration_of_a_training(cfg_of, stage):
    cfg = cfg_of(stage, "TRAIN.END_EPOCH", 5, "TRAIN.BATCH_SIZE_PER_GPU", 8)
    assert estimate_training_seconds(cfg, 20, CPU) == 5 * 3 * 2


def test_propagation_takes_warps_in_hops_and_flow_on_all_cores(cfg_of):
    cfg = cfg_of("posewarper", "TEST.PROPAGATE.HOP", 3)
    warps, flows = 2 * 24 / 3 / time_estimate.CLIPS, 2 * 24 / 4
    assert estimate_propagation_seconds(cfg, 24, CPU) == pytest.approx(2 * (warps + flows))


def test_an_estimation_takes_each_pose(cfg_of):
    assert estimate_inference_seconds(cfg_of("single"), 7, CPU) == 7 * 2


def test_the_first_call_is_not_timed(monkeypatch):
    calls, clock = [], iter([10.0, 13.0])
    monkeypatch.setattr(time_estimate.time, "perf_counter", lambda: next(clock))
    assert time_estimate._time(lambda: calls.append(1)) == 3
    assert len(calls) == 2
