"""Fusion of several poses into one: from two labels, by several methods, and with the net's own heatmaps.

This happens in image space, after decoding, and is not part of the PoseWarper paper.
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

EVEN_SCORE = 0.25
"""Score of the net's own joint at which it has the same weight as the propagated joint."""
AGREEMENT = 0.01
"""Typical distance between correct sources and the joint, as a share of the longer side of the person's crop."""
DOUBT = 0.015
"""Distance above which a source loses weight, as a share of the same side."""
MIN_AGREEMENT = 1e-3
"""Smallest agreement, for joints whose sources all disagree."""
ROUNDS = 10
"""Number of iterations of the robust mean."""
ALIKE = 1.0
"""Logarithm of the weight of a source whose surroundings are equal to the label's, relative to one without likeness."""

Likeness = Callable[[Sequence[Person], Sequence[Target], np.ndarray], np.ndarray]
"""Function from labeled people, M targets and joints (M, J, 2) to the likeness (M, J) of the image around the joints to
that around the label's (lib.propagation.likeness)."""


def opposite_labels(people: Sequence[Person], targets: Sequence[Target]) -> list[Target | None]:
    """Return for each target one from the same person's next label on the other side of the frame, or None.

    Labels that say nothing about the target's joints are passed over.

    Args:
        people: Labeled people.
        targets: Targets.
    """
    labels: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, person in enumerate(people):
        if person.track >= 0:
            labels[person.video, person.track].append(index)
    result = []
    for target in targets:
        source = people[target.person]
        side = np.sign(target.number - source.number)
        joints = slice(None) if target.joints is None else list(target.joints)
        beyond = [
            p
            for p in labels[source.video, source.track]
            if (people[p].number - target.number) * side > 0 and people[p].decided[joints].any()
        ]
        other = min(beyond, key=lambda p: abs(people[p].number - target.number), default=None)
        result.append(None if other is None or side == 0 else target._replace(person=other))
    return result


def fuse(sources: Sequence[PropagatedPoses], weights: Sequence[np.ndarray]) -> PropagatedPoses:
    """Return the weighted mean of several poses.

    Args:
        sources: S sources of poses for the same M targets.
        weights: S arrays (M, J), not negative. Where all weights are 0, the joint is the first source's, with score 0.

    Returns:
        Mean joints and scores.
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
    """Return the weighted mean of several poses, in which outliers have little weight.

    Huber's weights (P. J. Huber, Robust Estimation of a Location Parameter, 1964) multiply those of the sources: DOUBT
    divided by the distance from the result, and at most 1. Sources rarely make the same error, so the score includes
    how well they agree.

    Args:
        sources: S sources of poses for the same M targets.
        weights: S arrays (M, J), not negative. Where all weights are 0, the joint is the first source's, with score 0.
        sizes: (M,) longer side of each person's crop in pixels.

    Returns:
        Mean joints, and mean scores multiplied by the agreement. The agreement is the weighted mean of a Gaussian of
        width AGREEMENT over the distances from the result. It is at least MIN_AGREEMENT, because a score of 0 marks
        an unknown joint. The spread is the weighted mean of the distances.
    """
    fused = fuse(sources, weights)
    for _ in range(ROUNDS):
        away = _distances(sources, fused, sizes)
        fused = fuse(sources, [own / np.maximum(far / DOUBT, 1) for own, far in zip(weights, away, strict=True)])
    away = _distances(sources, fused, sizes)
    near = [own * np.exp(-((far / AGREEMENT) ** 2) / 2) for own, far in zip(weights, away, strict=True)]
    total = np.sum(weights, axis=0)
    total = np.where(total > 0, total, 1)
    agreement = np.sum(near, axis=0) / total
    spread = np.sum([own * far for own, far in zip(weights, away, strict=True)], axis=0) / total
    return PropagatedPoses(fused.joints, fused.scores * np.maximum(agreement, MIN_AGREEMENT), spread=spread)


def _distances(sources: Sequence[PropagatedPoses], fused: PropagatedPoses, sizes: np.ndarray) -> list[np.ndarray]:
    """Return the distance (M, J) of each source from the result, as a share of the longer side of the person's crop."""
    return [np.linalg.norm(source.joints - fused.joints, axis=2) / sizes[:, None] for source in sources]


def fuse_sides(people: Sequence[Person], targets: Sequence[Target], method: PropagationMethod) -> PropagatedPoses:
    """Return poses propagated from the nearest label and from the same person's next label on the frame's other side.

    The two poses are weighted by their scores and by the inverse of their distances in frames. For copied labels, this
    is linear interpolation.

    Args:
        people: Labeled people.
        targets: At least one target.
        method: Propagation method that uses one side.
    """
    ends, shares = _sides(people, targets, method)
    disagreement = None if method is copy_labels else _disagreement(ends, shares)
    return fuse(ends, shares)._replace(disagreement=disagreement)


def _disagreement(ends: Sequence[PropagatedPoses], shares: Sequence[np.ndarray]) -> np.ndarray:
    """Return (M, J) pixels between the poses of two sides; NaN where one of them lacks the joint."""
    both = (shares[0] > 0) & (shares[1] > 0)
    return np.where(both, np.linalg.norm(ends[0].joints - ends[1].joints, axis=2), np.nan)


