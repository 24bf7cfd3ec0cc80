"""Crops that are held while a person moves little, so that clips of neighboring frames share them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE


@dataclass(frozen=True)
class HoldOptions:
    """Bounds of a held crop.

    Attributes:
        max_growth: Largest width of a held crop, as a multiple of the width of each crop that it replaces.
        max_frames: Largest number of frames from the first to the last.
    """

    max_growth: float = 1.15
    max_frames: int = 16


@dataclass
class _HeldCrop:
    """The smallest crop around those of its members, indices of people in one video."""

    first: Person
    members: list[int] = field(default_factory=list)
    low: np.ndarray = field(default_factory=lambda: np.zeros(2))  # movement of the upper left corner since `first`
    high: np.ndarray = field(default_factory=lambda: np.zeros(2))  # movement of the lower right corner
    min_width: float = np.inf  # smallest member's
    last: int = -1  # number of the last frame

    def grow(self, person: Person) -> tuple[np.ndarray, np.ndarray]:
        """Return how far both corners have moved once the person is a member."""
        shift = np.subtract(person.center, self.first.center, dtype=np.float64)
        half = np.subtract(person.scale, self.first.scale, dtype=np.float64) * PIXELS_PER_SCALE / 2
        return np.minimum(self.low, shift - half), np.maximum(self.high, shift + half)

    def factor(self, low: np.ndarray, high: np.ndarray) -> float:
        """Return the size of the crop with these corners, as a multiple of the first member's."""
        return float(np.max(1 + (high - low) / (self.first.scale.astype(np.float64) * PIXELS_PER_SCALE)))

    def growth(self, person: Person) -> float:
        """Return the crop's width with the person, as a multiple of the smallest member's."""
        width = self.factor(*self.grow(person)) * float(self.first.scale[0])
        return width / min(self.min_width, float(person.scale[0]))

    def add(self, index: int, person: Person) -> None:
        """Make the person a member."""
        self.low, self.high = self.grow(person)
        self.min_width = min(self.min_width, float(person.scale[0]))
        self.members.append(index)
        self.last = person.number

    def place(self, person: Person) -> Person:
        """Return a member in the held crop, which is exactly the member's if all members' crops are equal."""
        center = self.first.center + (self.low + self.high) / 2
        scale = self.first.scale * self.factor(self.low, self.high)
        return replace(person, center=center.astype(np.float32), scale=scale.astype(np.float32))


def hold_crops(people: Sequence[Person], options: HoldOptions, max_gap: int) -> tuple[list[Person], list[int]]:
    """Give people in neighboring frames the same crop where their crops nearly agree.

    A held crop contains the crops that it replaces. Frame by frame, each person joins the held crop that grows the
    least, or starts a new one.

    Args:
        people: People sorted by video and frame.
        options: Bounds of a held crop.
        max_gap: Largest number of frames between two people who follow each other in a held crop.

    Returns:
        The people in their held crops, in the same order; and their indices, one held crop after the other.
    """
    crops: list[_HeldCrop] = []
    recent: list[_HeldCrop] = []  # those that people of the next frame may join
    for (video, number), frame in groupby(range(len(people)), key=lambda p: (people[p].video, people[p].number)):
        recent = [
            crop
            for crop in recent
            if crop.first.video == video
            and 0 < number - crop.last <= max_gap
            and number - crop.first.number < options.max_frames
        ]
        started = _join(people, list(frame), recent, options.max_growth)
        recent += started
        crops += started
    held = list(people)
    for crop in crops:
        for member in crop.members:
            held[member] = crop.place(people[member])
    return held, [member for crop in crops for member in crop.members]


def _join(
    people: Sequence[Person], frame: Sequence[int], crops: Sequence[_HeldCrop], max_growth: float
) -> list[_HeldCrop]:
    """Add the people of a frame to crops, those that grow the least first; return the new crops of all others."""
    growths = sorted((crop.growth(people[index]), index, k) for index in frame for k, crop in enumerate(crops))
    waiting, free = set(frame), set(range(len(crops)))
    for growth, index, k in growths:
        if growth <= max_growth and index in waiting and k in free:
            crops[k].add(index, people[index])
            waiting.remove(index)
            free.remove(k)
    started = [_HeldCrop(people[index]) for index in sorted(waiting)]
    for index, crop in zip(sorted(waiting), started, strict=True):
        crop.add(index, people[index])
    return started
