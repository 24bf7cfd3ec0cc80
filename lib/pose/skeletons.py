"""Joint schemas of the data sets: names, mirror pairs, OKS constants, bones.

Sources: the data sets' own annotation files (names), COCO's and MMPose's evaluation constants (sigmas), HRNet's
training weights (joint_weights).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """A joint schema of J joints; every index counts joints from 0.

    Attributes:
        names: J joint names, in the order of the net's heatmaps.
        flip_pairs: joints that change places in a mirrored image.
        upper_body: joints of the upper half, for the half-body augmentation; all others are the lower half.
        sigmas: J constants of OKS (object keypoint similarity).
        joint_weights: J factors of the training loss.
        bones: pairs of joints that a drawing connects.
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]
    sigmas: tuple[float, ...]
    joint_weights: tuple[float, ...]
    bones: tuple[tuple[int, int], ...]

    @property
    def num_joints(self) -> int:
        return len(self.names)

    @property
    def flip_order(self) -> np.ndarray:
        """(J,) index array: joint j of a mirrored image is joint flip_order[j] of the image."""
        order = np.arange(self.num_joints)
        for left, right in self.flip_pairs:
            order[[left, right]] = right, left
        return order


# The 17 joints of PoseTrack17 and PoseTrack18: COCO's with head_bottom and head_top in place of the eyes.
POSETRACK = Skeleton(
    names=(
        "nose",
        "head_bottom",
        "head_top",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    flip_pairs=((3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    upper_body=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    sigmas=(
        0.026,
        0.025,
        0.025,
        0.035,
        0.035,
        0.079,
        0.079,
        0.072,
        0.072,
        0.062,
        0.062,
        0.107,
        0.107,
        0.087,
        0.087,
        0.089,
        0.089,
    ),
    joint_weights=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.2, 1.2, 1.5, 1.5, 1.0, 1.0, 1.2, 1.2, 1.5, 1.5),
    bones=(
        (15, 13),
        (13, 11),
        (16, 14),
        (14, 12),
        (11, 12),
        (5, 11),
        (6, 12),
        (5, 6),
        (5, 7),
        (6, 8),
        (7, 9),
        (8, 10),
        (0, 1),
        (0, 2),
        (1, 5),
        (1, 6),
    ),
)


_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}


def named_skeleton(names: Sequence[str]) -> Skeleton:
    """The schema of any joints. Their names tell mirror pairs: `left_paw` and `right_paw`, `pawL` and `pawR`.

    Joints weigh alike, have the OKS constant of an ankle in COCO, and none is of an upper body; there are no bones.

    Args:
        names: J joint names, all different.
    """
    joint_of = {_words(name): joint for joint, name in enumerate(names)}
    pairs = []
    for words, joint in joint_of.items():
        other = joint_of.get(tuple(_OTHER_SIDE.get(word, word) for word in words), joint)
        if joint < other:
            pairs.append((joint, other))
    count = len(names)
    return Skeleton(tuple(names), tuple(pairs), (), (0.089,) * count, (1.0,) * count, ())


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `LeftFoot1`, `left_foot 1` and `left-foot1` are left, foot, 1."""
    return tuple(part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", name))
