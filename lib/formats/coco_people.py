"""People in COCO-style keypoint files as arrays, for scoring: ground truth, and predictions in COCO's results format.

Files scored by OKS have known joints, and every person in them has joints, a box and a category. Files scored by PCK
name their joints and may lack the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.json_fields import id_column, is_true, number_column, records, whole_number
from lib.formats.posetrack18 import keypoint_names
from lib.utils.errors import InputError

WHOLEBODY_FIELDS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
"""Number of COCO-WholeBody's joints under each key, in the order of the network's channels."""


@dataclass(frozen=True)
class LabeledPeople:
    """The I images and P people of a ground truth file, both in file order.

    Attributes:
        names: J joint names, as the file lists them; empty if the joints were given to the reader.
        image_ids: (I,) int64 ids.
        crowd_indices: (I,) float64, CrowdPose's `crowdIndex`, from 0 to 1; NaN if missing.
        category_ids: (C,) int64 ids; −1 if missing.
        annotation_ids: P ids; None if missing.
        person_images: (P,) int64 image ids.
        person_categories: (P,) int64 category ids; −1 if missing.
        keypoints: (P, J, 3) float64 x, y in pixels, and v, which is positive for labeled joints; 0 for a person without
            keypoints.
        boxes: (P, 4) float64 x, y, width, height in pixels; NaN if missing.
        head_boxes: (P, 4) float64 x1, y1, x2, y2, MPII-TRB's `headbox`; NaN if missing.
        areas: (P,) float64, in pixels²; NaN if missing.
        num_keypoints: (P,) float64, the count in the file; NaN if missing.
        crowd: (P,) bool, `iscrowd`: the annotation is not a single person.
    """

    names: list[str]
    image_ids: np.ndarray
    crowd_indices: np.ndarray
    category_ids: np.ndarray
    annotation_ids: list[int | None]
    person_images: np.ndarray
    person_categories: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    head_boxes: np.ndarray
    areas: np.ndarray
    num_keypoints: np.ndarray
    crowd: np.ndarray

    @property
    def joints(self) -> np.ndarray:
        """(P, J, 2) x, y in pixels."""
        return self.keypoints[:, :, :2]

    @property
    def labeled(self) -> np.ndarray:
        """(P, J) bool: v > 0. Joints of a crowd are not labeled."""
        return (self.keypoints[:, :, 2] > 0) & ~self.crowd[:, None]


@dataclass(frozen=True, kw_only=True)
class PredictedPeople:
    """The P people of a file of predictions.

    Attributes:
        images: (P,) int64 image ids.
        categories: (P,) int64 category ids; −1 if missing.
        annotation_ids: P ids, `annotation_id` or `id`, of the annotated person that the pose belongs to; None if
            missing.
        keypoints: (P, J, 3) float64 x, y in pixels, score.
        areas: (P,) float64, in pixels². Areas of the people's `bbox` if they are ranked and the first person of the
            file has one; otherwise, areas of the boxes around the joints of the first field.
        scores: (P,) float64 scores by key. A person who lacks a score has `score` instead; NaN if the file has no
            scores.
    """

    images: np.ndarray
    categories: np.ndarray
    annotation_ids: list[int | None]
    keypoints: np.ndarray
    areas: np.ndarray
    scores: dict[str, np.ndarray]


def read_labels(content: Any, path: str | Path, fields: Mapping[str, int] | None = None) -> LabeledPeople:
    """Read a ground truth file as arrays; `info`, `iscrowd`, `area`, `num_keypoints` and image sizes are optional.

    Without `fields`, the list of images is optional as well, and areas and numbers of joints are not read.

    Args:
        content: The parsed JSON.
        path: The file that `content` was read from, for error messages.
        fields: Number of joints under each key, in order; all J joints may also be under the first key. Every person
            must have them, a box and a category. If None, the joints are those that the file names, and all of these
            are optional.

    Returns:
        The images and people.

    Raises:
        InputError: If a key is missing or has an invalid value. The message names the file, the record and the key.
    """
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a COCO-style file of ground truth; expected an object, not a list")
    people, categories = (records(content, key, path) for key in ("annotations", "categories"))
    images = records(content, "images", path) if fields or "images" in content else []
    names = [] if fields else keypoint_names(content, path)
    no_joint, no_number, no_id = (None, None, None) if fields else (0.0, np.nan, -1)
    where, measured = f"{path}: annotations", people if fields else [{}] * len(people)
    return LabeledPeople(
        names=names,
        image_ids=id_column(images, "id", f"{path}: images"),
        crowd_indices=number_column(images, "crowdIndex", 1, f"{path}: images", np.nan)[:, 0],
        category_ids=id_column(categories, "id", f"{path}: categories", no_id),
        annotation_ids=[whole_number(person.get("id")) for person in people],
        person_images=id_column(people, "image_id", where),
        person_categories=id_column(people, "category_id", where, no_id),
        keypoints=_keypoints(people, fields or {"keypoints": len(names)}, where, no_joint),
        boxes=number_column(people, "bbox", 4, where, no_number),
        head_boxes=number_column(people, "headbox", 4, where, np.nan),
        areas=number_column(measured, "area", 1, where, np.nan)[:, 0],
        num_keypoints=number_column(measured, "num_keypoints", 1, where, np.nan)[:, 0],
        crowd=np.array([is_true(person.get("iscrowd", 0)) for person in people], dtype=bool),
    )


def read_predictions(
    content: Any, path: str | Path, fields: Mapping[str, int], score_keys: Sequence[str] = (), ranked: bool = True
) -> PredictedPeople:
    """Read a file of predictions as arrays.

    Args:
        content: The parsed JSON, a list of {image_id, category_id, keypoints, score}.
        path: The file that `content` was read from, for error messages.
        fields: Number of joints under each key, as in `read_labels`.
        score_keys: Keys of further scores that a person may have besides `score`.
        ranked: True if people of one category are ranked by `score`; both keys are then required. If False, scores and
            boxes are not read.

    Returns:
        The people.

    Raises:
        InputError: If a key is missing or has an invalid value. The message names the file, the record and the key.
    """
    if not isinstance(content, list) or set(map(type, content)) - {dict}:
        wanted = "image_id, category_id, keypoints, score" if ranked else "image_id and keypoints"
        raise InputError(f"{path}: predictions must be a list of objects with {wanted}")
    where = f"{path}: predictions"
    keypoints = _keypoints(content, fields, where)
    if ranked and content and content[0].get("bbox"):  # same as COCO's loadRes
        sizes = number_column(content, "bbox", 4, where)[:, 2:]
    else:
        body = keypoints[:, : next(iter(fields.values())), :2]
        sizes = body.max(axis=1) - body.min(axis=1)
    score = number_column(content, "score", 1, where)[:, 0] if ranked else np.full(len(content), np.nan)
    scores = {"score": score}
    for key in score_keys:
        own = number_column(content, key, 1, where, np.nan)[:, 0]
        scores[key] = np.where(np.isnan(own), score, own)
    return PredictedPeople(
        images=id_column(content, "image_id", where),
        categories=id_column(content, "category_id", where, None if ranked else -1),
        annotation_ids=[whole_number(person.get("annotation_id", person.get("id"))) for person in content],
        keypoints=keypoints,
        areas=sizes.prod(axis=1),
        scores=scores,
    )


def _keypoints(
    people: Sequence[dict[str, Any]], fields: Mapping[str, int], where: str, absent: float | None = None
) -> np.ndarray:
    """Return (P, J, 3) keypoints, from all fields or only from the first, depending on the first person."""
    total, main = sum(fields.values()), next(iter(fields))
    first = people[0].get(main) if people else None
    if isinstance(first, list) and len(first) == 3 * total:
        fields = {main: total}
    columns = [number_column(people, key, 3 * count, where, absent) for key, count in fields.items()]
    return np.hstack(columns).reshape(-1, total, 3)
