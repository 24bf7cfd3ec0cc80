"""Leave-one-out errors: labels left out, propagated from the labels before and after them, and compared with them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE
from lib.propagation.fusion import fuse_sides
from lib.propagation.targets import PropagationMethod, Target


def left_out_labels(people: Sequence[Person]) -> list[tuple[int, int, int]]:
    """Return the labels that lie between two others of the same person, in the order of frames.

    Args:
        people: Labeled people.

    Returns:
        Indices of the label before, the label itself, and the label after.
    """
    tracks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index in sorted((p for p in range(len(people)) if people[p].track >= 0), key=lambda p: people[p].number):
        tracks[people[index].video, people[index].track].append(index)
    between = [labels for track in tracks.values() for labels in zip(track, track[1:], track[2:], strict=False)]
    return sorted(between, key=lambda labels: (people[labels[1]].video, people[labels[1]].number))


def leave_one_out_targets(people: Sequence[Person], left_out: Sequence[tuple[int, int, int]]) -> list[Target]:
    """Return targets in all frames on the way to left-out labels from the labels before and after.

    Args:
        people: Labeled people.
        left_out: Left-out labels, as returned by `left_out_labels`.
    """
    targets = []
    for before, own, after in left_out:
        number = people[own].number
        targets += [Target(before, passed) for passed in range(people[before].number + 1, number + 1)]
        targets += [Target(after, passed) for passed in range(people[after].number - 1, number - 1, -1)]
    return targets


def leave_one_out_error(people: Sequence[Person], method: PropagationMethod) -> float:
    """Return the error of a method on left-out labels, each propagated from the labels before and after it.

    Args:
        people: Labeled people.
        method: Method to measure.

    Returns:
        Median over joints, as a share of the longer side of the person's crop; NaN if no label lies between two others
        of the same person.
    """
    between = left_out_labels(people)
    if not between:
        return float("nan")
    poses = fuse_sides(people, [Target(before, people[own].number) for before, own, _ in between], method)
    errors = []
    for (_, own, _), joints, scores in zip(between, poses.joints, poses.scores, strict=True):
        known = people[own].labeled & (scores > 0)
        size = people[own].scale.max() * PIXELS_PER_SCALE
        errors += (np.linalg.norm(joints - people[own].joints, axis=1)[known] / size).tolist()
    return float(np.median(errors)) if errors else float("nan")
