"""Leave-one-out errors: labels left out, propagated from the labels before and after them, and compared with them."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE
from lib.propagation.fusion import fuse_sides
from lib.propagation.methods import METHODS
from lib.propagation.options import PropagationOptions
from lib.propagation.probability import fit_offsets
from lib.propagation.targets import PropagatedPoses, PropagationMethod, Target
from lib.utils.progress import progress_bar

logger = logging.getLogger(__name__)

LEFT_OUT = 4
"""Number of labels to leave out at a time."""

Fuse = Callable[..., PropagatedPoses]
"""Function from methods, their errors, labeled people and targets to poses whose scores are probabilities. Its keyword
`is_refined` is False if the net may not refine them."""


@dataclass(frozen=True)
class LeaveOneOut:
    """Results of propagation to labels that were left out.

    Attributes:
        errors: Error of each method as a share of the longer side of the person's crop, median over joints; NaN if no
            label lies between two others of the same person.
        offsets: (J,) numbers to add to the log-odds of each joint's probability (lib.propagation.probability); empty if
            they were not measured.
    """

    errors: Sequence[float]
    offsets: Sequence[float] = ()

    @property
    def is_known(self) -> bool:
        """True if all errors are known."""
        return bool(np.isfinite(self.errors).all())


def measure(
    people: Sequence[Person], methods: Sequence[PropagationMethod], options: PropagationOptions, fuse: Fuse
) -> LeaveOneOut:
    """Propagate to left-out labels by several methods, and return the results.

    Args:
        people: Labeled people.
        methods: The method and the priors of `options`; empty without priors.
        options: Methods and their settings.
        fuse: Fuses poses of several methods.
    """
    if not methods:
        return LeaveOneOut([])
    _propagate_left_out(people, methods)
    errors = [leave_one_out_error(people, method) for method in methods]
    if not np.isfinite(errors).all():
        names = ", ".join(options.names)
        logger.info(
            "too few labels to compare methods, which takes three of the same person: %s have equal weights", names
        )
        return LeaveOneOut(errors)
    shares = [f"{name} {100 * error:.2f} %" for name, error in zip(options.names, errors, strict=True)]
    logger.info("leave-one-out errors (median, share of the crop's longer side): %s", ", ".join(shares))
    knows_labels = METHODS[options.method].needs_net and options.learned_from_labels
    if knows_labels and errors[0] < min(errors[1:]):
        logger.info("the net was trained on these labels: %s has the weight of the best prior", options.method)
        errors[0] = min(errors[1:])
    if not options.score_probabilities:
        return LeaveOneOut(errors)
    first = int(knows_labels)  # the net finds left-out labels too well
    fused = partial(fuse, methods[first:], errors[first:], is_refined=not options.learned_from_labels)
    return LeaveOneOut(errors, leave_one_out_offsets(people, fused).tolist())


def _propagate_left_out(people: Sequence[Person], methods: Sequence[PropagationMethod]) -> None:
    """Propagate to left-out labels by methods that remember their poses (lib.propagation.memo), and show progress."""
    left_out = left_out_labels(people)
    total = len(left_out) * len(methods)
    with progress_bar(total, "label", desc="compare methods", disable=not total) as bar:
        for start in range(0, len(left_out), LEFT_OUT):  # frames that one method reads are in memory for the next
            block = left_out[start : start + LEFT_OUT]
            targets = leave_one_out_targets(people, block)
            for method in methods:
                method(people, targets)
                bar.update(len(block))


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


def leave_one_out_offsets(people: Sequence[Person], method: PropagationMethod) -> np.ndarray:
    """Return what left-out labels add to the log-odds of each joint's probability (lib.propagation.probability).

    Args:
        people: Labeled people.
        method: Method that uses both sides, whose scores are probabilities.

    Returns:
        (J,) log-odds, 0 if no label lies between two others of the same person.
    """
    between = left_out_labels(people)
    if not between:
        return np.zeros(len(people[0].labeled))
    poses = method(people, [Target(before, people[own].number) for before, own, _ in between])
    errors = np.full(poses.scores.shape, np.nan)
    for row, (_, own, _) in enumerate(between):
        known = people[own].labeled
        joints = people[own].joints[known]
        if size := np.ptp(joints, axis=0).max() if len(joints) else 0:
            errors[row, known] = np.linalg.norm(poses.joints[row, known] - joints, axis=1) / size
    return fit_offsets(poses.scores, errors)
