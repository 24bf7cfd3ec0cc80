"""Data augmentation: labels of the sparse training set, propagated to the frames around them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from lib.core.run import Run
from lib.dataset.propagated_labels import REACH, Propagated, augmented_content, frames_around
from lib.dataset.training_set import SparseLabels
from lib.formats.coco import PROPAGATED_BY
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import build_propagator, video_folders
from lib.propagation.targets import nearest
from lib.utils.errors import InputError


def build_augmented_labels(
    cfg: CfgNode, labels: SparseLabels, options: PropagationOptions, run: Run, net: nn.Module | None
) -> dict[str, Any]:
    """Return the content of a COCO-style file with sparse and propagated labels (paper, data augmentation).

    Args:
        cfg: The experiment.
        labels: The sparse labels.
        options: Methods and their settings.
        run: Device and processes.
        net: The experiment's PoseWarper; None if `options` need no net.

    Raises:
        InputError: No frame exists around the labeled ones, or the labels are of images.
    """
    frames = video_folders(labels)
    targets = nearest(labels.people, frames_around(labels.people, frames))
    if not targets:
        raise InputError(f"{labels.path}: no frames within {REACH} frames of a labeled one")
    propagator = build_propagator(cfg, options, frames, net, run.device, run.process)
    poses = propagator.propagate(labels.people, targets)
    people = [replace(labels.people[target.person], number=target.number) for target in targets]
    info = {
        "description": "PoseTrack: sparse and propagated labels",
        "annotations": str(labels.path),
        "num_videos": cfg.DATASET.NUM_LABELED_VIDEOS,
        "num_frames": cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO,
        "seed": cfg.SEED,
        PROPAGATED_BY: options.name,
    }
    propagated = Propagated(people, poses.joints, poses.scores)
    return augmented_content(labels.videos, labels.people, propagated, frames, info)


def build_augmented_path(cfg: CfgNode, labels: SparseLabels) -> Path:
    """Return the default path of the sparse and propagated labels, in the folder of the labels.

    The first PoseWarper code gives its file the same name.

    Args:
        cfg: The experiment.
        labels: The sparse labels.
    """
    frames, videos = cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO, cfg.DATASET.NUM_LABELED_VIDEOS
    some_videos = f"_V{videos}_videos" if videos >= 0 else ""
    name = f"posetrack_train{f'_N{frames}_per_video{some_videos}' if frames >= 0 else ''}_wPseudoGT.json"
    return labels.path.parent / name
