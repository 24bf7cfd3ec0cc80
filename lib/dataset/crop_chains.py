"""Chains of the crops of a person in neighboring frames, so that the clips of these frames share them."""

from bisect import bisect
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE

MIN_OVERLAP = 0.4
"""Smallest intersection over union of two crops that follow each other in a chain."""


class CropChains:
    """Chains of people whose crops overlap from frame to frame.

    Frame by frame, the people join the chains whose last crops overlap theirs the most, or start new ones.

    Args:
        people: People sorted by video and frame.
        max_gap: Largest number of frames between two people who follow each other in a chain.
    """

    def __init__(self, people: Sequence[Person], max_gap: int) -> None:
        self._people = people
        self._chains: list[list[int]] = []
        self._chain_of: dict[int, list[int]] = {}
        recent: list[list[int]] = []  # chains that people of the next frame may join
        for (video, number), frame in groupby(range(len(people)), key=lambda p: (people[p].video, people[p].number)):
            last = {chain[-1]: chain for chain in recent}
            recent = [
                chain
                for end, chain in last.items()
                if people[end].video == video and 0 < number - people[end].number <= max_gap
            ]
            recent += self._join(list(frame), recent)

    def _join(self, frame: Sequence[int], chains: Sequence[list[int]]) -> list[list[int]]:
        """Add the people of a frame to chains, and return the new chains of those who fit into none."""
        ends = [chain[-1] for chain in chains]
        overlaps = _overlaps([self._people[index] for index in frame], [self._people[end] for end in ends])
        waiting, free = dict.fromkeys(frame), set(range(len(chains)))
        for place in np.argsort(-overlaps, axis=None, kind="stable").tolist():
            row, column = divmod(place, len(chains))
            if overlaps[row, column] >= MIN_OVERLAP and frame[row] in waiting and column in free:
                self._add(frame[row], chains[column])
                del waiting[frame[row]]
                free.remove(column)
        started: list[list[int]] = [[] for _ in waiting]
        for index, chain in zip(waiting, started, strict=True):
            self._add(index, chain)
        self._chains += started
        return started

    def _add(self, index: int, chain: list[int]) -> None:
        chain.append(index)
        self._chain_of[index] = chain

    @property
    def order(self) -> list[int]:
        """Indices of all people, one chain after the other."""
        return [index for chain in self._chains for index in chain]

    def nearest(self, index: int, number: int) -> int:
        """Return the person of a chain who is nearest to a frame; of two, the one nearer to the given person.

        Args:
            index: Index of a person of the chain.
            number: Number of the frame.
        """
        chain = self._chain_of[index]
        place = bisect(chain, number, key=lambda member: self._people[member].number)
        around = chain[max(0, place - 1) : place + 1]
        own = self._people[index].number

        def distance(member: int) -> tuple[int, int]:
            at = self._people[member].number
            return abs(at - number), abs(at - own)

        return min(around, key=distance)


def _overlaps(people: Sequence[Person], others: Sequence[Person]) -> np.ndarray:
    """Return the intersections over union (P, Q) of the crops of people and of others."""
    (low, high, area), (other_low, other_high, other_area) = _corners(people), _corners(others)
    sides = np.minimum(high[:, None], other_high) - np.maximum(low[:, None], other_low)
    shared = np.prod(np.maximum(sides, 0), axis=2)
    overlaps: np.ndarray = shared / (area[:, None] + other_area - shared)
    return overlaps


def _corners(people: Sequence[Person]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first and last corners (P, 2) and the areas (P,) of crops in pixels."""
    centers = np.array([person.center for person in people], dtype=np.float64).reshape(-1, 2)
    sizes = np.array([person.scale for person in people], dtype=np.float64).reshape(-1, 2) * PIXELS_PER_SCALE
    return centers - sizes / 2, centers + sizes / 2, np.prod(sizes, axis=1)
