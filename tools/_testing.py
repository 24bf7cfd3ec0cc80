"""The test that tools/test.py runs, and tools/train.py after every epoch."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm
from yacs.config import CfgNode

from lib.core.debug import DebugImages
from lib.core.inference import Estimates, collect, infer
from lib.core.strategies import FlipTest, Strategy, average, gather, single
from lib.core.submission import Rules, make_submission, write_results
from lib.dataset import POSETRACK, TestSet, build_data_set, build_skeleton, build_test_loader, has_videos
from lib.evaluation.scoring import is_ranked, is_scorable, score_files, score_videos
from lib.formats.posetrack_set import write_videos
from lib.models import build_model
from lib.utils.checkpoint import load_weights
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

STRATEGIES: dict[str, Strategy] = {"single": single, "pair": gather, "aggregate": gather, "average": average}


def load_net(cfg: CfgNode, folder: Path, device: torch.device) -> nn.Module:
    """The experiment's net with TEST.MODEL_FILE, or what training left in `folder`, on `device`, in eval mode.

    Raises:
        InputError: no such file, or weights that are not this net's.
    """
    net = build_model(cfg).to(device, memory_format=torch.channels_last)
    weights = Path(cfg.TEST.MODEL_FILE or folder / "final_state.pth")
    if not cfg.TEST.MODEL_FILE and not weights.exists():
        raise InputError(f"TEST.MODEL_FILE is not set, and {weights}, which training leaves, is not there")
    report = load_weights(net, weights)
    logger.info("%s", report)
    report.raise_if_incomplete()
    return net.eval()


def choose_strategy(cfg: CfgNode, strategy: Strategy) -> Strategy:
    """The strategy, on the mirror image too if TEST.FLIP_TEST says so."""
    if not cfg.TEST.FLIP_TEST:
        return strategy
    return FlipTest(strategy, build_skeleton(cfg).flip_order, cfg.TEST.SHIFT_HEATMAP)


def dark_sigma(cfg: CfgNode) -> float:
    """What decoding has to know of the targets, in cells: 0 without TEST.DARK, which is part of UDP."""
    return float(cfg.MODEL.SIGMA) if cfg.TEST.DARK or cfg.MODEL.TARGET_TYPE == "udp" else 0.0


def run_test(
    cfg: CfgNode,
    net: nn.Module,
    device: torch.device,
    test_set: TestSet,
    folder: Path,
    process: tuple[int, int],
    name: str,
    scorable: bool,
) -> dict[str, Any]:
    """Estimate everybody, write what is submitted, in `predictions/<name>/`, and score it.

    Args:
        net: on `device`, in eval mode.
        folder: for the submission, and for pictures, in `debug/`.
        name: of the test; scorable: whether it is scored (will_score).
        process: rank and number of the processes that share the work; the first alone writes and scores.
    Returns:
        the result: counts, `table`, `joints` and `score`, the figure to compare by, where there is something to score.
    """
    poses = collect(_estimate(cfg, net, device, test_set, folder, process))
    if poses.replaced:
        logger.warning("%d times a clip's frame is not there or damaged; the nearest one stood in", poses.replaced)
    if process[0] > 0:
        return {}
    videos = test_set.videos
    places = {"videos": len(videos)} if has_videos(cfg.DATASET.DATASET) else {"images": len(videos[0].frame_names)}
    result = {
        "people": len(test_set.clips),
        **places,
        "replaced_frames": poses.replaced,
        "boxes_left_out": dict(test_set.dropped),
    }
    path = folder / "predictions" / name / test_set.split
    people, rules = test_set.clips.people, build_rules(cfg)
    if cfg.DATASET.DATASET in POSETRACK:
        videos = make_submission(test_set.videos, people, poses.points, poses.peaks, rules)
        write_videos(path, videos, cfg.DATASET.DATASET)
        return result | (score_videos(test_set.videos, videos, cfg.TEST.TRACKING) if scorable else {})
    sigmas = build_skeleton(cfg).sigmas
    written = write_results(
        path, build_data_set(cfg), test_set.videos, people, poses.points, poses.peaks, rules, sigmas
    )
    return result | (score_files(cfg.DATASET.DATASET, test_set.truth, written) if scorable else {})


def will_score(cfg: CfgNode, test_set: TestSet) -> bool:
    """Whether a test is to be scored and can be."""
    if not cfg.TEST.EVALUATE:
        logger.info("TEST.EVALUATE is false: not scored")
        return False
    return is_scorable(cfg.DATASET.DATASET, test_set, cfg.TEST.TRACKING)


def _estimate(
    cfg: CfgNode, net: nn.Module, device: torch.device, test_set: TestSet, folder: Path, process: tuple[int, int]
) -> Iterator[Estimates]:
    """The batches of this process, with progress and pictures."""
    strategy = choose_strategy(cfg, STRATEGIES[cfg.TEST.MODE])
    debug = DebugImages(
        folder / "debug",
        build_skeleton(cfg),
        labels=cfg.DEBUG.SAVE_BATCH_IMAGES_GT,
        poses=cfg.DEBUG.SAVE_BATCH_IMAGES_PRED,
        targets=cfg.DEBUG.SAVE_HEATMAPS_GT,
        heatmaps=cfg.DEBUG.SAVE_HEATMAPS_PRED,
        rgb=cfg.DATASET.COLOR_RGB,
        udp=test_set.clips.udp,
    )
    rank, _ = process
    loader = build_test_loader(cfg, test_set.clips, process, cuda=device.type == "cuda")
    used = net.pose_net if cfg.TEST.MODE == "single" and cfg.MODEL.WARP.ENABLED else net
    interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
    progress = tqdm(total=len(loader.sampler), unit="person", mininterval=interval, disable=rank > 0)
    with progress as bar, logging_redirect_tqdm():
        for step, batch in enumerate(infer(used, loader, strategy, device, cfg.TEST.POST_PROCESS, dark_sigma(cfg))):
            yield batch
            bar.update(len(batch.points))
            if step % cfg.PRINT_FREQ == 0 and rank == 0:
                logger.info("Test: [%d/%d]", step, len(loader))
                if cfg.DEBUG.DEBUG:
                    debug.write(f"{cfg.TEST.MODE}_{step}", batch, net, STRATEGIES[cfg.TEST.MODE] is gather)


def build_rules(cfg: CfgNode) -> Rules:
    """How TEST makes a submission."""
    return Rules(
        times_box=cfg.TEST.JOINT_SCORE == "peak_times_box",
        oks_nms=cfg.TEST.OKS_NMS and is_ranked(cfg.DATASET.DATASET),
        soft=cfg.TEST.SOFT_NMS,
        oks_threshold=cfg.TEST.OKS_THRE,
        visible_threshold=cfg.TEST.IN_VIS_THRE,
        box_threshold=cfg.TEST.TRACKING_THRESHOLD if cfg.TEST.TRACKING else 0.0,
    )
