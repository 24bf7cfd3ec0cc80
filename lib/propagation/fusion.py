"""One pose of several sources: two labels, several ways to move one, the net's own heatmaps.

Nothing is warped here: this is image space, after decoding, and is not in the PoseWarper paper.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE
from lib.propagation.targets import (
    EstimateClips,
    PropagatedPoses,
    PropagationMethod,
    Target,
    as_label_at,
    copy_labels,
    distances,
)

EVEN_PEAK = 0.25
"""The peak of a net's heatmap that counts as much as what the pose was taken for before."""
AGREEMENT = 0.01
"""How far from a joint those sources lie that are right about it, in the longer side of the person's crop."""
DOUBT = 0.015
"""The distance from where a source is doubted, in the same."""
MIN_AGREEMENT = 1e-3
"""Of a joint of which the sources know, but each another place."""
ROUNDS = 10
"""Of finding where sources agree."""


def opposite_labels(people: Sequence[Person], targets: Sequence[Target]) -> list[Target | None]:
    """For each move the same person's from the next label on the frame's other side; None where there is none."""
    labels: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, person in enumerate(people):
        if person.track >= 0:
            labels[person.video, person.track].append(index)
    result = []
    for target in targets:
        source = people[target.person]
        side = np.sign(target.number - source.number)
        beyond = [p for p in labels[source.video, source.track] if (people[p].number - target.number) * side > 0]
        other = min(beyond, key=lambda p: abs(people[p].number - target.number), default=None)
        result.append(None if other is None or side == 0 else Target(other, target.number))
    return result


def fuse(sources: Sequence[PropagatedPoses], weights: Sequence[np.ndarray]) -> PropagatedPoses:
    """Poses of several sources as one: the weighted mean.

    Args:
        sources: S of them, of the same M moves.
        weights: S times (M, J), not negative. Where all are 0 the first source's guess is taken, with score 0.

    Returns:
        the means of joints and scores.
    """
    shares = np.stack(weights)  # (S, M, J)
    total = shares.sum(axis=0)
    shares = np.where(total > 0, shares / np.where(total > 0, total, 1), 0)
    joints = (shares[..., None] * np.stack([source.joints for source in sources])).sum(axis=0)  # (M, J, 2)
    scores = (shares * np.stack([source.scores for source in sources])).sum(axis=0)
    return PropagatedPoses(np.where(total[..., None] > 0, joints, sources[0].joints), scores)


def robust_fuse(
    sources: Sequence[PropagatedPoses], weights: Sequence[np.ndarray], sizes: np.ndarray
) -> PropagatedPoses:
    """Poses of several sources as one, from which a source that lies far from the others takes little.

    The weighted mean with Huber's weights (P. J. Huber, Robust Estimation of a Location Parameter, 1964): those
    further than DOUBT from the result count by that over their distance. Sources that err seldom err alike, so that the
    score tells how far they agree.

    Args:
        sources, weights: as of `fuse`.
        sizes: (M,) the longer side of each person's crop.

    Returns:
        the points; the scores' means, times the share of the weights that lies at the result, by a gaussian AGREEMENT
        wide, but MIN_AGREEMENT at least: nothing is known of a joint of score 0 alone.
    """
    fused = fuse(sources, weights)
    for _ in range(ROUNDS):
        away = _distances(sources, fused, sizes)
        fused = fuse(sources, [own / np.maximum(far / DOUBT, 1) for own, far in zip(weights, away, strict=True)])
    away = _distances(sources, fused, sizes)
    near = [own * np.exp(-((far / AGREEMENT) ** 2) / 2) for own, far in zip(weights, away, strict=True)]
    total = np.sum(weights, axis=0)
    agreement = np.sum(near, axis=0) / np.where(total > 0, total, 1)
    return PropagatedPoses(fused.joints, fused.scores * np.maximum(agreement, MIN_AGREEMENT))


def _distances(sources: Sequence[PropagatedPoses], fused: PropagatedPoses, sizes: np.ndarray) -> list[np.ndarray]:
    """How far each source lies from the result, (M, J) in the longer side of the person's crop."""
    return [np.linalg.norm(source.joints - fused.joints, axis=2) / sizes[:, None] for source in sources]


def fuse_sides(people: Sequence[Person], targets: Sequence[Target], method: PropagationMethod) -> PropagatedPoses:
    """Each pose from the nearest label, and from the same person's next label on the other side of the frame.

    They are weighted by score and by nearness in time.
    With labels that stay where they are this is linear interpolation.

    Args:
        mover: takes a label to another frame from one side.
    """
    ends, shares = _sides(people, targets, method)
    disagreement = None if method is copy_labels else _disagreement(ends, shares)
    return fuse(ends, shares)._replace(disagreement=disagreement)


def _disagreement(ends: Sequence[PropagatedPoses], shares: Sequence[np.ndarray]) -> np.ndarray:
    """(M, J) pixels between two sides' ends; NaN where one of them knows nothing of the joint."""
    both = (shares[0] > 0) & (shares[1] > 0)
    return np.where(both, np.linalg.norm(ends[0].joints - ends[1].joints, axis=2), np.nan)


def joint_sources(people: Sequence[Person], targets: Sequence[Target], both_sides: bool) -> list[list[list[int]]]:
    """For each move and joint the numbers of the labelled frames that tell where it is, ascending.

    Args:
        both_sides: the same person's next label on the frame's other side was asked too.
    """
    others = opposite_labels(people, targets) if both_sides else [None] * len(targets)
    result = []
    for target, other in zip(targets, others, strict=True):
        labels = sorted((people[end.person] for end in (target, other) if end), key=lambda person: person.number)
        known = np.stack([person.labeled for person in labels], axis=1)  # (J, 1 or 2)
        result.append([[person.number for person, own in zip(labels, row, strict=True) if own] for row in known])
    return result


