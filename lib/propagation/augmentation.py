"""Data augmentation: labels of the sparse training set, propagated to the frames around them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from lib.core.run import Run, build_run
from lib.core.trained_model import build_trained_model, build_weights_path
from lib.dataset import build_sparse_labels
from lib.dataset.propagated_labels import REACH, Propagated, augmented_content, frames_around
from lib.dataset.training_set import SparseLabels
from lib.formats.coco import PROPAGATED_BY
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import build_options, build_propagator, video_folders
from lib.propagation.targets import nearest_targets
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, refuse_inputs, write_json
from lib.utils.label_files import sparse_file_name


def run_augmentation(
    cfg: CfgNode, experiment: str, methods: PropagationOptions, out: Path | None, *, force: bool = False
) -> None:
    """Propagate the labels of the sparse training set to the frames around them, and write both as training labels.

    Args:
        cfg: The experiment.
        experiment: Name of the experiment.
        methods: Methods that carry labels to other frames.
        out: Path to the file to write; None for `augmented_path`.
        force: Accept weights that were trained with other settings.

    Raises:
        InputError: Labels or weights are missing or broken, or a file of another origin would be replaced.
    """
    options = build_options(cfg, methods)
    with build_run(cfg, experiment, f"propagate-{options.name}") as run:
        if options.needs_net:
            build_weights_path(cfg, run.folder)  # raises, before data are read
        labels = build_sparse_labels(cfg)  # before the net: missing files are reported at once
        path = out or augmented_path(cfg, labels)
        refuse_inputs([("--out", path)], [("the labels", labels.path)])
        if not out and run.is_main_process:
            claim_outputs([("--out", path)])
        use_net = options.needs_net
        net, forced = build_trained_model(cfg, run.folder, run.device, force) if use_net else (None, {})
        content = augment_labels(cfg, labels, options, run, net)
        if not run.is_main_process:
            return
        content["info"] |= run.describe(forced)
        write_json(path, content)
    propagated = sum("propagated_from" in person for person in content["annotations"])
    frames, people = len(content["images"]), len(content["annotations"])
    print(f"{path}: {frames} frames, {people} people, {propagated} of them propagated")


def augment_labels(
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
    targets = nearest_targets(labels.people, frames_around(labels.people, frames))
    if not targets:
        raise InputError(f"{labels.path}: no frames within {REACH} frames of a labeled one")
    propagator = build_propagator(cfg, options, frames, net=net, device=run.device, process=run.process)
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


def augmented_path(cfg: CfgNode, labels: SparseLabels) -> Path:
    """Return the default path of the sparse and propagated labels, in the folder of the labels.

    The first PoseWarper code gives its file the same name.

    Args:
        cfg: The experiment.
        labels: The sparse labels.
    """
    data = cfg.DATASET
    name = sparse_file_name(data.NUM_LABELED_FRAMES_PER_VIDEO, data.NUM_LABELED_VIDEOS, propagated=True)
    return labels.path.parent / name
