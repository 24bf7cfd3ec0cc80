"""Likeness of a joint's surroundings to those in its labeled frame, which shows joints that are lost or hidden."""

from collections.abc import Sequence

import cv2
import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE
from lib.propagation.flow import Read
from lib.propagation.targets import Target

RADIUS = 0.06
"""Half the side of the compared patches, as a share of the longer side of the person's crop."""
SAMPLES = 16
"""Width and height of the compared patches in samples."""
NOISE = 2.4
"""Standard deviation in gray levels below which the content of a patch counts as noise."""


def likeness(read: Read, people: Sequence[Person], targets: Sequence[Target], joints: np.ndarray) -> np.ndarray:
    """Return how much the image around joints in target frames is like that around the joints in their labeled frame.

    Args:
        read: Returns grayscale frames.
        people: Labeled people.
        targets: Targets.
        joints: (M, J, 2) joints in the frames of the targets.

    Returns:
        (M, J) correlations of the two patches, from −1 to 1, near 0 for patches without content and 0 for joints that
        are not labeled.
    """
    own: dict[int, np.ndarray] = {}
    found = np.zeros(joints.shape[:2])
    for row, target in enumerate(targets):
        person = people[target.person]
        radius = RADIUS * float(person.scale.max()) * PIXELS_PER_SCALE
        if target.person not in own:
            own[target.person] = _patches(read(person.video, person.number), person.joints, radius)
        other = _patches(read(person.video, target.number), joints[row], radius)
        norms = np.linalg.norm(own[target.person], axis=1), np.linalg.norm(other, axis=1)
        least = NOISE * SAMPLES
        products = (own[target.person] * other).sum(axis=1) / np.hypot(norms[0], least) / np.hypot(norms[1], least)
        found[row] = np.where(person.labeled, products, 0)
    return found


def _patches(image: np.ndarray, joints: np.ndarray, radius: float) -> np.ndarray:
    """Return the patches (J, SAMPLES²) around joints (J, 2), each minus its mean."""
    steps = np.linspace(-radius, radius, SAMPLES, dtype=np.float32)
    x = joints[:, 0, None, None].astype(np.float32) + steps + np.zeros((SAMPLES, 1), np.float32)
    y = joints[:, 1, None, None].astype(np.float32) + steps[:, None] + np.zeros(SAMPLES, np.float32)
    x, y = x.reshape(-1, SAMPLES), y.reshape(-1, SAMPLES)
    patches = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    flat: np.ndarray = patches.reshape(len(joints), -1).astype(np.float64)
    return np.asarray(flat - flat.mean(axis=1, keepdims=True))
