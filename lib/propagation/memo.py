"""Poses that a method propagated before, kept in memory."""

import hashlib
from collections.abc import Sequence

import numpy as np

from lib.dataset.people import Person
from lib.propagation.targets import PropagatedPoses, PropagationMethod, Target


class Memo:
    """A propagation method that propagates each label to each frame once.

    Measuring the error on labels left out and propagating between these labels follow the same paths.

    Args:
        method: Its result for a target depends on the target's label alone.
    """

    def __init__(self, method: PropagationMethod) -> None:
        self._method = method
        self._poses: dict[tuple[bytes, int], tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, people: Sequence[Person], targets: Sequence[Target]) -> PropagatedPoses:
        """Return the poses of labeled people in other frames.

        Args:
            people: Labeled people.
            targets: Whose pose is wanted in which frame; at least one.
        """
        labels = {index: label_digest(people[index]) for index in {target.person for target in targets}}
        keys = [(labels[target.person], target.number) for target in targets]
        new = {key: target for key, target in zip(keys, targets, strict=True) if key not in self._poses}
        if new:
            poses = self._method(people, list(new.values()))
            self._poses.update(zip(new, zip(poses.joints, poses.scores, strict=True), strict=True))
        joints, scores = zip(*(self._poses[key] for key in keys), strict=True)
        return PropagatedPoses(np.stack(joints), np.stack(scores))


def label_digest(person: Person) -> bytes:
    """Return a digest of all that a propagated pose depends on in a label."""
    digest = hashlib.sha256(f"{person.video} {person.track} {person.number}".encode())
    for array in (person.center, person.scale, np.where(person.labeled[:, None], person.joints, 0), person.labeled):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
