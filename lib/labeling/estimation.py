"""Estimation of every frame of a video file with a trained net."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from lib.core.run import build_run
from lib.core.trained_model import build_trained_model, build_weights_path
from lib.formats.video_poses import PosesFile
from lib.frames.video_file import VideoFile
from lib.tracking.boxes import FindPeople
from lib.tracking.estimator import build_video_estimator
from lib.tracking.pose_video import VideoPart, estimate_video, identity
from lib.utils.files import read_json
from lib.utils.progress import RunProgress


def build_estimates(
    cfg: CfgNode,
    experiment: str,
    video: Path,
    path: Path,
    *,
    progress: RunProgress,
    build_finder: Callable[[nn.Module, torch.device], FindPeople],
) -> dict[str, Any]:
    """Return COCO-style labels of every frame of a video file. Call the function again to resume an interrupted run.

    Args:
        cfg: The experiment.
        experiment: Name of the experiment.
        video: Video file.
        path: File to write the labels to.
        progress: Progress of the run, of which this is the next stage.
        build_finder: Builds the function that finds individuals in frames, from the net and its device.

    Raises:
        InputError: The weights or the video cannot be used.
    """
    with build_run(cfg, experiment, "estimate") as run:
        weights = build_weights_path(cfg, run.folder)
        made_with = {"video": identity(video), "weights": identity(weights), "config": cfg.dump()}
        with PosesFile(path, made_with) as file:
            progress.begin("Estimate each frame of the video.", path if file.finished else None)
            if not file.finished:
                net, forced = build_trained_model(cfg, run.folder, run.device)
                estimator = build_video_estimator(cfg, net, run.device, build_finder(net, run.device))
                estimate_video(estimator, VideoPart(VideoFile(video)), file, run.describe(forced))
    content: dict[str, Any] = read_json(path)
    return content
