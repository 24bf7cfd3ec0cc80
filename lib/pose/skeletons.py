"""Skeletons of the data sets (skeletons.yaml): joint names, mirror pairs, OKS constants, and bones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.utils.errors import InputError
from lib.utils.joint_names import mirror_pairs


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A skeleton of J joints. Joints are identified by index, from 0.

    Attributes:
        names: J joint names in the order of the net's heatmaps.
        flip_pairs: Pairs of joints that swap in a mirrored image.
        upper_body: Joints of the upper half, for half-body augmentation; all others are the lower half.
        sigmas: J constants of OKS (object keypoint similarity); empty if the data set is not scored with it.
        joint_weights: J factors of the training loss.
        bones: Pairs of joints to connect in drawings.
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]
    sigmas: tuple[float, ...]
    joint_weights: tuple[float, ...]
    bones: tuple[tuple[int, int], ...]

    @property
    def num_joints(self) -> int:
        """Number of joints."""
        return len(self.names)

    @property
    def flip_order(self) -> np.ndarray:
        """Index array (J,): joint j of a mirrored image is joint flip_order[j] of the image."""
        order = np.arange(self.num_joints)
        for left, right in self.flip_pairs:
            order[[left, right]] = right, left
        return order


@cache
def skeleton(name: str) -> Skeleton:
    """Return the skeleton of a data set.

    Args:
        name: Name of the data set in skeletons.yaml, such as posetrack18, coco, coco_wholebody, aic, or mpii.

    Raises:
        InputError: skeletons.yaml has no data set of this name.
    """
    schemas = _schemas()
    if name not in schemas:
        raise InputError(f"no skeleton for the data set {name!r}; known are {', '.join(schemas)}")
    schema = schemas[name]
    return Skeleton(
        names=tuple(schema["names"]),
        flip_pairs=tuple(map(tuple, schema["flip_pairs"])),
        upper_body=tuple(schema["upper_body"]),
        sigmas=tuple(schema["sigmas"]),
        joint_weights=tuple(schema.get("joint_weights", [1.0] * len(schema["names"]))),
        bones=tuple(map(tuple, schema["bones"])),
    )


@cache
def _schemas() -> dict[str, dict[str, list[Any]]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # CSafeLoader is ten times faster but not always built
    return yaml.load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"), loader)


POSETRACK = skeleton("posetrack18")
"""The 17 joints of PoseTrack17 and PoseTrack18."""

SIGMA = 0.089
"""OKS constant of joints without a measured one: that of an ankle in COCO."""


def named_skeleton(names: Sequence[str], sigmas: Sequence[float] | None = None) -> Skeleton:
    """Return the skeleton of custom joints.

    Mirror pairs are derived from the names. All joints have the same weight, and none belongs to the upper body. Bones
    are those of PoseTrack and COCO between joints of these names.

    Args:
        names: J different joint names.
        sigmas: J constants of OKS, or None to use SIGMA for all joints.
    """
    known = {(own.names[a], own.names[b]) for own in (POSETRACK, skeleton("coco")) for a, b in own.bones}
    bones = sorted((names.index(a), names.index(b)) for a, b in known if a in names and b in names)
    count = len(names)
    return Skeleton(
        names=tuple(names),
        flip_pairs=mirror_pairs(names),
        upper_body=(),
        sigmas=tuple(sigmas or (SIGMA,) * count),
        joint_weights=(1.0,) * count,
        bones=tuple(bones),
    )


def find_skeleton(joints: str | Sequence[str]) -> Skeleton:
    """Return a schema that skeletons.yaml names, or the one that joint names define (`named_skeleton`).

    Args:
        joints: Name of the schema, or J joint names.

    Raises:
        InputError: skeletons.yaml has no such schema.
    """
    return skeleton(joints) if isinstance(joints, str) else named_skeleton(joints)
