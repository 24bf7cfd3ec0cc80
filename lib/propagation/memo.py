"""In-memory cache of propagated poses."""

import hashlib
from collections.abc import Sequence

import numpy as np

from lib.dataset.people import Person
from lib.propagation.targets import PropagatedPoses, PropagationMethod, Target


class Memo:
    """Propagation method that propagates each label to each frame only once.

    Leave-one-out errors and propagation between the same labels use the same paths.

    Args:
        method: Propagation method. Its pose for a target may depend only on the target's label.
    """

    def __init__(self, method: PropagationMethod) -> None:
        self._method = method
        self._poses: dict[tuple[bytes, int], tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, people: Sequence[Person], targets: Sequence[Target]) -> PropagatedPoses:
        """Return the poses of labeled people in other frames.

        Args:
            people: Labeled people.
            targets: At least one target.
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
    """Return a digest of everything in a label that its propagated poses depend on.

    Args:
        person: Labeled person.
    """
    digest = hashlib.sha256(f"{person.video} {person.track} {person.number}".encode())
    for array in (person.center, person.scale, np.where(person.labeled[:, None], person.joints, 0), person.labeled):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
