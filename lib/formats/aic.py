"""AI Challenger's own file form: a list of images, each with its people by name ("human1" …)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.json_fields import number_column
from lib.utils.errors import InputError

NUM_JOINTS = 14

COCO_VISIBILITY = np.array([0, 2, 1, 0])
"""COCO's v (0 not labelled, 1 hidden, 2 visible) by AI Challenger's."""


@dataclass(frozen=True)
class AicPeople:
    """The P people of an image.

    Attributes:
        keypoints: (P, 14, 3) float64 x, y in pixels, v: 1 visible, 2 hidden, 3 not labelled.
        boxes: (P, 4) float64 x1, y1, x2, y2; (0, 4) of predictions, which have none.
    """

    keypoints: np.ndarray
    boxes: np.ndarray


def read(content: Any, path: str | Path, boxes: bool) -> dict[str, AicPeople]:
    """The people of each image, by its id without a file's ending.

    Args:
        content: the parsed JSON, a list of {image_id, keypoint_annotations: {name: [x, y, v of each joint]}} and, of
            ground truth, human_annotations: {name: [x1, y1, x2, y2]}.
        path: where it was read from, for messages.
        boxes: read the boxes too.

    Raises:
        InputError: a key is missing or holds something else, an image that stands there twice; names the record.
    """
    if not isinstance(content, list):
        raise InputError(f"{path}: not in AI Challenger's own form: that is a list of images")
    images: dict[str, AicPeople] = {}
    for index, image in enumerate(content):
        where = f"{path}: [{index}]"
        if not isinstance(image, dict) or not isinstance(image.get("image_id"), str):
            raise InputError(f"{where}: it has to be an object with image_id, a text, and keypoint_annotations")
        name = image["image_id"].split(".")[0]
        if name in images:
            raise InputError(f"{where}: a second {name}; put all its people into one")
        points, sides = image.get("keypoint_annotations"), image.get("human_annotations") if boxes else {}
        if not isinstance(points, dict) or not isinstance(sides, dict):
            raise InputError(
                f"{where}: keypoint_annotations and human_annotations have to be objects, a key per person"
            )
        people = [{"keypoint_annotations": row, "human_annotations": sides.get(key)} for key, row in points.items()]
        keypoints = number_column(people, "keypoint_annotations", 3 * NUM_JOINTS, f"{where}: people")
        images[name] = AicPeople(
            keypoints.reshape(-1, NUM_JOINTS, 3),
            number_column(people if boxes else [], "human_annotations", 4, f"{where}: people"),
        )
    return images


def to_coco(content: Any, path: str | Path, names: Sequence[str]) -> dict[str, Any]:
    """Ground truth in COCO's form: images and people are counted from 1 in the file's order, and joints without a label
    are at 0. An image's file is its id with the ending .jpg.

    Args:
        content, path: as of `read`.
        names: of the 14 joints.

    Raises:
        InputError: as `read`, or a v that is none of 1, 2 and 3.
    """
    images, annotations = [], []
    for number, (name, people) in enumerate(read(content, path, boxes=True).items(), start=1):
        images.append({"id": number, "file_name": f"{name}.jpg"})
        for keypoints, (x1, y1, x2, y2) in zip(people.keypoints, people.boxes.tolist(), strict=True):
            if not np.isin(keypoints[:, 2], (1, 2, 3)).all():
                raise InputError(f"{path}: image {name}: the third number of each joint has to be 1, 2 or 3")
            visibility = COCO_VISIBILITY[keypoints[:, 2].astype(int)]
            points = np.where(visibility[:, None] > 0, keypoints[:, :2], 0)
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            annotation |= {"keypoints": np.column_stack([points, visibility]).ravel().tolist()}
            annotation |= {"num_keypoints": int((visibility > 0).sum()), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            annotations.append(annotation)
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "keypoints": list(names)}]}
