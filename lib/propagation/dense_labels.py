"""Labels of some frames of a custom video, propagated to all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn
from yacs.config import CfgNode

from lib.core.run import Run
from lib.dataset import build_skeleton, build_sparse_labels, build_truth
from lib.dataset.people import Person
from lib.evaluation.propagation import compare_tracks
from lib.formats.added_poses import AddedPose, add_poses
from lib.formats.coco import (
    EXIF_ORIENTATION,
    OPEN_JOINTS,
    PROBABILITY,
    PROPAGATED_BY,
    SCORES,
    complete_images,
    read_labels,
)
from lib.formats.posetrack18 import keypoint_category
from lib.frames.video import FrameFolder
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import build_propagator, video_folders
from lib.propagation.targets import (
    PropagatedPoses,
    Target,
    dense_targets,
    distances,
    join_joints,
    reachable_ground_truth,
)
from lib.utils.errors import InputError
from lib.utils.files import frame_number


@dataclass(frozen=True)
class DenseLabels:
    """Labels of all frames of a video.

    Attributes:
        content: Content of a COCO-style file.
        num_propagated: Number of propagated poses.
        errors: Errors on hidden labels, `tracks_by_distance` and `tracks_by_joint`; None without hidden labels.
    """

    content: dict[str, Any]
    num_propagated: int
    errors: dict[str, Any] | None


def propagate_dense(
    cfg: CfgNode, options: PropagationOptions, run: Run, net: nn.Module | None, *, fill: bool
) -> DenseLabels:
    """Propagate the labels of DATASET.TRAIN_ANNOTATIONS to all unlabeled frames of their video.

    Propagated segments are cached in the run's folder.

    Args:
        cfg: The experiment. DATASET.TEST_ANNOTATIONS names hidden labels to compare with.
        options: Methods and their settings.
        run: Folder, device and processes.
        net: The experiment's PoseWarper; None if `options` need no net.
        fill: Also propagate people and joints that labeled frames lack.

    Raises:
        InputError: Every frame is labeled, or the labels cannot be read.
    """
    labels = build_sparse_labels(cfg)
    content = read_labels(labels.path)
    people = with_open_joints(labels.people, content, fill)
    folders = video_folders(labels)
    numbers = {video: folder.numbers for video, folder in folders.items()}
    complete = set() if fill else complete_frames(content)
    targets = dense_targets(people, numbers, dict.fromkeys(numbers, complete))
    if not targets:
        raise InputError(f"{labels.path}: every frame is labeled; there is nothing to propagate to")
    propagator = build_propagator(cfg, options, folders, net=net, device=run.device, process=run.process)
    stamps = [frames.stamp() for frames in folders.values()]
    poses = propagator.propagate_cached(people, targets, run.folder, stamps)
    skeleton = build_skeleton(cfg)
    targets, poses, sources = join_joints(people, targets, poses, propagator.joint_sources(people, targets))
    added = _added_poses(folders, people, targets, poses, names=skeleton.names, sources=sources)
    info = {PROPAGATED_BY: options.name, EXIF_ORIENTATION: cfg.DATASET.EXIF_ORIENTATION, **run.describe()}
    del info["seconds"]  # the same labels make the same file
    info[SCORES] = PROBABILITY if options.score_probabilities else None
    dense = add_poses(content, added, info)
    errors = None
    if cfg.DATASET.TEST_ANNOTATIONS:
        truth = reachable_ground_truth(build_truth(cfg), people, targets)
        found = [replace(people[target.person], number=target.number) for target in targets]
        errors = compare_tracks(found, poses.joints, distances(people, targets), truth, skeleton.names)
    return DenseLabels(dense, len(added), errors)


def with_open_joints(people: Sequence[Person], content: dict[str, Any], fill: bool) -> list[Person]:
    """Return the labeled people of a file with the joints that their labels leave open.

    Args:
        people: Labeled people.
        content: The content of the file, from `read_labels`.
        fill: All joints that are not labeled are open.
    """
    names: list[str] = keypoint_category(content)["keypoints"]
    number_of = {image["id"]: frame_number(image["file_name"]) for image in content["images"]}
    open_names = {
        (number_of[person["image_id"]], person.get("track_id", -1)): person.get(OPEN_JOINTS, ())
        for person in content["annotations"]
    }
    result = []
    for person in people:
        if fill:
            joints = np.flatnonzero(~person.labeled).tolist()
        else:
            joints = [names.index(name) for name in open_names.get((person.number, person.track), ())]
        result.append(replace(person, open_joints=tuple(joints)))
    return result


def complete_frames(content: dict[str, Any]) -> set[int]:
    """Return the numbers of the frames that were labeled as a whole, not joint by joint.

    Args:
        content: The content of a file, from `read_labels`.
    """
    complete = complete_images(content)
    numbers = (frame_number(image["file_name"]) for image in content["images"] if image["id"] in complete)
    return {number for number in numbers if number is not None}


def _added_poses(
    folders: Mapping[int, FrameFolder],
    people: Sequence[Person],
    targets: Sequence[Target],
    poses: PropagatedPoses,
    *,
    names: Sequence[str],
    sources: Sequence[Sequence[Sequence[int]]],
) -> list[AddedPose]:
    """Return the propagated poses as they are added to a COCO-style file."""
    disagreement = np.full(poses.scores.shape, np.nan) if poses.disagreement is None else poses.disagreement
    added = []
    for row, target in enumerate(targets):
        person = people[target.person]
        folder = folders[person.video]
        added.append(
            AddedPose(
                file_name=folder.name(target.number),
                source=folder.name(person.number),
                track=person.track,
                joints=poses.joints[row],
                scores=poses.scores[row],
                names=names,
                sources=sources[row],
                disagreement=disagreement[row],
            )
        )
    return added
