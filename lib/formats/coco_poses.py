"""The people of a COCO-style file as arrays, and the pose that a system gives for each of them."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.formats.columns import id_column, number_column
from lib.formats.posetrack import is_true, records, whole_number
from lib.formats.posetrack18 import keypoint_names
from lib.utils.errors import InputError
from lib.utils.files import read_json


@dataclass(frozen=True)
class CocoPoses:
    """P annotations of J joints, in the file's order; coordinates are pixels as the file gives them.

    Attributes:
        names: J joint names.
        annotation_ids: P numbers, None where there is none.
        image_ids: P numbers.
        points: (P, J, 2) x, y.
        labeled: (P, J) bool: v > 0; no joint of a crowd (`iscrowd`) is.
        boxes: (P, 4) x, y, width, height; NaN where there is none.
        head_boxes: (P, 4) x1, y1, x2, y2 of MPII-TRB; NaN where there is none.
    """

    names: list[str]
    annotation_ids: list[int | None]
    image_ids: list[int]
    points: np.ndarray
    labeled: np.ndarray
    boxes: np.ndarray
    head_boxes: np.ndarray


def read_poses(path: str | Path) -> CocoPoses:
    """Read the annotations of a COCO-style file with any joints.

    Raises:
        InputError: not such a file, or one that labels nobody; names the annotation and the key.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a COCO-style file: it has no 'annotations'")
    people = records(content, "annotations", path)
    names = keypoint_names(content, path)
    where = f"{path}: annotations"
    keypoints = number_column(people, "keypoints", 3 * len(names), where, 0.0).reshape(len(people), len(names), 3)
    crowd = np.array([is_true(person.get("iscrowd", 0)) for person in people], dtype=bool)
    labeled = (keypoints[:, :, 2] > 0) & ~crowd[:, None]
    if not labeled.any():
        raise InputError(f"{path}: no annotation has a labelled joint: there is nothing to score")
    return CocoPoses(
        names=names,
        annotation_ids=[whole_number(person.get("id")) for person in people],
        image_ids=id_column(people, "image_id", where).tolist(),
        points=keypoints[:, :, :2],
        labeled=labeled,
        boxes=number_column(people, "bbox", 4, where, np.nan),
        head_boxes=number_column(people, "headbox", 4, where, np.nan),
    )


def read_estimates(path: str | Path, truth: CocoPoses) -> np.ndarray:
    """Read a system's poses for annotated people: a list of {image_id, keypoints [x, y, score] * J}.

    `annotation_id` or `id` of a pose is that of its annotation. Where no pose has one, the poses of an image are those
    of all its annotations, or of all its labelled ones, in the file's order.

    Returns:
        (P, J, 2) x, y; NaN for a person without labels and without a pose.
    Raises:
        InputError: not such a file, or it cannot be told whose pose one is, or whose is missing; names the record.
    """
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(pose, dict) and pose.get("keypoints") for pose in content):
        raise InputError(f"{path}: predictions are a JSON list of objects, each with image_id and keypoints")
    where, count = f"{path}: predictions", len(truth.names)
    keypoints = number_column(content, "keypoints", 3 * count, where, np.nan).reshape(-1, count, 3)
    ids = [whole_number(pose.get("annotation_id", pose.get("id"))) for pose in content]
    image_ids = id_column(content, "image_id", where).tolist()
    given = [own_id is not None for own_id in ids]
    if any(given) and not all(given):
        raise InputError(f"{where}[{given.index(False)}]: no annotation_id, which others have")
    people = _by_id(ids, image_ids, truth, path) if any(given) else _by_order(image_ids, truth, path)
    points = np.full(truth.points.shape, np.nan)
    points[people] = keypoints[:, :, :2]
    missing = np.flatnonzero(truth.labeled.any(axis=1) & np.isnan(points[:, 0, 0]))
    if len(missing):
        image_id, own_id = truth.image_ids[missing[0]], truth.annotation_ids[missing[0]]
        raise InputError(f"{path}: no pose for annotation {own_id} of image_id {image_id} ({len(missing)} lack one)")
    return points


def _by_id(ids: list[int], image_ids: list[int], truth: CocoPoses, path: str | Path) -> list[int]:
    """Per pose its person, by the annotation's id."""
    person_of_id = {own_id: person for person, own_id in enumerate(truth.annotation_ids)}
    if len(person_of_id) < len(truth.annotation_ids):
        raise InputError(f"{path}: poses name annotations by id, but two in the ground truth have one id")
    seen = set()
    for index, (own_id, image_id) in enumerate(zip(ids, image_ids, strict=True)):
        person = person_of_id.get(own_id)
        if person is None or truth.image_ids[person] != image_id:
            of_image = f"an annotation of image_id {image_id} in the ground truth"
            raise InputError(f"{path}: predictions[{index}]: id {own_id} is not that of {of_image}")
        if person in seen:
            raise InputError(f"{path}: predictions[{index}]: a second pose of annotation {own_id}")
        seen.add(person)
    return [person_of_id[own_id] for own_id in ids]


def _by_order(image_ids: list[int], truth: CocoPoses, path: str | Path) -> list[int]:
    """Per pose its person, by its place among those of the image."""
    people_of, labeled_of, poses_of = defaultdict(list), defaultdict(list), defaultdict(list)
    for person, image_id in enumerate(truth.image_ids):
        people_of[image_id].append(person)
        if truth.labeled[person].any():
            labeled_of[image_id].append(person)
    for pose, image_id in enumerate(image_ids):
        poses_of[image_id].append(pose)
    person_of_pose = {}
    for image_id, poses in poses_of.items():
        people = people_of[image_id] if len(poses) == len(people_of[image_id]) else labeled_of[image_id]
        if len(poses) != len(people):
            counts = f"{len(poses)} poses for {len(people)} labelled people"
            raise InputError(f"{path}: image_id {image_id}: {counts}: give each pose the annotation_id of its person")
        person_of_pose.update(zip(poses, people, strict=True))
    return [person_of_pose[pose] for pose in range(len(image_ids))]
