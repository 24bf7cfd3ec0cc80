"""Skeletons of the data sets (skeletons.yaml): joint names, mirror pairs, OKS constants, and bones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.utils.errors import InputError


@dataclass(frozen=True)
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

_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}
_OTHER_SIDE = {"left": "right", "right": "left"}

Words = tuple[str, ...]


def named_skeleton(names: Sequence[str], sigmas: Sequence[float] | None = None) -> Skeleton:
    """Return the skeleton of custom joints.

    Mirror pairs are derived from the names: `left_paw` and `right_paw`, `pawL` and `pawR`, `leftpaw` and `rightpaw`,
    `Lpaw` and `Rpaw`, `lpaw` and `rpaw`, `LPAW` and `RPAW`. All joints have the same weight, and none belongs to the
    upper body. Bones are those of PoseTrack and COCO between joints of these names.

    Args:
        names: J different joint names.
        sigmas: J constants of OKS, or None to use SIGMA for all joints.
    """
    joint_of: dict[Words, int] = {}
    for joint, name in enumerate(names):
        for reading in _readings(name):
            joint_of.setdefault(reading, joint)
    pairs: list[tuple[int, int]] = []
    paired: set[int] = set()
    for joint, name in enumerate(names):
        for candidate in mirrored(name):
            other = joint_of.get(candidate, joint)
            if joint < other and not paired & {joint, other}:
                pairs.append((joint, other))
                paired |= {joint, other}
    known = {(own.names[a], own.names[b]) for own in (POSETRACK, skeleton("coco")) for a, b in own.bones}
    bones = sorted((names.index(a), names.index(b)) for a, b in known if a in names and b in names)
    count = len(names)
    return Skeleton(
        tuple(names), tuple(sorted(pairs)), (), tuple(sigmas or (SIGMA,) * count), (1.0,) * count, tuple(bones)
    )


def find_skeleton(joints: str | Sequence[str]) -> Skeleton:
    """Return a schema that skeletons.yaml names, or the one that joint names define (`named_skeleton`).

    Args:
        joints: Name of the schema, or J joint names.

    Raises:
        InputError: skeletons.yaml has no such schema.
    """
    return skeleton(joints) if isinstance(joints, str) else named_skeleton(joints)


def mirrored(name: str) -> list[Words]:
    """Return possible names of the corresponding joint on the other side, in lower-case words: right, sho for `lsho`.

    The list is empty for a name without a side. If the side is not a separate word, the result is a guess (right, ip
    for `lip`), which is correct only if a joint of that name exists.
    """
    others = [(reading, tuple(_OTHER_SIDE.get(word, word) for word in reading)) for reading in _readings(name)]
    return [other for reading, other in others if other != reading]


def side(name: str, names: Sequence[str]) -> str:
    """Return the side in a joint's name: "left", "right", or "" for none.

    Args:
        name: Name of the joint.
        names: Names of all joints. A side that is not a separate word, as in `leftear`, counts only if the
            corresponding joint exists.
    """
    known = {reading for other in names for reading in _readings(other)}
    guessed = len(_readings(name)) > 1
    for candidate in mirrored(name):
        if not guessed or candidate in known:
            return "left" if "right" in candidate else "right"
    return ""


def may_be_same(name: str, other: str) -> bool:
    """Return True if two names may refer to the same joint: they have the same side and share a word.

    An example is `head` and `Head top`.
    """
    if "".join(name_words(name)) == "".join(name_words(other)):
        return True
    sides = set(_OTHER_SIDE)
    pairs = ((set(mine), set(yours)) for mine in _readings(name) for yours in _readings(other))
    return any(mine & sides == yours & sides and bool((mine & yours) - sides) for mine, yours in pairs)


def _readings(name: str) -> list[Words]:
    """Return the words of a name with sides spelled out.

    If no word is a side, the result also has the readings in which a part of a word is one.
    """
    words = name_words(name)
    if _SIDES.keys() & set(words):
        return [tuple(_SIDES.get(word, word) for word in words)]
    readings = [words]
    for index, word in enumerate(words):
        if found := re.fullmatch(r"(.*?)(left|right)(.*)", word):
            readings.append((*words[:index], *filter(None, found.groups()), *words[index + 1 :]))
    if words and (found := re.fullmatch(r"([lr])(.+)", words[0])):
        readings.append((_SIDES[found[1]], found[2], *words[1:]))
    return readings


def name_words(name: str) -> Words:
    """Return the words of a name in lower case: left, foot, 1 for `LeftFoot1`, `left_foot 1`, and `left-foot1`.

    Args:
        name: Name of a joint or an individual.
    """
    return tuple(part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", name))
