"""Estimate the poses of people in videos, write them, and draw them: the run of tools/demo.py."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from lib.core.trained_model import build_trained_model, build_weights_path
from lib.dataset import build_skeleton
from lib.formats.tracked_poses import TrackedPose
from lib.formats.video_poses import PosesFile
from lib.frames.image_sequence import ImageSequence
from lib.frames.video_file import VideoFile
from lib.pose.skeletons import Skeleton
from lib.tracking.boxes import FindPeople, ListedBoxes, whole_frame
from lib.tracking.detector import Detector, load_detector
from lib.tracking.estimator import build_video_estimator
from lib.tracking.pose_video import VideoPart, estimate_video, identity
from lib.tracking.video_jobs import VideoJob
from lib.tracking.yolox import YoloxDetector
from lib.utils.device import choose_device, describe, make_reproducible
from lib.utils.errors import InputError
from lib.utils.onnx_file import ONNX
from lib.utils.precision import choose_precision
from lib.utils.progress import progress_bar
from lib.utils.provenance import describe_command
from lib.visualization.poses import render_poses

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VideoRunOptions:
    """Options of a run.

    Attributes:
        detector: Path to weights of a torchvision detector, or to a YOLOX in an ONNX file; None to use `boxes`.
        boxes: Path to a file of boxes; None, without a detector, to treat each whole frame as one person.
        box_score: Minimum score of a box.
        joint_score: Minimum score of a joint to draw.
        start: First frame.
        end: Frame to stop before; None for the end of the video.
        force: Accept weights that were trained with other settings.
    """

    detector: Path | None
    boxes: Path | None
    box_score: float
    joint_score: float
    start: int
    end: int | None
    force: bool


def run_videos(cfg: CfgNode, folder: Path, jobs: Sequence[VideoJob], options: VideoRunOptions) -> None:
    """Estimate the poses in videos, draw them, and print the paths of the results.

    Call the function again to resume an interrupted run. Of several videos, those that are done are left alone, and
    those that cannot be read are reported.

    Args:
        cfg: The experiment.
        folder: Folder of its results, which has the weights unless TEST.MODEL_FILE is set.
        jobs: Videos and their outputs.
        options: Options of the run.

    Raises:
        InputError: The weights or the boxes cannot be used, or a video cannot.
    """
    device = choose_device(cfg.GPUS, 0)
    # The batch size varies with the number of people, and cuDNN would benchmark its algorithms for each size.
    make_reproducible(
        cfg.SEED,
        benchmark=False,
        deterministic=cfg.CUDNN.DETERMINISTIC,
        enabled=cfg.CUDNN.ENABLED,
        allow_tf32=cfg.CUDNN.ALLOW_TF32,
    )
    net, forced = build_trained_model(cfg, folder, device, options.force)
    find = _build_finder(options, device)
    origin = _origin(options, cfg, build_weights_path(cfg, folder), device)
    failed = []
    for job in jobs:
        try:
            video = _open_video(job.video, options)
            part = VideoPart(video, max(options.start, video.begin), options.end)
            with PosesFile(job.poses, {"video": identity(job.video), **origin}) as file:
                was_finished = file.finished
                if was_finished:
                    logger.info("%s: exists already, with the same video, weights, and settings", job.poses)
                else:
                    precision = choose_precision("TEST.PRECISION", cfg.TEST.PRECISION, device)
                    info = {"forced": forced, "inference_precision": precision, **describe_command()}
                    estimate_video(build_video_estimator(cfg, net, device, find), part, file, info)
            if job.out and not (len(jobs) > 1 and was_finished and _is_newer(job.out, job.poses)):
                _render(job.out, part, file, build_skeleton(cfg), options.joint_score)
        except InputError as error:
            if len(jobs) == 1:
                raise
            logger.error("%s", error)
            failed.append(job.video.name)
            continue
        for path, what in ((job.poses, "poses and tracks"), (job.out, "the video with the poses")):
            if path:
                print(f"{path}: {what}", flush=True)
    if failed:
        raise InputError(f"{len(failed)} of {len(jobs)} videos could not be processed: {', '.join(failed)}")


def _open_video(path: Path, options: VideoRunOptions) -> VideoFile | ImageSequence:
    if not path.is_dir():
        return VideoFile(path)
    images = ImageSequence(path)
    if options.boxes and not images.is_numbered:
        raise InputError(f"{path}: --boxes needs images that are named by consecutive numbers")
    return images


def _is_newer(path: Path, other: Path) -> bool:
    return path.exists() and path.stat().st_mtime >= other.stat().st_mtime


def _origin(options: VideoRunOptions, cfg: CfgNode, weights: Path, device: torch.device) -> dict[str, Any]:
    """Return everything that the poses depend on, except for the video."""
    return {
        "start": options.start,
        "end": options.end,
        "detector": options.detector and identity(options.detector),
        "boxes": options.boxes and identity(options.boxes),
        "box_score": options.box_score,
        "weights": identity(weights),
        "versions": describe(device),
        "config": cfg.dump(),
    }


def _build_finder(options: VideoRunOptions, device: torch.device) -> FindPeople:
    """Build the function that finds people in frames."""
    if options.detector and options.detector.suffix == ONNX:
        return YoloxDetector(options.detector, device, options.box_score)
    if options.detector:
        return Detector(load_detector(options.detector, device), device, options.box_score)
    return ListedBoxes(options.boxes, options.box_score) if options.boxes else whole_frame


def _render(out: Path, part: VideoPart, file: PosesFile, skeleton: Skeleton, joint_score: float) -> None:
    """Draw the poses of the file on the frames."""
    people = file.people()
    number, poses = next(people, (None, []))

    def poses_of(frame: int) -> Sequence[TrackedPose]:
        nonlocal number, poses
        found = poses if frame == number else []
        if frame == number:
            number, poses = next(people, (None, []))
        return found

    video = part.video
    frames = takewhile(lambda pair: part.end is None or pair[0] < part.end, video.frames(part.start))
    shown = progress_bar(None, "frame", iterable=frames, desc="drawn")
    render_poses(out, video.size, video.fps, frames=shown, poses=poses_of, skeleton=skeleton, min_score=joint_score)
