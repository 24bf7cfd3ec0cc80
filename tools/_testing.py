"""The test that tools/test.py runs, and tools/train.py after every epoch."""

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm
from yacs.config import CfgNode

from lib.core.debug import DebugImages
from lib.core.inference import Estimates, Poses, collect, infer
from lib.core.strategies import FlipTest, Strategy, average, gather, single
from lib.core.submission import Rules, make_results, make_submission
from lib.dataset import TestSet, build_data_set, build_skeleton, build_test_loader, has_videos
from lib.evaluation.files import SCORERS
from lib.evaluation.posetrack import check_truth, evaluate_videos, format_table
from lib.formats import mpii, posetrack17, posetrack18
from lib.formats.posetrack import PoseTrackVideo
from lib.models import build_model
from lib.utils.checkpoint import load_weights
from lib.utils.errors import InputError
from lib.utils.files import atomic_folder, write_json

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
        name: of the test; scorable: whether there is something to score (is_scorable).
        process: rank and number of the processes that share the work; the first alone writes and scores.
    Returns:
        the result: counts, `table`, `joints` and `score`, the figure to compare by, where there is something to score.
    """
    poses = collect(_estimate(cfg, net, device, test_set, folder, process))
    if poses.replaced:
        logger.warning("%d times a clip's frame is not there or damaged; the nearest one stood in", poses.replaced)
    if process[0] > 0:
        return {}
    result = {
        "people": len(test_set.clips),
        "videos" if has_videos(cfg.DATASET.DATASET) else "images": len(_places(test_set)),
        "replaced_frames": poses.replaced,
        "boxes_left_out": dict(test_set.dropped),
    }
    path = folder / "predictions" / name / test_set.split
    score = _score_videos if has_videos(cfg.DATASET.DATASET) else _score_images
    return result | score(cfg, test_set, poses, path, scorable)


def _places(test_set: TestSet) -> Sequence[Any]:
    """The videos, or the images of the one that stands for a data set of them."""
    return test_set.videos if test_set.truth is None else test_set.videos[0].frame_names


def _score_videos(cfg: CfgNode, test_set: TestSet, poses: Poses, path: Path, scorable: bool) -> dict[str, Any]:
    """PoseTrack's submission and its AP."""
    videos = make_submission(test_set.videos, test_set.clips.people, poses.points, poses.peaks, build_rules(cfg))
    write_submission(cfg, videos, path)
    if not scorable:
        return {}
    result = evaluate_videos(zip(test_set.videos, videos, strict=True), tracking=cfg.TEST.TRACKING)
    return result | {"score": result["table"]["Mean"]}


def _score_images(cfg: CfgNode, test_set: TestSet, poses: Poses, path: Path, scorable: bool) -> dict[str, Any]:
    """The predictions as the scorer of the data set takes them, and what it says."""
    data_set, images, people = build_data_set(cfg), test_set.videos[0], test_set.clips.people
    scorer = SCORERS[data_set.name]
    if data_set.form == "mpii":
        path = path.with_name(f"{path.name}.mat")
        points = np.full((len(images.points), *poses.points.shape[1:]), np.nan)  # of people who are left out: missed
        points[[person.row for person in people]] = poses.points
        mpii.write_predictions(path, points)
    else:
        path = path.with_name(f"{path.name}.json")
        rules = replace(build_rules(cfg), oks_nms=scorer.ranked)
        results = make_results(images, people, poses.points, poses.peaks, rules, build_skeleton(cfg).sigmas)
        write_json(path, results)
    logger.info("predictions: %s", path)
    if not scorable:
        return {}
    result = scorer.evaluate(test_set.truth, path)
    return result | {"score": result["table"][scorer.headline]}


def format_result(cfg: CfgNode, result: dict[str, Any]) -> str:
    """The table of a scored result."""
    if has_videos(cfg.DATASET.DATASET):
        return format_table(result)
    return SCORERS[build_data_set(cfg).name].format(result)


def is_scorable(cfg: CfgNode, test_set: TestSet) -> bool:
    """Whether there is something to score; what would stop the scoring in the end stops the test now."""
    if not cfg.TEST.EVALUATE:
        logger.info("TEST.EVALUATE is false: not scored")
    elif not test_set.scorable:
        lacking = "no labels, or none with what they are scored by (head boxes; MPII: gt_valid.mat beside the list)"
        logger.info("%s: nothing to score; the predictions are for the benchmark's server", lacking)
    else:
        if test_set.truth:
            _check_images(cfg, test_set)
        else:
            check_truth(test_set.videos, cfg.TEST.TRACKING)
        return True
    return False


def _check_images(cfg: CfgNode, test_set: TestSet) -> None:
    """Refuse what would stop the scoring of a data set of images."""
    scorer = SCORERS[cfg.DATASET.DATASET]
    scorer.check(test_set.truth, len(test_set.videos[0].points))
    if not scorer.ranked and any(person.row < 0 for person in test_set.clips.people):
        raise InputError(f"{cfg.DATASET.DATASET} is scored person by person: set TEST.USE_GT_BBOX True")


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
        oks_nms=cfg.TEST.OKS_NMS,
        soft=cfg.TEST.SOFT_NMS,
        oks_threshold=cfg.TEST.OKS_THRE,
        visible_threshold=cfg.TEST.IN_VIS_THRE,
        box_threshold=cfg.TEST.TRACKING_THRESHOLD if cfg.TEST.TRACKING else 0.0,
    )


def write_submission(cfg: CfgNode, videos: Sequence[PoseTrackVideo], folder: Path) -> None:
    """One file per video, in the form of the data set's year, in place of what the folder held."""
    write = posetrack17.write if cfg.DATASET.DATASET == "posetrack17" else posetrack18.write
    with atomic_folder(folder) as temporary:
        for video in videos:
            write(temporary / f"{video.name}.json", video)
    logger.info("submission: %d files in %s", len(videos), folder)
