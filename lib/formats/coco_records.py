"""Records of all COCO-style files: checks of those that are read, and the keys that begin those that are written."""

from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.json_fields import whole_number
from lib.utils.errors import InputError

PERSON = 1
"""Id of the only category; COCO's for people."""


def check_coco(content: Any, path: str | Path) -> dict[str, Any]:
    """Return the content of a file if it is a COCO-style file: an object with a list of images.

    Args:
        content: The parsed JSON.
        path: The file that `content` was read from, for error messages.

    Raises:
        InputError: It is not an object, or has no `images`.
    """
    if not isinstance(content, dict) or "images" not in content:
        raise InputError(f"{path}: not a COCO-style file: no 'images'")
    return content


def check_image_ids(people: Iterable[dict[str, Any]], ids: Container[int | None], path: str | Path) -> None:
    """Check that each annotation belongs to an image of the file.

    Args:
        people: The annotations.
        ids: Ids of the images, as whole numbers.
        path: The file, for error messages.

    Raises:
        InputError: An image is missing. The message names the annotation.
    """
    for index, person in enumerate(people):
        if whole_number(person.get("image_id")) not in ids:
            raise InputError(f"{path}: annotations[{index}]: image_id {person.get('image_id')!r} is not in 'images'")


def box_around(joints: np.ndarray) -> np.ndarray:
    """Return the box (4,) x, y, width, height around joints (J, 2); zeros if there are none."""
    if not len(joints):
        return np.zeros(4)
    low = joints.min(axis=0)
    return np.concatenate([low, joints.max(axis=0) - low])


def category_record(
    names: Sequence[str], name: str = "person", bones: Iterable[Sequence[int]] | None = None
) -> dict[str, Any]:
    """Return the category of a file.

    Args:
        names: J joint names.
        name: What an individual is called.
        bones: Pairs of connected joints, by index from 0 (COCO's `skeleton` counts from 1); None if unknown.
    """
    skeleton = {} if bones is None else {"skeleton": [[joint + 1 for joint in bone] for bone in bones]}
    return {"id": PERSON, "name": name, "keypoints": list(names)} | skeleton


def person_record(number: int, image_id: int, category_id: int = PERSON) -> dict[str, Any]:
    """Return the ids that begin a person's record.

    Args:
        number: Id of the record, unique in the file.
        image_id: Id of the image.
        category_id: Id of the category.
    """
    return {"id": number, "image_id": image_id, "category_id": category_id}


def pose_record(keypoints: np.ndarray) -> dict[str, Any]:
    """Return the keys of a pose in a person's record, with the box around its joints in thousandths of a pixel.

    Args:
        keypoints: (J, 3) x, y and v; v is 0 for missing joints.
    """
    known = keypoints[:, 2] > 0
    box = np.round(box_around(keypoints[known, :2]), 3).tolist()
    return {
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": int(known.sum()),
        "bbox": box,
        "area": round(box[2] * box[3], 3),
        "iscrowd": 0,
    }
