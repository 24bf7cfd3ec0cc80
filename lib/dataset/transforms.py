"""Augmentation of a training clip: one crop is drawn for a person, and all frames of the clip share it."""

from dataclasses import dataclass

import numpy as np

from lib.dataset.people import Person
from lib.pose.crop import PIXELS_PER_SCALE, crop_matrix
from lib.pose.skeletons import Skeleton

HALF_BODY_PADDING = 1.5
ROTATION_PROBABILITY = 0.6
FLIP_PROBABILITY = 0.5


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a crop, in the order of HRNet's code; MMPose's, which flips earlier, makes the same crops.

    Attributes:
        skeleton: of the joints.
        shift: farthest that the center moves in x and in y, as a share of the crop's width and height,
        shift_probability: of it moving at all (MMPose); a half body that is cropped has its own center.
        half_body_probability: of cropping the upper or the lower half of a person instead,
        half_body_joints: if more than so many of its joints are labelled.
        scale: standard deviation of the size's factor, which stays within 1 ± scale.
        rotation: standard deviation of the angle in degrees, which stays within ± 2 · rotation.
        flip: mirror every other clip.
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
        self, person: Person, image_width: int, size: tuple[int, int], rng: np.random.Generator, udp: bool = False
    ) -> "DrawnCrop":
        """A random crop of a person.

        Args:
            image_width: of the frames, in pixels.
            size: width, height of the crop.
            udp: the crop is in UDP's convention (lib.pose.crop).
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
        """Center and scale of one half of the labelled joints; None if neither has enough of them."""
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
    """A crop that was drawn.

    Attributes:
        matrix: (2, 3) from the image to the crop.
        joint_order: (J,) joint of the person that is joint j of the crop.
    """

    matrix: np.ndarray
    joint_order: np.ndarray
