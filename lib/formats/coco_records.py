"""The category of a COCO-style file and the keys that begin each person's record, for all files that are written."""

from collections.abc import Iterable, Sequence
from typing import Any

PERSON = 1
"""Id of the only category; COCO's for people."""


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
