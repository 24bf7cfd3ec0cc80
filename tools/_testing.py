"""The test on PoseTrack that tools/test.py runs, and tools/train.py after every epoch."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from lib.core.debug import DebugImages
from lib.core.inference import infer
from lib.core.strategies import FlipTest, Strategy, gather, single
from lib.core.submission import Rules, make_submission
from lib.dataset import TestSet, build_test_loader
from lib.evaluation.posetrack import evaluate_videos
from lib.formats.posetrack import PoseTrackVideo
from lib.pose.skeletons import POSETRACK
from lib.utils import distributed
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


def run_test(
    cfg: CfgNode, net: nn.Module, device: torch.device, test_set: TestSet, folder: Path, process: tuple[int, int]
) -> tuple[list[PoseTrackVideo], dict[str, Any]]:
    """Estimate everybody and score it.

    Args:
        net: on `device`, in eval mode.
        folder: for pictures, in `debug/`.
        process: rank and number of the processes that share the work.
    Returns:
        the submission, and the result: counts, `table` and `joints` where there is something to score.
    """
    points, peaks, replaced = _estimate(cfg, net, device, test_set, folder, process)
    videos = make_submission(test_set.videos, test_set.clips.people, points, peaks, _rules(cfg))
    counts = {
        "people": len(test_set.clips),
        "videos": len(videos),
        "replaced_frames": replaced,
        "boxes_left_out": dict(test_set.dropped),
    }
    return videos, {**counts, **_score(cfg, test_set, videos)}


def _estimate(
    cfg: CfgNode, net: nn.Module, device: torch.device, test_set: TestSet, folder: Path, process: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Points (P, J, 2) in image pixels and peaks (P, J) of all people, and how many frames were replaced."""
    warps = cfg.TEST.MODE != "single"
    strategy: Strategy = gather if warps else single
    if cfg.TEST.FLIP_TEST:
        strategy = FlipTest(strategy, POSETRACK.flip_order, cfg.TEST.SHIFT_HEATMAP)
    debug = DebugImages(
        folder / "debug",
        labels=cfg.DEBUG.SAVE_BATCH_IMAGES_GT,
        poses=cfg.DEBUG.SAVE_BATCH_IMAGES_PRED,
        targets=cfg.DEBUG.SAVE_HEATMAPS_GT,
        heatmaps=cfg.DEBUG.SAVE_HEATMAPS_PRED,
        rgb=cfg.DATASET.COLOR_RGB,
    )
    rank, _ = process
    loader = build_test_loader(cfg, test_set.clips, process, cuda=device.type == "cuda")
    used = net if warps or not cfg.MODEL.WARP.ENABLED else net.pose_net
    parts, replaced = [], 0
    interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
    with tqdm(total=len(loader.sampler), unit="person", mininterval=interval, disable=rank > 0) as bar:
        for step, batch in enumerate(infer(used, loader, strategy, device, cfg.TEST.POST_PROCESS)):
            parts.append((batch.clips.index.numpy(), batch.points, batch.peaks))
            replaced += int(batch.clips.replaced.sum())
            bar.update(len(batch.points))
            if step % cfg.PRINT_FREQ == 0 and rank == 0:
                logger.info("Test: [%d/%d]", step, len(loader))
                if cfg.DEBUG.DEBUG:
                    debug.write(f"{cfg.TEST.MODE}_{step}", batch, net, warps)
    return _collect(distributed.gather((parts, replaced)), len(test_set.clips))


def _collect(shares: Sequence[tuple[list, int]], count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The people of all processes, in order."""
    index, points, peaks = (
        np.concatenate(arrays) for arrays in zip(*(part for parts, _ in shares for part in parts), strict=True)
    )
    if not np.isfinite(peaks).all():
        raise InputError("the net's heatmaps are not finite: the weights have diverged")
    order = np.unique(index, return_index=True)[1]
    assert len(order) == count
    replaced = sum(number for _, number in shares)
    if replaced:
        logger.warning("%d frames are not there or damaged; the nearest ones of their videos stood in", replaced)
    return points[order], peaks[order], replaced


def _rules(cfg: CfgNode) -> Rules:
    return Rules(
        times_box=cfg.TEST.JOINT_SCORE == "peak_times_box",
        oks_nms=cfg.TEST.OKS_NMS,
        soft=cfg.TEST.SOFT_NMS,
        oks_threshold=cfg.TEST.OKS_THRE,
        visible_threshold=cfg.TEST.IN_VIS_THRE,
        box_threshold=cfg.TEST.TRACKING_THRESHOLD if cfg.TEST.TRACKING else 0.0,
    )


def _score(cfg: CfgNode, test_set: TestSet, videos: list[PoseTrackVideo]) -> dict[str, dict]:
    """The scores; none where there is nothing to score."""
    if not cfg.TEST.EVALUATE:
        logger.info("TEST.EVALUATE is false: not scored")
        return {}
    if not test_set.scorable:
        logger.info("no labels with head boxes: nothing to score; the submission is for the benchmark's server")
        return {}
    return evaluate_videos(zip(test_set.videos, videos, strict=True), tracking=cfg.TEST.TRACKING)
