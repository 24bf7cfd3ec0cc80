"""Paths of labels from their frame to their targets, and the part of the images to look at, for flow and trackers."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lib.dataset.people import Person
from lib.propagation.targets import Target

MARGIN = 0.25
"""Margin around the joints as a share of the longer side of their box."""
MIN_MARGIN = 32
"""Smallest such margin, in pixels."""
MIN_SIDE = 128
"""Smallest side of the region in pixels: RAFT takes no smaller image."""


class LabelPath(NamedTuple):
    """Path of one person's joints away from a labeled frame.

    Attributes:
        video: Index of the video.
        start: Number of the labeled frame.
        direction: 1 or -1.
        person: Index of the person.
        ends: Indices of targets by frame number.
    """

    video: int
    start: int
    direction: int
    person: int
    ends: dict[int, list[int]]

    @property
    def num_steps(self) -> int:
        """Number of frames from the labeled one to the farthest."""
        return abs(self.last - self.start)

    @property
    def last(self) -> int:
        """Number of the farthest frame."""
        return max(self.ends, key=lambda number: abs(number - self.start))


def label_paths(people: Sequence[Person], targets: Sequence[Target]) -> list[LabelPath]:
    """Return the paths to all targets, sorted so that paths over the same frames are adjacent.

    Args:
        people: Labeled people.
        targets: Targets.
    """
    ends: dict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, target in enumerate(targets):
        direction = -1 if target.number < people[target.person].number else 1
        ends[target.person, direction][target.number].append(index)
    paths = [
        LabelPath(people[person].video, people[person].number, direction, person, dict(own))
        for (person, direction), own in ends.items()
    ]
    return sorted(paths, key=lambda path: (path.video, min(path.start, path.last), path.person))


def region(shape: Sequence[int], joints: np.ndarray, margin: float = MARGIN) -> tuple[slice, slice]:
    """Return the rows and columns of an image around joints, at least MIN_SIDE each.

    Args:
        shape: Height and width of the image, and more.
        joints: (P, 2) x, y.
        margin: Margin around the joints as a share of the longer side of their box.
    """
    low, high = joints.min(axis=0), joints.max(axis=0)
    border = max(margin * float((high - low).max()), MIN_MARGIN)
    slices = []
    for axis, length in ((1, shape[0]), (0, shape[1])):
        start, stop = math.floor(low[axis] - border), math.ceil(high[axis] + border) + 1
        short = max(MIN_SIDE - (stop - start), 0)
        start = min(max(start - short // 2, 0), max(length - MIN_SIDE, 0))
        stop = min(max(stop + short - short // 2, start + MIN_SIDE), length)
        slices.append(slice(start, stop))
    return slices[0], slices[1]
