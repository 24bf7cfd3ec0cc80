"""Files of detected boxes: a JSON list of {category_id, bbox [x, y, w, h], score} with image_name or image_id."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.posetrack import whole_number
from lib.utils.errors import InputError
from lib.utils.files import read_json

PERSON = 1


@dataclass(frozen=True)
class DetectedBox:
    """One detected person.

    Attributes:
        image: the image's name, or its id where the file gives ids.
        num_frames: of the image's video; 0 where the file does not say.
        box: (4,) x, y, w, h in pixels.
        score: of the detector.
    """

    image: str | int
    num_frames: int
    box: np.ndarray
    score: float


def read_boxes(path: str | Path, threshold: float) -> list[DetectedBox]:
    """The persons of a box file, in the file's order; those that score under `threshold` are left out.

    Raises:
        InputError: not such a file, or a record of it is not such a box; names the record.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: a box file is a list of boxes")
    boxes = []
    for index, record in enumerate(content):
        box = _read_box(record, f"{path}: box {index}")
        if box is not None and box.score >= threshold:
            boxes.append(box)
    return boxes


def _read_box(record: Any, where: str) -> DetectedBox | None:
    try:
        if record.get("category_id", PERSON) != PERSON:
            return None
        image = record.get("image_name")
        if not isinstance(image, str):
            image = whole_number(record.get("image_id"))
        box, score = np.array(record["bbox"], dtype=np.float64), float(record["score"])
    except KeyError as error:
        raise InputError(f"{where}: no {error.args[0]}") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None
    if image is None:
        raise InputError(f"{where}: no image_name, a text, and no image_id, a whole number")
    if box.shape != (4,) or not np.isfinite(box).all() or not np.isfinite(score):
        raise InputError(
            f"{where}: bbox has to be four finite numbers x, y, w, h and score one; they are {record['bbox']}"
        )
    return DetectedBox(image, whole_number(record.get("nframes")) or 0, box, score)
