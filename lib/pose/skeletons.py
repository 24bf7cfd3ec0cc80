"""Joint schemas of the data sets (skeletons.yaml): names, mirror pairs, OKS constants, bones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from lib.utils.errors import InputError


@dataclass(frozen=True)
class Skeleton:
    """A joint schema of J joints; every index counts joints from 0.

    Attributes:
        names: J joint names, in the order of the net's heatmaps.
        flip_pairs: joints that change places in a mirrored image.
        upper_body: joints of the upper half, for the half-body augmentation; all others are the lower half.
        sigmas: J constants of OKS (object keypoint similarity); none where nobody scores the data set with it.
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


@cache
def skeleton(name: str) -> Skeleton:
    """The joints of a data set that skeletons.yaml knows: posetrack18, coco, coco_wholebody, aic, mpii …

    Raises:
        InputError: it does not know that data set.
    """
    schemas = _schemas()
    if name not in schemas:
        raise InputError(f"no joints of a data set named {name!r}; those of {', '.join(schemas)} are known")
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
def _schemas() -> dict[str, dict[str, list]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former is ten times as fast, but not always built
    return yaml.load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"), loader)


POSETRACK = skeleton("posetrack18")
"""The 17 joints of PoseTrack17 and PoseTrack18."""

SIGMA = 0.089
"""The constant of OKS of a joint for which nobody measured one: that of an ankle in COCO."""

_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}
_OTHER_SIDE = {"left": "right", "right": "left"}

Words = tuple[str, ...]


def named_skeleton(names: Sequence[str], sigmas: Sequence[float] | None = None) -> Skeleton:
    """The schema of any joints. Their names tell mirror pairs: `left_paw` and `right_paw`, `pawL` and `pawR`,
    `leftpaw` and `rightpaw`, `Lpaw` and `Rpaw`, `lpaw` and `rpaw`, `LPAW` and `RPAW`.

    Joints weigh alike, and none is of an upper body; bones are those that joints of these names have in PoseTrack or
    COCO.

    Args:
        names: J joint names, all different.
        sigmas: J constants of OKS; None: that of an ankle in COCO, SIGMA, for all of them.
    """
    joint_of: dict[Words, int] = {}
    for joint, name in enumerate(names):
        for reading in _readings(name):
            joint_of.setdefault(reading, joint)
    pairs, paired = [], set()
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
    """What the joint of the other side may be called, in lower-case words: `lsho` is mirrored by right, sho.

    Empty for a name that can tell no side. Where the side is no word of its own this is a guess (`lip`: right, ip):
    it counts if a joint of that name exists.
    """
    others = [(reading, tuple(_OTHER_SIDE.get(word, word) for word in reading)) for reading in _readings(name)]
    return [other for reading, other in others if other != reading]


def side(name: str, names: Sequence[str]) -> str:
    """The side that a joint's name tells: "left", "right", or "" for none.

    Args:
        names: of all joints: a side that is no word of its own, as in `leftear`, counts if its counterpart is there.
    """
    known = {reading for other in names for reading in _readings(other)}
    guessed = len(_readings(name)) > 1
    for candidate in mirrored(name):
        if not guessed or candidate in known:
            return "left" if "right" in candidate else "right"
    return ""


def may_be_same(name: str, other: str) -> bool:
    """Whether two data sets may call one joint so: of one side and with a word in common, as `head` and `Head top`."""
    if "".join(_words(name)) == "".join(_words(other)):
        return True
    sides = set(_OTHER_SIDE)
    pairs = ((set(mine), set(yours)) for mine in _readings(name) for yours in _readings(other))
    return any(mine & sides == yours & sides and bool((mine & yours) - sides) for mine, yours in pairs)


def _readings(name: str) -> list[Words]:
    """The words of a name, sides spelt out; if none of them is a side, also with each side that one may begin with,
    or have in it.
    """
    words = _words(name)
    if _SIDES.keys() & set(words):
        return [tuple(_SIDES.get(word, word) for word in words)]
    readings = [words]
    for index, word in enumerate(words):
        if found := re.fullmatch(r"(.*?)(left|right)(.*)", word):
            readings.append((*words[:index], *filter(None, found.groups()), *words[index + 1 :]))
    if words and (found := re.fullmatch(r"([lr])(.+)", words[0])):
        readings.append((_SIDES[found[1]], found[2], *words[1:]))
    return readings


def _words(name: str) -> Words:
    """The words of a name in lower case: `LeftFoot1`, `left_foot 1` and `left-foot1` are left, foot, 1."""
    return tuple(part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", name))
