"""The test that tools/test.py runs, and tools/train.py after every epoch."""

import argparse
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

from lib.config import named_files
from lib.config.changes import (
    Changes,
    changes_of_training,
    changes_of_weights,
    check_weights,
    crop_size,
    format_changes,
)
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
from lib.utils.files import check_writable, refuse_inside

logger = logging.getLogger(__name__)

STRATEGIES: dict[str, Strategy] = {"single": single, "pair": gather, "aggregate": gather, "average": average}


def add_force(parser: argparse.ArgumentParser) -> None:
    """The option of all tools that go on with something that has a configuration of its own."""
    parser.add_argument(
        "--force", action="store_true", help="use weights or a checkpoint although their settings were other ones"
    )


def load_net(cfg: CfgNode, folder: Path, device: torch.device, force: bool = False) -> tuple[nn.Module, Changes]:
    """The experiment's net with TEST.MODEL_FILE, or what training left in `folder`, on `device`, in eval mode.

    Args:
        force: accept weights that were trained with other settings.
    Returns:
        the net, and these settings, for the result.
    Raises:
        InputError: no such file, or weights that are not this net's.
    """
    weights = Path(cfg.TEST.MODEL_FILE or folder / "final_state.pth")
    if not weights.exists():
        if cfg.TEST.MODEL_FILE:
            raise InputError(f"TEST.MODEL_FILE: {weights} is not there")
        raise InputError(f"TEST.MODEL_FILE is not set, and {weights}, which training leaves, is not there")
    net = build_model(cfg).to(device, memory_format=torch.channels_last)
    report = load_weights(net, weights)
    logger.info("%s", report)
    report.raise_if_incomplete()
    changes = changes_of_weights(report.training, cfg, build_skeleton(cfg).names)
    check_weights(changes, weights, force)
    if changes:
        logger.warning("--force: in the training of %s %s", weights, format_changes(changes))
    if not cfg.TEST.MODEL_FILE and (other := changes_of_training(report.training, cfg)):
        logger.warning("%s: the net stays as it was trained, though %s", weights, format_changes(other))
    size = crop_size(report.training)
    if size and size != cfg.MODEL.IMAGE_SIZE:
        logger.warning("%s was trained on crops of %s, and MODEL.IMAGE_SIZE is %s", weights, size, cfg.MODEL.IMAGE_SIZE)
    return net.eval(), changes


def check_predictions(cfg: CfgNode, folder: Path) -> None:
    """Refuse a folder of predictions if replacing it would take somebody's file.

    Raises:
        InputError: it holds a file that the experiment reads, or one that no test writes.
        OSError: it cannot be written to.
    """
    refuse_inside(named_files(cfg), folder, f"{folder} is for what this run predicts")
    for path in folder.rglob("*"):
        if path.suffix not in (".json", ".mat") and not path.is_dir():
            raise InputError(f"{path}: not a file of predictions; move it away: this run replaces what is in {folder}")
    check_writable(folder)


def choose_strategy(cfg: CfgNode, strategy: Strategy) -> Strategy:
    """The strategy, on the mirror image too if TEST.FLIP_TEST says so."""
    if not cfg.TEST.FLIP_TEST:
        return strategy
    return FlipTest(strategy, build_skeleton(cfg).flip_order, cfg.TEST.SHIFT_HEATMAP)


def decoding(cfg: CfgNode) -> dict[str, Any]:
    """Return the keywords of lib.core.inference.infer that place joints within cells. DARK is part of UDP."""
    is_dark = cfg.TEST.DARK or cfg.MODEL.TARGET_TYPE == "udp"
    return {
        "post_process": cfg.TEST.POST_PROCESS,
        "dark_sigma": float(cfg.MODEL.SIGMA) if is_dark else 0.0,
        "per_axis": cfg.TEST.POST_PROCESS_PER_AXIS,
    }


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
        return result | (score_videos(test_set.videos, videos) if scorable else {})
    sigmas = build_skeleton(cfg).sigmas
    written = write_results(
        path, build_data_set(cfg), test_set.videos, people, poses.points, poses.peaks, rules, sigmas
    )
    if not scorable:
        return result
    return result | score_files(cfg.DATASET.DATASET, test_set.truth, written, cfg.TEST.SIGMA_SCALE)


def will_score(cfg: CfgNode, test_set: TestSet) -> bool:
    """Whether a test is to be scored and can be."""
    if not cfg.TEST.EVALUATE:
        logger.info("TEST.EVALUATE is false: not scored")
        return False
    return is_scorable(cfg.DATASET.DATASET, test_set)


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
        for step, batch in enumerate(infer(used, loader, strategy, device, **decoding(cfg))):
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
        rescore=cfg.TEST.RESCORE and is_ranked(cfg.DATASET.DATASET),
        oks_nms=cfg.TEST.OKS_NMS and is_ranked(cfg.DATASET.DATASET),
        soft=cfg.TEST.SOFT_NMS,
        oks_threshold=cfg.TEST.OKS_THRE,
        sigma_scale=cfg.TEST.SIGMA_SCALE,
        visible_threshold=cfg.TEST.IN_VIS_THRE,
    )
