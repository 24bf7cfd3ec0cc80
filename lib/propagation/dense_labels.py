"""Labels of some frames of a custom video, propagated to all others."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn
from yacs.config import CfgNode

from lib.core.run import Run
from lib.dataset import build_skeleton, build_sparse_labels, build_truth
from lib.dataset.propagated_labels import PROPAGATED_BY
from lib.evaluation.propagation import compare_tracks
from lib.formats.coco import AddedPose, add_poses, labeled_images, read_labels
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import build_propagator
from lib.propagation.targets import around, distances, missing, reachable_ground_truth
from lib.utils.errors import InputError
from lib.utils.files import frame_number


@dataclass(frozen=True)
class DenseLabels:
    """Labels of all frames of a video.

    Attributes:
        content: A COCO-style file's content.
        num_propagated: Number of poses that were propagated.
        errors: Against hidden labels, `tracks_by_distance` and `tracks_by_joint`; None: there are none.
    """

    content: dict[str, Any]
    num_propagated: int
    errors: dict[str, Any] | None


def build_dense_labels(
    cfg: CfgNode, options: PropagationOptions, run: Run, net: nn.Module | None, fill: bool
) -> DenseLabels:
    """Propagate the labels of DATASET.TRAIN_ANNOTATIONS to all frames of their video that have none.

    What was propagated between two labels is kept in the run's folder.

    Args:
        cfg: The experiment. DATASET.TEST_ANNOTATIONS names hidden labels to compare with.
        options: Methods and their settings.
        run: Folder, device and processes.
        net: The experiment's PoseWarper; None if `options` need no net.
        fill: Also propagate to labeled frames the people and joints that they lack.

    Raises:
        InputError: Every frame is labeled, or the labels cannot be read.
    """
    labels = build_sparse_labels(cfg)
    content = read_labels(labels.path)
    numbers = {video: frames.numbers for video, frames in labels.frames.items()}
    if fill:
        targets = missing(labels.people, numbers)
    else:
        labeled = labeled_images(content)
        known = {frame_number(image["file_name"]) for image in content["images"] if image["id"] in labeled}
        wanted = ((video, number) for video, own in numbers.items() for number in own if number not in known)
        targets = around(labels.people, wanted)
    if not targets:
        raise InputError(f"{labels.path}: every frame is labeled")
    propagator = build_propagator(cfg, options, labels.frames, net, run.device, run.process)
    poses = propagator.propagate_cached(labels.people, targets, run.folder)
    skeleton, added = build_skeleton(cfg), []
    sources = propagator.joint_sources(labels.people, targets)
    disagreement = np.full(poses.scores.shape, np.nan) if poses.disagreement is None else poses.disagreement
    for row, target in enumerate(targets):
        person = labels.people[target.person]
        frames = labels.frames[person.video]
        names = frames.name(target.number), frames.name(person.number)
        values = poses.joints[row], poses.scores[row], skeleton.names, sources[row], disagreement[row]
        added.append(AddedPose(*names, person.track, *values))
    info = {PROPAGATED_BY: options.name, **run.describe()}
    del info["seconds"]  # the same labels make the same file
    dense = add_poses(content, added, info)
    errors = None
    if cfg.DATASET.TEST_ANNOTATIONS:
        truth = reachable_ground_truth(build_truth(cfg), labels.people, targets)
        people = [replace(labels.people[target.person], number=target.number) for target in targets]
        errors = compare_tracks(people, poses.joints, distances(labels.people, targets), truth, skeleton.names)
    return DenseLabels(dense, len(added), errors)