def _sides(
    people: Sequence[Person], targets: Sequence[Target], method: PropagationMethod
) -> tuple[tuple[PropagatedPoses, PropagatedPoses], list[np.ndarray]]:
    """Where the moves end from their own label and from that on the other side, and what each counts, (M, J)."""
    others = opposite_labels(people, targets)
    both = [index for index, other in enumerate(others) if other is not None]
    away = [other for other in others if other is not None]
    poses = method(people, [*targets, *away])  # in one call: what a label passes on its way is computed once
    near = PropagatedPoses(poses.joints[: len(targets)], poses.scores[: len(targets)])
    far = PropagatedPoses(np.zeros_like(near.joints), np.zeros_like(near.scores))
    weights = [
        np.maximum(near.scores, 0) / np.maximum(distances(people, targets), 1)[:, None],
        np.zeros_like(near.scores),
    ]
    if both:
        far.joints[both], far.scores[both] = poses.joints[len(targets) :], poses.scores[len(targets) :]
        weights[1][both] = np.maximum(far.scores[both], 0) / distances(people, away)[:, None]
    return (near, far), weights


def left_out_labels(people: Sequence[Person]) -> list[tuple[int, int, int]]:
    """Return the labels that lie between two others of their person, in the order of frames.

    Returns:
        Indices of the label before, of the label itself, and of the label after.
    """
    tracks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index in sorted((p for p in range(len(people)) if people[p].track >= 0), key=lambda p: people[p].number):
        tracks[people[index].video, people[index].track].append(index)
    between = [labels for track in tracks.values() for labels in zip(track, track[1:], track[2:], strict=False)]
    return sorted(between, key=lambda labels: (people[labels[1]].video, people[labels[1]].number))


def leave_one_out_targets(people: Sequence[Person], left_out: Sequence[tuple[int, int, int]]) -> list[Target]:
    """Return all frames on the way to labels from the labels before and after.

    Args:
        people: Labeled people.
        left_out: Labels to propagate to, as `left_out_labels` returns them.
    """
    targets = []
    for before, own, after in left_out:
        number = people[own].number
        targets += [Target(before, passed) for passed in range(people[before].number + 1, number + 1)]
        targets += [Target(after, passed) for passed in range(people[after].number - 1, number - 1, -1)]
    return targets


def leave_one_out_error(people: Sequence[Person], method: PropagationMethod) -> float:
    """Return the error of a method on labels left out, each propagated from the labels before and after it.

    Args:
        people: Labeled people.
        method: Method to measure.

    Returns:
        Median over joints, as a share of the longer side of the person's crop; NaN if no label lies between two others.
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


def combine(
    people: Sequence[Person], targets: Sequence[Target], methods: Sequence[PropagationMethod], errors: Sequence[float]
) -> PropagatedPoses:
    """What several movers make of the labels on both sides, as far as they agree.

    Each counts by the inverse square of its error, its two sides by score and nearness in time.

    Labels that stay where they are interpolate between two sides; a joint that but one of them has they do not tell of.

    Args:
        errors: one for each mover, as of `leave_one_out_error`; if one is not known, all count alike.
    """
    known = np.isfinite(errors).all()
    sources, weights = [], []
    sides: list[tuple[list[PropagatedPoses], list[np.ndarray]]] = [([], []), ([], [])]
    for method, error in zip(methods, errors, strict=True):
        trust = 1 / max(error, 1e-3) ** 2 if known else 1.0
        ends, shares = _sides(people, targets, method)
        if method is copy_labels:  # these lie apart as their person moves
            middle = fuse(ends, shares)
            sources.append(middle)
            weights.append(trust * ((shares[0] > 0) & (shares[1] > 0)))
        else:
            total = np.sum(shares, axis=0)
            sources += ends
            weights += [trust * share / np.where(total > 0, total, 1) for share in shares]
            for (own, counts), end, share in zip(sides, ends, shares, strict=True):
                own.append(end)
                counts.append(trust * (share > 0))
    sizes = np.array([people[target.person].scale.max() * PIXELS_PER_SCALE for target in targets])
    poses = robust_fuse(sources, weights, sizes)
    if not sides[0][0]:
        return poses
    disagreement = _disagreement([fuse(*side) for side in sides], [np.sum(counts, axis=0) for _, counts in sides])
    return poses._replace(disagreement=disagreement)


def refine(
    look: Callable[[float], EstimateClips],
    people: Sequence[Person],
    targets: Sequence[Target],
    poses: PropagatedPoses,
    spread: float,
) -> PropagatedPoses:
    """Poses drawn to where the net sees the joints, near the place that they were taken to.

    Args:
        look: infers poses by the net's heatmaps times a gaussian around each joint, of a width that is given as a
            share of the crop's height.
        moved: where the joints of the moves are taken to be; those of labels that are not moved stay.
        spread: width of the gaussian for each frame of a move's distance.
    """
    joints, scores = poses.joints.copy(), poses.scores.copy()
    far = distances(people, targets)
    for distance in np.unique(far[far > 0]).tolist():
        rows = np.flatnonzero(far == distance)
        taken = [
            as_label_at(
                people[targets[row].person], targets[row].number, poses.joints[row], poses.scores[row] > 0, follow=True
            )
            for row in rows
        ]
        seen = look(spread * distance)(taken, [0])
        known = np.array([person.labeled for person in taken])  # (R, J)
        trust = np.where(known, seen.scores / (seen.scores + EVEN_PEAK), 0)
        joints[rows] += trust[..., None] * (seen.joints - joints[rows])
        scores[rows] += trust * (seen.scores - scores[rows])
    return poses._replace(joints=joints, scores=scores)
