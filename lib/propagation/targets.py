"""Labels of some frames as labels of other frames: which label goes where, and what takes it there.

The warp moves a label inside a crop, on heatmaps. lib.propagation.flow has what moves it in the image,
lib.propagation.fusion what makes one pose of several.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lib.core.predictor import Poses
from lib.dataset.people import Person

EstimateClips = Callable[[list[Person], list[int]], Poses]
"""People and frame offsets, the first 0, to poses (P, T, J) in the frames at these offsets."""

PropagationMethod = Callable[[Sequence[Person], Sequence["Target"]], "PropagatedPoses"]
"""Labelled people and the moves wanted of them, at least one, to where these end."""


class Target(NamedTuple):
    """A labelled person whose pose is wanted in another frame.

    Attributes:
        person: index among the labelled people.
        number: of the wanted frame among the video's files.
    """

    person: int
    number: int


class PropagatedPoses(NamedTuple):
    """Where M moves end.

    Attributes:
        joints: (M, J, 2) float64 x, y in image pixels.
        scores: (M, J) float64; 0 or less where nothing is known of the joint.
        apart: (M, J) pixels between where the labels before and after the frame take the joint; NaN where one of them
            alone does; None: each move is from one label, or labels stay where they are.
    """

    joints: np.ndarray
    scores: np.ndarray
    disagreement: np.ndarray | None = None


def nearest(people: Sequence[Person], wanted: Iterable[tuple[int, int]]) -> list[Target]:
    """For each wanted frame everybody of the labelled frame nearest in time, the earlier of two.

    Args:
        people: of the labelled frames.
        wanted: video and number of the frames, which may be labelled themselves; of videos without a label none is.
    """
    labeled = _by_frame(people)
    targets = []
    for video, number in wanted:
        source = min(labeled[video], key=lambda other: (abs(other - number), other), default=None)
        targets += [Target(person, number) for person in labeled[video].get(source, ())]
    return targets


def around(people: Sequence[Person], wanted: Iterable[tuple[int, int]]) -> list[Target]:
    """For each wanted frame everybody of the labelled frames before and after it, from the nearer one that has them.

    Args:
        people, wanted: as of `nearest`, but none of the frames is labelled.
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
    """For each frame everybody who is labelled in others but not in it, or not with all joints, from the nearest label.

    Unlike `around`, a labelled frame does not say that those who have no label there are not there.

    Args:
        people: the labelled people, with tracks.
        numbers: by video those of its frames.
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
    """Those of `truth` whom a move leads to, with the joints labelled that are also labelled where it starts."""
    start = {
        (people[target.person].video, target.number, people[target.person].track): people[target.person]
        for target in targets
    }
    keys = [(person, (person.video, person.number, person.track)) for person in truth if person.track >= 0]
    return [replace(person, labeled=person.labeled & start[key].labeled) for person, key in keys if key in start]


def copy_labels(people: Sequence[Person], targets: Sequence[Target]) -> PropagatedPoses:
    """The label where it is."""
    joints = np.array([people[target.person].joints for target in targets])
    return PropagatedPoses(joints, np.array([people[target.person].labeled for target in targets], dtype=np.float64))


def warp(
    infer: EstimateClips, people: Sequence[Person], targets: Sequence[Target], hop: int, follow: bool, relative: bool
) -> PropagatedPoses:
    """Labels warped from their frame to others, in hops.

    Args:
        infer: warps people's labels to the frames at given offsets.
        hop: frames that one warp bridges at most. A frame further away is reached over the frames between, where the
            decoded pose is the next label and its score goes on as a factor.
        follow: after each hop the crop goes along with the pose.
        relative: take the way from where the label ends when it is warped onto its own frame, and add it to the label.
            That gives back what rounding to cells took from the label, and what the head shifts at rest.
    """
    num_joints = len(people[targets[0].person].joints)
    result = PropagatedPoses(np.zeros((len(targets), num_joints, 2)), np.zeros((len(targets), num_joints)))
    for direction in (1, -1):
        ends: dict[int, dict[int, int]] = defaultdict(dict)  # of each person, by distance: the move
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
                    as_label_at(front, front.number + direction * reach, joints[-1], scores[-1] > 0, follow),
                    products[-1],
                )
            start += reach
            fronts = {person: front for person, front in fronts.items() if max(ends[person]) > start}
    return result


def distances(people: Sequence[Person], targets: Sequence[Target]) -> np.ndarray:
    """(M,) frames between each move's label and its end."""
    return np.array([abs(target.number - people[target.person].number) for target in targets])


def _by_frame(people: Sequence[Person]) -> dict[int, dict[int, list[int]]]:
    """Indices of people by video and by number of the frame."""
    frames: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, person in enumerate(people):
        frames[person.video][person.number].append(index)
    return frames


def as_label_at(person: Person, number: int, joints: np.ndarray, found: np.ndarray, follow: bool) -> Person:
    """The person as if labelled in another frame.

    Args:
        number: of that frame.
        joints: (J, 2) where its joints are there; found: (J,) which of them count, if they were labelled before.
        follow: the crop goes along, by the median of the joints' ways.
    """
    known = person.labeled & found
    center = person.center
    if follow and known.any():
        step = np.median(joints[known] - person.joints[known], axis=0)
        center = (center + step).astype(np.float32)
    return replace(person, number=number, center=center, joints=joints, labeled=known)
