"""Boxes to look for people in without a detector: the whole frame, or boxes from a file."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lib.formats.boxes import DetectedBox, read_boxes
from lib.nms import nms
from lib.utils.errors import InputError
from lib.utils.files import frame_number

FindPeople = Callable[[Sequence[int], Sequence[np.ndarray]], list[list[DetectedBox]]]
"""Function from frame numbers and images (H, W, 3) uint8 BGR to the boxes of each frame."""


class FrameByFrame(ABC):
    """Finder of people that looks at one frame at a time."""

    def __call__(self, numbers: Sequence[int], images: Sequence[np.ndarray]) -> list[list[DetectedBox]]:
        """Return the boxes of each frame.

        Args:
            numbers: Numbers of the frames.
            images: Images of the frames, (H, W, 3) uint8 BGR each.
        """
        return [self.find(number, image) for number, image in zip(numbers, images, strict=True)]

    @abstractmethod
    def find(self, number: int, image: np.ndarray) -> list[DetectedBox]:
        """Return the boxes of a frame.

        Args:
            number: Number of the frame.
            image: Image of the frame, (H, W, 3) uint8 BGR.
        """


def whole_frame(numbers: Sequence[int], images: Sequence[np.ndarray]) -> list[list[DetectedBox]]:
    """Return each whole frame as a box with score 1, for one person at any position.

    Args:
        numbers: Numbers of the frames.
        images: Images of the frames, (H, W, 3) uint8 BGR each.
    """
    sizes = ((*image.shape[1::-1],) for image in images)
    return [
        [DetectedBox(image=n, num_frames=0, box=np.array([0.0, 0.0, *size]), score=1.0)]
        for n, size in zip(numbers, sizes, strict=True)
    ]


def distinct_boxes(number: int, boxes: np.ndarray, scores: np.ndarray, max_overlap: float) -> list[DetectedBox]:
    """Return the boxes of a frame that do not overlap better ones too much, the best one first.

    Args:
        number: Number of the frame.
        boxes: (N, 4) x, y, width, height in pixels.
        scores: (N,) scores.
        max_overlap: IoU of two boxes above which the one with the lower score is left out.
    """
    corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1, scores[:, None]])
    kept = nms(corners, max_overlap)
    return [DetectedBox(image=number, num_frames=0, box=boxes[index], score=float(scores[index])) for index in kept]


class ListedBoxes:
    """Boxes from a file (lib.formats.boxes) with the number of the frame, from 0, as image_id or in image_name.

    Args:
        path: Path to the file.
        min_score: Minimum score of the boxes to use.

    Attributes:
        dropped: Number of unused boxes of the file by reason.

    Raises:
        InputError: The file is not a file of boxes, or an image_name has no number.
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
        """Return the boxes of each frame.

        Args:
            numbers: Numbers of the frames.
            images: Images of the frames; not used.
        """
        return [self._of_frame.get(number, []) for number in numbers]

    def outside(self, first: int, end: int) -> int:
        """Return the number of boxes in frames before `first`, or from `end` on."""
        return sum(len(boxes) for number, boxes in self._of_frame.items() if not first <= number < end)


def _number(name: str) -> int | None:
    """Return the number in a name such as `clip/000012.jpg` or `clip.mp4#12`, or None."""
    behind = re.search(r"#(\d+)$", name)
    return int(behind[1]) if behind else frame_number(name)
