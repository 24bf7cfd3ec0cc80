"""Where to look for people in a frame, if no detector tells."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lib.formats.boxes import DetectedBox, read_boxes
from lib.utils.errors import InputError
from lib.utils.files import frame_number

FindPeople = Callable[[Sequence[int], Sequence[np.ndarray]], list[list[DetectedBox]]]
"""Frame numbers and images (H, W, 3), uint8, BGR, to the boxes of each frame."""


def whole_frame(numbers: Sequence[int], images: Sequence[np.ndarray]) -> list[list[DetectedBox]]:
    """One person who may be anywhere: each frame as a box of score 1."""
    sizes = ((*image.shape[1::-1],) for image in images)
    return [[DetectedBox(n, 0, np.array([0.0, 0.0, *size]), 1.0)] for n, size in zip(numbers, sizes, strict=True)]


class ListedBoxes:
    """The boxes of a file (lib.formats.boxes), whose image_id is the frame's number, from 0, or stands in image_name.

    Args:
        path: of the file.
        min_score: boxes that score less are left out.

    Attributes:
        dropped: how many boxes of the file were left out, by reason.

    Raises:
        InputError: not such a file, or an image_name without a number.
    """

    def __init__(self, path: Path, min_score: float) -> None:
        boxes, self.dropped = read_boxes(path, min_score)
        self._of_frame: dict[int, list[DetectedBox]] = {}
        for box in boxes:
            number = box.image if isinstance(box.image, int) else _number(box.image)
            if number is None:
                raise InputError(f"{path}: image_name {box.image!r} does not end with the number of a frame")
            self._of_frame.setdefault(number, []).append(box)

    def __call__(self, numbers: Sequence[int], images: Sequence[np.ndarray]) -> list[list[DetectedBox]]:
        return [self._of_frame.get(number, []) for number in numbers]

    def outside(self, first: int, end: int) -> int:
        """How many boxes are of frames before `first`, or from `end` on."""
        return sum(len(boxes) for number, boxes in self._of_frame.items() if not first <= number < end)


def _number(name: str) -> int | None:
    """The number in `clip/000012.jpg` or `clip.mp4#12`."""
    behind = re.search(r"#(\d+)$", name)
    return int(behind[1]) if behind else frame_number(name)
