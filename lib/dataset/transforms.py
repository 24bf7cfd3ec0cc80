"""Augmentation of training clips: a random crop of a person, which all frames of the clip share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE, crop_matrix
from lib.pose.skeletons import Skeleton

HALF_BODY_PADDING = 1.5
ROTATION_PROBABILITY = 0.6
FLIP_PROBABILITY = 0.5


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of a crop, in the order of HRNet's code. MMPose mirrors earlier and makes the same crops.

    Attributes:
        skeleton: Skeleton of the joints.
        shift: Maximum shift of the center in x and y, as a share of the crop's width and height.
        shift_probability: Probability of a shift (MMPose). A half-body crop has its own center.
        half_body_probability: Probability of cropping the upper or the lower half of a person instead.
        half_body_joints: Half-body crops require more labeled joints than this.
        scale: Standard deviation of the scale factor, which stays within 1 ± scale.
        rotation: Standard deviation of the angle in degrees, which stays within ± 2 · rotation.
        flip: Mirror half of the clips.
    """

    skeleton: Skeleton
    shift: float
    shift_probability: float
    half_body_probability: float
    half_body_joints: int
    scale: float
    rotation: float
    flip: bool

    def draw(
        self, person: Person, image_width: int, size: Sequence[int], rng: np.random.Generator, udp: bool = False
    ) -> "DrawnCrop":
        """Return a random crop of a person.

        Args:
            person: The person.
            image_width: Width of the frames in pixels.
            size: Width and height of the crop in pixels.
            rng: Random number generator.
            udp: Use UDP's convention for the crop (lib.pose.crop).
        """
        center, scale = person.center, person.scale
        if self.shift and rng.random() < self.shift_probability:
            center = center + rng.uniform(-self.shift, self.shift, 2) * scale * PIXELS_PER_SCALE
        if person.labeled.sum() > self.half_body_joints and rng.random() < self.half_body_probability:
            center, scale = self._half_body(person, size[0] / size[1], rng) or (center, scale)
        scale = scale * np.clip(rng.standard_normal() * self.scale + 1, 1 - self.scale, 1 + self.scale)
        rotation = 0.0
        if rng.random() < ROTATION_PROBABILITY:
            rotation = float(np.clip(rng.standard_normal(), -2, 2) * self.rotation)
        flipped = self.flip and rng.random() < FLIP_PROBABILITY
        if flipped:
            center = np.array([image_width - 1 - center[0], center[1]])
        matrix = crop_matrix(center, scale, rotation, size, udp=udp)
        if flipped:  # the same as cropping the mirrored image: x becomes width − 1 − x first
            matrix = matrix @ np.array([[-1.0, 0.0, image_width - 1], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        return DrawnCrop(matrix, self.skeleton.flip_order if flipped else np.arange(self.skeleton.num_joints))

    def _half_body(
        self, person: Person, aspect_ratio: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the center and scale of one half of the labeled joints, or None if neither half has enough of them."""
        upper = np.isin(np.arange(self.skeleton.num_joints), self.skeleton.upper_body)
        halves = [person.joints[person.labeled & upper], person.joints[person.labeled & ~upper]]
        wants_upper = rng.standard_normal() < 0.5
        chosen = halves[0] if (wants_upper and len(halves[0]) > 2) or len(halves[1]) <= 2 else halves[1]
        if len(chosen) < 2 or not np.ptp(chosen, axis=0).any():
            return None
        width, height = np.ptp(chosen, axis=0)
        extent = np.array([max(width, aspect_ratio * height), max(height, width / aspect_ratio)])
        return chosen.mean(axis=0), extent / PIXELS_PER_SCALE * HALF_BODY_PADDING


@dataclass(frozen=True)
class DrawnCrop:
    """Random crop.

    Attributes:
        matrix: Matrix (2, 3) from the image to the crop.
        joint_order: (J,) index of the person's joint that is joint j of the crop.
    """

    matrix: np.ndarray
    joint_order: np.ndarray
