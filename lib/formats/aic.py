"""AI Challenger's native format: a list of images, each with its people by name ("human1" …)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.coco_records import category_record, person_record
from lib.formats.json_fields import number_column
from lib.utils.errors import InputError

NUM_JOINTS = 14

COCO_VISIBILITY = np.array([0, 2, 1, 0])
"""COCO's v (0 not labeled, 1 hidden, 2 visible), indexed by AI Challenger's."""


@dataclass(frozen=True)
class AicPeople:
    """The P people of an image.

    Attributes:
        keypoints: (P, 14, 3) float64 x, y in pixels, and v: 1 visible, 2 hidden, 3 not labeled.
        boxes: (P, 4) float64 x1, y1, x2, y2 in pixels; (0, 4) for predictions, which have no boxes.
    """

    keypoints: np.ndarray
    boxes: np.ndarray


def read(content: Any, path: str | Path, boxes: bool) -> dict[str, AicPeople]:
    """Read the people of each image.

    Args:
        content: The parsed JSON: a list of {image_id, keypoint_annotations: {name: [x, y, v of each joint]}}. Ground
            truth also has human_annotations: {name: [x1, y1, x2, y2]}.
        path: The file that `content` was read from, for error messages.
        boxes: If True, read the boxes too.

    Returns:
        The people of each image, by image id without a file extension.

    Raises:
        InputError: If a key is missing or has an invalid value, or an image is listed twice. The message names the
            record.
    """
    if not isinstance(content, list):
        raise InputError(f"{path}: not in AI Challenger's format, a list of images")
    images: dict[str, AicPeople] = {}
    for index, image in enumerate(content):
        where = f"{path}: [{index}]"
        if not isinstance(image, dict) or not isinstance(image.get("image_id"), str):
            raise InputError(f"{where}: expected an object with image_id, a string, and keypoint_annotations")
        name = image["image_id"].split(".")[0]
        if name in images:
            raise InputError(f"{where}: {name} is listed twice; put all its people into one entry")
        joints, sides = image.get("keypoint_annotations"), image.get("human_annotations") if boxes else {}
        if not isinstance(joints, dict) or not isinstance(sides, dict):
            raise InputError(
                f"{where}: keypoint_annotations and human_annotations must be objects with a key for each person"
            )
        people = [{"keypoint_annotations": row, "human_annotations": sides.get(key)} for key, row in joints.items()]
        keypoints = number_column(people, "keypoint_annotations", 3 * NUM_JOINTS, f"{where}: people")
        images[name] = AicPeople(
            keypoints.reshape(-1, NUM_JOINTS, 3),
            number_column(people if boxes else [], "human_annotations", 4, f"{where}: people"),
        )
    return images


def to_coco(content: Any, path: str | Path, names: Sequence[str]) -> dict[str, Any]:
    """Convert ground truth to COCO's format.

    Images and people are numbered from 1 in file order, and unlabeled joints are at 0. The file name of an image is its
    id with the extension .jpg.

    Args:
        content: The parsed JSON, as in `read`.
        path: The file that `content` was read from, for error messages.
        names: Names of the 14 joints.

    Returns:
        The content of a COCO keypoint file.

    Raises:
        InputError: As in `read`, or if v is not 1, 2 or 3.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, people) in enumerate(read(content, path, boxes=True).items(), start=1):
        images.append({"id": number, "file_name": f"{name}.jpg"})
        for keypoints, (x1, y1, x2, y2) in zip(people.keypoints, people.boxes.tolist(), strict=True):
            if not np.isin(keypoints[:, 2], (1, 2, 3)).all():
                raise InputError(f"{path}: image {name}: the third number of each joint must be 1, 2 or 3")
            visibility = COCO_VISIBILITY[keypoints[:, 2].astype(int)]
            joints = np.where(visibility[:, None] > 0, keypoints[:, :2], 0)
            annotation = person_record(len(annotations) + 1, number) | {"iscrowd": 0}
            annotation |= {"keypoints": np.column_stack([joints, visibility]).ravel().tolist()}
            annotation |= {"num_keypoints": int((visibility > 0).sum()), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            annotations.append(annotation)
    return {"images": images, "annotations": annotations, "categories": [category_record(names)]}
