"""Targets of propagation, and the warp that takes labels to them.

The warp moves a label within a crop, on heatmaps. lib.propagation.flow moves it in the image.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
        joints: Indices of the joints that are wanted; None for all.
    """

    person: int
    number: int
    joints: tuple[int, ...] | None = None


class PropagatedPoses(NamedTuple):
    """Poses of M targets.

    Attributes:
        joints: (M, J, 2) float64 x, y in image pixels.
        scores: (M, J) float64; 0 or less if the position of the joint is unknown.
        disagreement: (M, J) pixels between the poses from the label before and from the label after; NaN where only one
            of them has the joint; None if each pose comes from one label, or if labels are copied.
        spread: (M, J) mean distance of fused sources from the pose, as a share of the crop's longer side; or None.
    """

    joints: np.ndarray
    scores: np.ndarray
    disagreement: np.ndarray | None = None
    spread: np.ndarray | None = None


def nearest_targets(people: Sequence[Person], wanted: Iterable[tuple[int, int]]) -> list[Target]:
    """Return all people of the nearest labeled frame, the earlier of two, for each wanted frame.

    Args:
        people: People of the labeled frames.
        wanted: Video and number of the frames, which may be labeled; videos without a label have no targets.
    """
    labeled = _by_frame(people)
    targets = []
    for video, number in wanted:
        if frames := labeled[video]:
            source = min(frames, key=lambda other: (abs(other - number), other))
            targets += [Target(person, number) for person in frames[source]]
    return targets


def dense_targets(
    people: Sequence[Person], numbers: Mapping[int, Sequence[int]], complete: Mapping[int, Collection[int]]
) -> list[Target]:
    """Return what the labels around each frame say about every individual in it.

    A joint comes from the nearest labels before and after the frame that decide on it. Joints that come from different
    labels are different targets. A complete frame bounds them: an individual that it does not show has left the scene.

    Args:
        people: Labeled people with tracks.
        numbers: Numbers of the frames of each video.
        complete: Numbers of the frames that were labeled as a whole, by video: these are not wanted.

    Returns:
        Targets, each from the nearer label, the earlier one of two, in the order of videos and frames.
    """
    tracks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index in sorted(range(len(people)), key=lambda index: people[index].number):
        tracks[people[index].video, people[index].track].append(index)
    targets = []
    num_joints = len(people[0].labeled) if people else 0
    for (video, _), labels in tracks.items():
        whole = sorted(complete.get(video, ()))
        shared = _shared_labels(people, labels)
        own = {people[index].number: people[index] for index in labels}
        for number in numbers[video]:
            place = bisect_left(whole, number)
            if whole[place : place + 1] == [number]:
                continue
            low, high = (whole[place - 1] if place else -np.inf), (whole[place] if place < len(whole) else np.inf)
            wanted = range(num_joints) if number not in own else own[number].open_joints
            for sides, joints in _joints_by_sides(people, shared, number, wanted).items():
                useful = [
                    index
                    for index in sides
                    if index is not None and low <= people[index].number <= high and people[index].labeled[joints].any()
                ]
                if useful:
                    source = min(useful, key=lambda index: abs(people[index].number - number))
                    targets.append(Target(source, number, None if len(joints) == num_joints else tuple(joints)))

    def order(target: Target) -> tuple[int, ...]:
        source = people[target.person]
        return source.video, target.number, abs(source.number - target.number), target.person

    return sorted(targets, key=order)


def _shared_labels(people: Sequence[Person], labels: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Return the groups of joints that the same labels of an individual decide on, and the indices of these labels."""
    decided = np.stack([people[index].decided for index in labels])  # (L, J)
    groups: dict[bytes, list[int]] = defaultdict(list)
    for joint, column in enumerate(decided.T):
        groups[column.tobytes()].append(joint)
    return [
        (joints, [labels[row] for row in np.flatnonzero(decided[:, joints[0]]).tolist()])
        for joints in groups.values()
        if decided[:, joints[0]].any()
    ]


def _joints_by_sides(
    people: Sequence[Person], shared: Sequence[tuple[list[int], list[int]]], number: int, wanted: Collection[int]
) -> dict[tuple[int | None, int | None], list[int]]:
    """Return the wanted joints by the labels before and after a frame that decide on them."""
    found: dict[tuple[int | None, int | None], list[int]] = defaultdict(list)
    for joints, labels in shared:
        before = bisect_left(labels, number, key=lambda index: people[index].number)
        after = before + (before < len(labels) and people[labels[before]].number == number)
        sides = labels[before - 1] if before else None, labels[after] if after < len(labels) else None
        found[sides] += [joint for joint in joints if joint in wanted]
    return {sides: sorted(joints) for sides, joints in found.items() if joints}


def join_joints(
    people: Sequence[Person],
    targets: Sequence[Target],
    poses: PropagatedPoses,
    sources: Sequence[Sequence[Sequence[int]]],
) -> tuple[list[Target], PropagatedPoses, list[list[Sequence[int]]]]:
    """Join the targets of the same individual in the same frame.

    Args:
        people: Labeled people.
        targets: Targets, as returned by `dense_targets`.
        poses: Poses of the targets.
        sources: Numbers of the frames that each joint of each target comes from.

    Returns:
        Targets without `joints`, their poses, and the sources of their joints. A target comes from the nearest label of
        those that were joined. Joints that no target wanted have score 0.
    """
    rows: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for row, target in enumerate(targets):
        rows[people[target.person].video, people[target.person].track, target.number].append(row)
    far = distances(people, targets)
    first = [min(own, key=lambda row: far[row]) for own in rows.values()]
    disagreement = None if poses.disagreement is None else poses.disagreement[first]
    joined = PropagatedPoses(poses.joints[first], poses.scores[first], disagreement)
    origins = [list(sources[row]) for row in first]
    for place, own in enumerate(rows.values()):
        joined.scores[place] = 0
        for row in own:
            wanted = targets[row].joints
            chosen = list(range(poses.scores.shape[1]) if wanted is None else wanted)
            for array, values in zip(joined, poses, strict=True):
                if array is not None and values is not None:
                    array[place, chosen] = values[row, chosen]
            for joint in chosen:
                origins[place][joint] = sources[row][joint]
    return [targets[row]._replace(joints=None) for row in first], joined, origins


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
