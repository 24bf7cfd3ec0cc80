"""Files of detected boxes: a JSON list of {category_id, bbox [x, y, w, h], score} with image_name or image_id."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.coco_records import PERSON
from lib.formats.json_fields import is_number, whole_number
from lib.utils.errors import InputError
from lib.utils.files import read_json


@dataclass(frozen=True, kw_only=True)
class DetectedBox:
    """One detected person.

    Attributes:
        image: Name of the image, or its id if the file has ids.
        num_frames: Number of frames in the image's video; 0 if the file does not give it.
        box: (4,) x, y, w, h in pixels.
        score: Score of the detector.
        has_frame_id: True if the record has a frame number as well as a name, as in files of the original PoseWarper
            code.
    """

    image: str | int
    num_frames: int
    box: np.ndarray
    score: float
    has_frame_id: bool = False


def read_boxes(path: str | Path, threshold: float) -> tuple[list[DetectedBox], Counter]:
    """Read the people in a box file, in file order.

    Args:
        path: The box file.
        threshold: Boxes with a lower score are dropped.

    Returns:
        The boxes, and the number of dropped boxes by reason.

    Raises:
        InputError: If the file is not a box file, or a record is invalid. The message names the record.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: a box file must be a list of boxes")
    boxes = []
    dropped: Counter[str] = Counter()
    for index, record in enumerate(content):
        box = _read_box(record, f"{path}: box {index}")
        if box is None:
            dropped["of another category than person"] += 1
        elif box.score < threshold:
            dropped[f"with a score under {threshold:g}"] += 1
        else:
            boxes.append(box)
    return boxes, dropped


def _read_box(record: Any, where: str) -> DetectedBox | None:
    if not isinstance(record, dict):
        raise InputError(f"{where}: {record!r} is not an object with bbox and score")
    if record.get("category_id", PERSON) != PERSON:
        return None
    image = record.get("image_name")
    if not isinstance(image, str):
        image = whole_number(record.get("image_id"))
    if image is None:
        raise InputError(f"{where}: neither image_name, a string, nor image_id, a whole number")
    box, score = record.get("bbox"), record.get("score")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)) or not is_number(score):
        raise InputError(
            f"{where}: bbox must be four finite numbers x, y, w, h and score one; they are {box!r} and {score!r}"
        )
    num_frames = whole_number(record.get("nframes")) or 0
    return DetectedBox(
        image=image,
        num_frames=num_frames,
        box=np.array(box, dtype=np.float64),
        score=float(score),
        has_frame_id="frame_id" in record,
    )
