"""Run an experiment's net on the people of a test set, write PoseTrack's submission and score it."""

import logging
import sys
from pathlib import Path

import _init_paths  # noqa: F401 (first: makes lib importable)
import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from lib.config import parse_arguments
from lib.core.debug import DebugImages
from lib.core.inference import infer
from lib.core.strategies import FlipTest, Strategy, gather, single
from lib.core.submission import Rules, make_submission
from lib.dataset import TestSet, build_test_loader, build_test_set
from lib.evaluation.posetrack import evaluate_videos, format_table
from lib.formats import posetrack17, posetrack18
from lib.formats.posetrack import PoseTrackVideo
from lib.models import build_model
from lib.pose.skeletons import POSETRACK
from lib.utils.checkpoint import load_weights
from lib.utils.device import choose_device, describe, make_reproducible
from lib.utils.errors import InputError, run
from lib.utils.files import write_json
from lib.utils.logging import log_to_file, log_to_terminal

logger = logging.getLogger("test")


def main() -> None:
    log_to_terminal()
    cfg, experiment = parse_arguments(__doc__)
    if cfg.TEST.MODE == "propagate":
        raise InputError("TEST.MODE propagate: tools/test.py tests single, pair and aggregate")
    folder = Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    log = log_to_file(folder, experiment, f"test-{cfg.TEST.MODE}")
    logger.info("%s\n%s", log, cfg)
    make_reproducible(cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED)
    device = choose_device(cfg.GPUS)
    test_set = build_test_set(cfg)
    net = build_model(cfg)
    report = load_weights(net, cfg.TEST.MODEL_FILE or folder / "final_state.pth")
    logger.info("%s", report)
    report.raise_if_incomplete()

    points, peaks, replaced = estimate(cfg, net.to(device).eval(), device, test_set, folder)
    videos = make_submission(test_set.videos, test_set.clips.people, points, peaks, scoring_rules(cfg))
    predictions = folder / "predictions" / cfg.DATASET.TEST_SET
    write = posetrack17.write if cfg.DATASET.DATASET == "posetrack17" else posetrack18.write
    for video in videos:
        write(predictions / f"{video.name}.json", video)
    logger.info("submission: %d files in %s", len(videos), predictions)

    result = {
        "people": len(test_set.clips),
        "videos": len(videos),
        "replaced_frames": replaced,
        "boxes_left_out": dict(test_set.dropped),
        **score(cfg, test_set, videos),
        "versions": describe(device),
        "config": cfg.dump(),
    }
    write_json(folder / f"result-{cfg.TEST.MODE}.json", result, indent=1)


def estimate(
    cfg: CfgNode, net: nn.Module, device: torch.device, test_set: TestSet, folder: Path
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
    loader = build_test_loader(cfg, test_set.clips, cuda=device.type == "cuda")
    used = net if warps or not cfg.MODEL.WARP.ENABLED else net.pose_net
    points, peaks, replaced = [], [], 0
    interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
    with tqdm(total=len(test_set.clips), unit="person", mininterval=interval) as bar:
        for step, batch in enumerate(infer(used, loader, strategy, device, cfg.TEST.POST_PROCESS)):
            points.append(batch.points)
            peaks.append(batch.peaks)
            replaced += int(batch.clips.replaced.sum())
            bar.update(len(batch.points))
            if step % cfg.PRINT_FREQ == 0:
                logger.info("Test: [%d/%d]", step, len(loader))
                if cfg.DEBUG.DEBUG:
                    debug.write(f"{cfg.TEST.MODE}_{step}", batch, net, warps)
    if replaced:
        logger.warning("%d frames are not there or damaged; the nearest ones of their videos stood in", replaced)
    if not np.isfinite(np.concatenate(peaks)).all():
        raise InputError(f"{cfg.TEST.MODEL_FILE}: heatmaps are not finite; the weights are damaged or diverged")
    return np.concatenate(points), np.concatenate(peaks), replaced


def scoring_rules(cfg: CfgNode) -> Rules:
    """The rules of the submission that the keys under TEST say."""
    return Rules(
        times_box=cfg.TEST.JOINT_SCORE == "peak_times_box",
        oks_nms=cfg.TEST.OKS_NMS,
        soft=cfg.TEST.SOFT_NMS,
        oks_threshold=cfg.TEST.OKS_THRE,
        visible_threshold=cfg.TEST.IN_VIS_THRE,
        box_threshold=cfg.TEST.TRACKING_THRESHOLD if cfg.TEST.TRACKING else 0.0,
    )


def score(cfg: CfgNode, test_set: TestSet, videos: list[PoseTrackVideo]) -> dict[str, dict]:
    """The table, printed; empty where there is nothing to score."""
    if not cfg.TEST.EVALUATE:
        logger.info("TEST.EVALUATE is false: not scored")
        return {}
    if not test_set.scorable:
        logger.info("no labels with head boxes: nothing to score; the submission is for the benchmark's server")
        return {}
    scores = evaluate_videos(zip(test_set.videos, videos, strict=True), tracking=cfg.TEST.TRACKING)
    print(format_table(scores))
    return scores


if __name__ == "__main__":
    run(main)
