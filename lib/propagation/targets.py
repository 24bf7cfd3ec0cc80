"""Targets of propagation, and the warp that takes labels to them.

The warp moves a label within a crop, on heatmaps. lib.propagation.flow moves it in the image, and
lib.propagation.fusion combines several poses into one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lib.core.predictor import Poses
from lib.dataset.people import Person

EstimateClips = Callable[[list[Person], list[int]], Poses]
"""Function from people and frame offsets, the first of which is 0, to poses (P, T, J) in the frames at the offsets."""

PropagationMethod = Callable[[Sequence[Person], Sequence["Target"]], "PropagatedPoses"]
"""Function from labeled people and at least one target to the propagated poses."""


class Target(NamedTuple):
    """A labeled person whose pose is wanted in another frame.

    Attributes:
        person: Index among the labeled people.
        number: Number of the wanted frame among the video's files.
    """

    person: int
    number: int


class PropagatedPoses(NamedTuple):
    """Poses of M targets.

    Attributes:
        joints: (M, J, 2) float64 x, y in image pixels.
        scores: (M, J) float64; 0 or less if the position of the joint is unknown.
        disagreement: (M, J) pixels between the poses from the label before and from the label after; NaN where only one
            of them has the joint; None if each pose comes from one label, or if labels are copied.
    """

    joints: np.ndarray
    scores: np.ndarray
    disagreement: np.ndarray | None = None


def nearest(people: Sequence[Person], wanted: Iterable[tuple[int, int]]) -> list[Target]:
    """Return all people of the nearest labeled frame, the earlier of two, for each wanted frame.

    Args:
        people: People of the labeled frames.
        wanted: Video and number of the frames, which may be labeled; videos without a label have no targets.
    """
    labeled = _by_frame(people)
    targets = []
    for video, number in wanted:
        frames = labeled[video]
        if frames:
            source = min(frames, key=lambda other: (abs(other - number), other))
            targets += [Target(person, number) for person in frames[source]]
    return targets


def around(people: Sequence[Person], wanted: Iterable[tuple[int, int]]) -> list[Target]:
    """Return all people of the labeled frames around each wanted frame, each from the nearer one.

    Args:
        people: People of the labeled frames.
        wanted: Video and number of the frames, none of which is labeled.
    """
    labeled = _by_frame(people)
    targets = []
    for video, number in wanted:
        before = max((other for other in labeled[video] if other < number), default=None)
        after = min((other for other in labeled[video] if other > number), default=None)
        sources = sorted(
            (other for other in (before, after) if other is not None), key=lambda other: abs(other - number)
        )
        known: set[int] = set()
        for source in sources:
            own = [person for person in labeled[video][source] if people[person].track not in known]
            targets += [Target(person, number) for person in own]
            known |= {people[person].track for person in own}
    return targets


def missing(people: Sequence[Person], numbers: Mapping[int, Sequence[int]]) -> list[Target]:
    """Return the people who lack a label or some joints in each frame, each from the nearest label.

    Unlike in `around`, people without a label in a labeled frame may be visible there.

    Args:
        people: Labeled people with tracks.
        numbers: Numbers of the frames of each video.
    """
    tracks: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for index, person in enumerate(people):
        tracks[person.video, person.track][person.number] = index
    targets = []
    for (video, _), labels in tracks.items():
        for number in numbers[video]:
            own = people[labels[number]].labeled if number in labels else False
            useful = (other for other, index in labels.items() if (people[index].labeled & ~np.asarray(own)).any())
            source = min((other for other in useful if other != number), key=lambda n: abs(n - number), default=None)
            targets += [Target(labels[source], number)] if source is not None else []
    return targets


def reachable_ground_truth(
    truth: Iterable[Person], people: Sequence[Person], targets: Sequence[Target]
) -> list[Person]:
    """Return the people of `truth` that a target reaches, with the joints that the source label also has.

    Args:
        truth: Labels to compare with.
        people: Labeled people.
        targets: Targets that were propagated.
    """
    start = {
        (people[target.person].video, target.number, people[target.person].track): people[target.person]
        for target in targets
    }
    keys = [(person, (person.video, person.number, person.track)) for person in truth if person.track >= 0]
    return [replace(person, labeled=person.labeled & start[key].labeled) for person, key in keys if key in start]


def copy_labels(people: Sequence[Person], targets: Sequence[Target]) -> PropagatedPoses:
    """Return each label unchanged.

    Args:
        people: Labeled people.
        targets: At least one target.
    """
    joints = np.array([people[target.person].joints for target in targets])
    return PropagatedPoses(joints, np.array([people[target.person].labeled for target in targets], dtype=np.float64))


def warp(
    infer: EstimateClips,
    people: Sequence[Person],
    targets: Sequence[Target],
    *,
    hop: int,
    follow: bool,
    relative: bool,
) -> PropagatedPoses:
    """Return labels warped from their frame to others, in hops.

    Args:
        infer: Warps the labels of people to the frames at given offsets.
        people: Labeled people.
        targets: At least one target.
        hop: Largest number of frames that one warp bridges. Farther frames are reached in several hops: the decoded
            pose becomes the next label, and its score multiplies the scores that follow.
        follow: Move the crop along with the pose after each hop.
        relative: Measure the displacement from the label warped onto its own frame, and add it to the label. This
            cancels the rounding to cells and any constant shift of the head.
    """
    num_joints = len(people[targets[0].person].joints)
    result = PropagatedPoses(np.zeros((len(targets), num_joints, 2)), np.zeros((len(targets), num_joints)))
    for direction in (1, -1):
        ends: dict[int, dict[int, int]] = defaultdict(dict)  # for each person and distance, the target
        for index, target in enumerate(targets):
            distance = (target.number - people[target.person].number) * direction
            if distance > 0 or (distance == 0 and direction == 1):
                ends[target.person][distance] = index
        fronts = {person: (people[person], np.ones(num_joints)) for person in ends}
        start = 0
        while fronts:
            reach = min(hop, max(max(ends[person]) for person in fronts) - start)
            offsets = [direction * step for step in range(reach + 1)]
            poses = infer([person for person, _ in fronts.values()], offsets)
            for (person, (front, factor)), joints, scores in zip(
                fronts.items(), poses.joints, poses.scores, strict=True
            ):
                products = scores * factor  # (T, J)
                if relative:
                    joints = joints + np.where(front.labeled[:, None], front.joints - joints[0], 0)
                for step in range(0 if start == 0 else 1, reach + 1):
                    if start + step in ends[person]:
                        index = ends[person][start + step]
                        result.joints[index], result.scores[index] = joints[step], products[step]
                fronts[person] = (
                    as_label_at(front, front.number + direction * reach, joints[-1], scores[-1] > 0, follow=follow),
                    products[-1],
                )
            start += reach
            fronts = {person: front for person, front in fronts.items() if max(ends[person]) > start}
    return result


def distances(people: Sequence[Person], targets: Sequence[Target]) -> np.ndarray:
    """Return the (M,) numbers of frames between labels and targets.

    Args:
        people: Labeled people.
        targets: Targets.
    """
    return np.array([abs(target.number - people[target.person].number) for target in targets])


def _by_frame(people: Sequence[Person]) -> dict[int, dict[int, list[int]]]:
    """Return the indices of people by video and frame number."""
    frames: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, person in enumerate(people):
        frames[person.video][person.number].append(index)
    return frames


def as_label_at(person: Person, number: int, joints: np.ndarray, found: np.ndarray, *, follow: bool) -> Person:
    """Return the person with a label in another frame.

    Args:
        person: Labeled person.
        number: Number of the other frame.
        joints: (J, 2) joints in that frame.
        found: (J,) bool, True for joints that stay labeled if they were labeled before.
        follow: Move the crop by the median displacement of the joints.
    """
    known = person.labeled & found
    center = person.center
    if follow and known.any():
        step = np.median(joints[known] - person.joints[known], axis=0)
        center = (center + step).astype(np.float32)
    return replace(person, number=number, center=center, joints=joints, labeled=known)
