"""AI Challenger's own file form: a list of images, each with its people by name ("human1" …)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.columns import number_column
from lib.utils.errors import InputError

NUM_JOINTS = 14


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
