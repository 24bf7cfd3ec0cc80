"""Assignment of predicted poses to people, for data sets in which each person has one pose."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from lib.formats.coco_people import LabeledPeople, PredictedPeople
from lib.utils.errors import InputError


def assign_poses(truth: LabeledPeople, predicted: PredictedPeople, path: str | Path) -> np.ndarray:
    """Return the pose that was predicted for each person.

    The annotation id of a pose is that of its person. If no pose has one, the poses of an image belong to all its
    annotations, or to all labeled ones, in the order of the file.

    Args:
        truth: P people with J joints.
        predicted: Poses with the same joints.
        path: Path to the predictions, for messages.

    Returns:
        (P, J, 2) x, y; NaN for a person without labels and without a pose.

    Raises:
        InputError: A pose cannot be assigned, or a person lacks one. The message names the record.
    """
    given = [own_id is not None for own_id in predicted.annotation_ids]
    if any(given) and not all(given):
        raise InputError(f"{path}: predictions[{given.index(False)}]: no annotation_id, but other poses have one")
    people = _by_id(truth, predicted, path) if any(given) else _by_order(truth, predicted, path)
    joints = np.full(truth.joints.shape, np.nan)
    joints[people] = predicted.keypoints[:, :, :2]
    missing = np.flatnonzero(truth.labeled.any(axis=1) & np.isnan(joints[:, 0, 0]))
    if len(missing):
        image_id, own_id = truth.person_images[missing[0]], truth.annotation_ids[missing[0]]
        raise InputError(f"{path}: no pose for annotation {own_id} of image_id {image_id} ({len(missing)} lack one)")
    return joints


def _by_id(truth: LabeledPeople, predicted: PredictedPeople, path: str | Path) -> list[int]:
    """Return the index of each pose's person, found by the annotation id."""
    named = [(own_id, person) for person, own_id in enumerate(truth.annotation_ids) if own_id is not None]
    if not named:
        raise InputError(f"{path}: poses have annotation ids, but the ground truth has none: remove them")
    person_of_id: dict[int | None, int] = dict(named)
    if len(person_of_id) < len(named):
        raise InputError(f"{path}: poses have annotation ids, but two annotations of the ground truth share an id")
    seen = set()
    for index, (own_id, image_id) in enumerate(zip(predicted.annotation_ids, predicted.images.tolist(), strict=True)):
        person = person_of_id.get(own_id)
        if person is None or truth.person_images[person] != image_id:
            raise InputError(
                f"{path}: predictions[{index}]: the ground truth has no annotation {own_id} in image_id {image_id}"
            )
        if person in seen:
            raise InputError(f"{path}: predictions[{index}]: a second pose of annotation {own_id}")
        seen.add(person)
    return [person_of_id[own_id] for own_id in predicted.annotation_ids]


def _by_order(truth: LabeledPeople, predicted: PredictedPeople, path: str | Path) -> list[int]:
    """Return the index of each pose's person, found by the position among the people of the image."""
    people_of, labeled_of, poses_of = defaultdict(list), defaultdict(list), defaultdict(list)
    labeled = np.any(truth.labeled, axis=1)
    for person, image_id in enumerate(truth.person_images.tolist()):
        people_of[image_id].append(person)
        if labeled[person]:
            labeled_of[image_id].append(person)
    for pose, image_id in enumerate(predicted.images.tolist()):
        poses_of[image_id].append(pose)
    person_of_pose: dict[int, int] = {}
    for image_id, poses in poses_of.items():
        people = people_of[image_id] if len(poses) == len(people_of[image_id]) else labeled_of[image_id]
        if len(poses) != len(people):
            counts = f"{len(poses)} poses for {len(people)} labeled people"
            raise InputError(f"{path}: image_id {image_id}: {counts}: give each pose the annotation_id of its person")
        person_of_pose.update(zip(poses, people, strict=True))
    return [person_of_pose[pose] for pose in range(len(predicted.images))]
