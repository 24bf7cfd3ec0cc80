"""Estimate of the duration of a run on this machine, from a few timed steps."""

import math
import time
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from yacs.config import CfgNode

from lib.core.report import EpochReport
from lib.core.step import build_step
from lib.core.strategies import scatter, single
from lib.core.trainer import build_trainer
from lib.dataset.clips import Clips
from lib.models import PoseWarper, build_model
from lib.models.inference import build_inference_form
from lib.pose.pixels import normalize
from lib.propagation import flow
from lib.utils.cores import num_cores

SIDES = 2
"""Number of labels that each pose is propagated from: one before and one after."""
MEASURING = "Measuring the speed of this machine …"
"""Line to print before these functions, which take some seconds."""
CLIPS = 4
"""Number of clips in the timed batch of propagation."""


def estimate_training_seconds(cfg: CfgNode, num_clips: int, device: torch.device) -> float:
    """Return the estimated duration of a training.

    Args:
        cfg: The experiment of the training.
        num_clips: Number of clips in an epoch.
        device: Device to train on.
    """
    step = build_step(cfg, build_trainer(cfg, device), device)
    step.net.train()
    size = cfg.TRAIN.BATCH_SIZE_PER_GPU
    batch = _blank_clips(cfg, size, 2 if cfg.MODEL.WARP.ENABLED else 1)
    seconds = _time(lambda: step([batch], EpochReport()))
    return cfg.TRAIN.END_EPOCH * math.ceil(num_clips / size) * seconds


def estimate_propagation_seconds(cfg: CfgNode, num_poses: int, device: torch.device) -> float:
    """Return the estimated duration of the propagation of poses by the warp and dense flow, from both sides.

    Args:
        cfg: The experiment.
        num_poses: Number of poses to propagate.
        device: Device of the net.
    """
    net = cast(PoseWarper, build_inference_form(cfg, build_model(cfg).to(device), device))
    hop = cfg.TEST.PROPAGATE.HOP
    batch = _blank_clips(cfg, CLIPS, hop + 1)
    width, height = cfg.MODEL.IMAGE_SIZE
    image = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    corners = np.array([[0, 0], [width - 1, height - 1]])

    @torch.inference_mode()
    def warp() -> None:
        scatter(net, normalize(batch.frames.to(device)), batch.targets.to(device)).cpu()

    warps = SIDES * num_poses / hop / CLIPS * _time(warp)
    return warps + SIDES * num_poses / num_cores() * _time(lambda: flow.dis(image, image, corners))


def estimate_inference_seconds(cfg: CfgNode, num_poses: int, device: torch.device) -> float:
    """Return the estimated duration of the estimation of poses in single frames.

    Args:
        cfg: The experiment.
        num_poses: Number of poses to estimate.
        device: Device of the net.
    """
    net = build_inference_form(cfg, build_model(cfg).to(device), device)
    frames = _blank_clips(cfg, 1, 1).frames

    @torch.inference_mode()
    def estimate() -> None:
        single(net, normalize(frames.to(device)), torch.empty(0)).cpu()

    return num_poses * _time(estimate)


def _time(run: Callable[[], object]) -> float:
    """Return the seconds that the second of two calls takes."""
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _blank_clips(cfg: CfgNode, size: int, num_frames: int) -> Clips:
    width, height = cfg.MODEL.IMAGE_SIZE
    columns, rows = cfg.MODEL.HEATMAP_SIZE
    return Clips(
        frames=torch.zeros(size, num_frames, height, width, 3, dtype=torch.uint8),
        targets=torch.zeros(size, cfg.MODEL.NUM_JOINTS, rows, columns),
        target_weights=torch.ones(size, cfg.MODEL.NUM_JOINTS, 1),
        index=torch.arange(size),
        replaced=torch.zeros(size, dtype=torch.int64),
        crops=torch.zeros(size, num_frames, dtype=torch.int64),
        damaged=torch.zeros(size, dtype=torch.int64),
        moves=torch.tensor([1.0, 0.0]).expand(size, num_frames, 2, 2),
    )