def joint_sources(people: Sequence[Person], targets: Sequence[Target], both_sides: bool) -> list[list[list[int]]]:
    """Return the numbers of the labeled frames that each joint of each target comes from, in ascending order.

    Args:
        people: Labeled people.
        targets: Targets.
        both_sides: The same person's next label on the other side of the frame was used too.
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
    """Return the poses from the targets' own labels and from those on the other side, and both weights (M, J)."""
    others = opposite_labels(people, targets)
    both = [index for index, other in enumerate(others) if other is not None]
    away = [other for other in others if other is not None]
    poses = method(people, [*targets, *away])  # in one call, so that shared paths are computed once
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


def combine(
    people: Sequence[Person],
    targets: Sequence[Target],
    methods: Sequence[PropagationMethod],
    errors: Sequence[float],
    likeness: Likeness,
) -> PropagatedPoses:
    """Return the robust mean of poses propagated by several methods from the labels on both sides.

    Each method is weighted by the inverse square of its error, and its two sides by their scores and the inverse of
    their distances in frames. The weight also grows with the likeness of the image around the joint to that around the
    label's joint. Copied labels are interpolated between the two sides; they do not count for a joint that only one
    side has.

    Args:
        people: Labeled people.
        targets: At least one target.
        methods: Propagation methods that use one side.
        errors: Leave-one-out error of each method (lib.propagation.leave_one_out). If one is NaN, all methods have the
            same weight.
        likeness: Likeness of the image around joints to that around the label's joints.
    """
    known = np.isfinite(errors).all()
    others = opposite_labels(people, targets)
    sources, weights = [], []
    sides: list[tuple[list[PropagatedPoses], list[np.ndarray]]] = [([], []), ([], [])]
    for method, error in zip(methods, errors, strict=True):
        trust = 1 / max(error, 1e-3) ** 2 if known else 1.0
        ends, shares = _sides(people, targets, method)
        if method is copy_labels:  # the two sides differ by the person's motion
            middle = fuse(ends, shares)
            sources.append(middle)
            alike = _alike(people, targets, middle.joints, likeness)
            weights.append(trust * alike * ((shares[0] > 0) & (shares[1] > 0)))
        else:
            total = np.where((total := np.sum(shares, axis=0)) > 0, total, 1)
            sources += ends
            for end, share, labels in zip(ends, shares, (targets, others), strict=True):
                weights.append(trust * share / total * _alike(people, labels, end.joints, likeness))
            for (own, counts), end, share in zip(sides, ends, shares, strict=True):
                own.append(end)
                counts.append(trust * (share > 0))
    sizes = np.array([people[target.person].scale.max() * PIXELS_PER_SCALE for target in targets])
    poses = robust_fuse(sources, weights, sizes)
    if not sides[0][0]:
        return poses
    disagreement = _disagreement([fuse(*side) for side in sides], [np.sum(counts, axis=0) for _, counts in sides])
    return poses._replace(disagreement=disagreement)


def _alike(
    people: Sequence[Person], targets: Sequence[Target | None], joints: np.ndarray, likeness: Likeness
) -> np.ndarray:
    """Return the factor (M, J) by which the likeness of joints (M, J, 2) changes their weight; 1 without a target."""
    factors = np.ones(joints.shape[:2])
    rows = [row for row, target in enumerate(targets) if target]
    if rows:
        factors[rows] = np.exp(ALIKE * likeness(people, [target for target in targets if target], joints[rows]))
    return factors


def refine(
    look: Callable[[float], EstimateClips],
    people: Sequence[Person],
    targets: Sequence[Target],
    poses: PropagatedPoses,
    *,
    spread: float,
) -> PropagatedPoses:
    """Return poses moved toward the joints that the net finds in their neighborhood.

    Args:
        look: Returns a function that estimates poses from the net's heatmaps times a Gaussian around each joint. Its
            argument is the width of the Gaussian as a share of the crop's height.
        people: Labeled people.
        targets: Targets of the poses.
        poses: Propagated poses. Those in the frame of their label stay unchanged.
        spread: Width of the Gaussian for each frame between label and target.
    """
    joints, scores = poses.joints.copy(), poses.scores.copy()
    far = distances(people, targets)
    for distance in np.unique(far[far > 0]).tolist():
        rows = np.flatnonzero(far == distance).tolist()
        taken = [
            as_label_at(
                people[targets[row].person], targets[row].number, poses.joints[row], poses.scores[row] > 0, follow=True
            )
            for row in rows
        ]
        seen = look(spread * distance)(taken, [0])
        known = np.array([person.labeled for person in taken])  # (R, J)
        trust = np.where(known, seen.scores / (seen.scores + EVEN_SCORE), 0)
        joints[rows] += trust[..., None] * (seen.joints - joints[rows])
        scores[rows] += trust * (seen.scores - scores[rows])
    return poses._replace(joints=joints, scores=scores)
