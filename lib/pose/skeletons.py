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

_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}


def named_skeleton(names: Sequence[str]) -> Skeleton:
    """The schema of any joints. Their names tell mirror pairs: `left_paw` and `right_paw`, `pawL` and `pawR`,
    `leftpaw` and `rightpaw`, `Lpaw` and `Rpaw`.

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
    paired = {joint for pair in pairs for joint in pair}
    for joint, name in enumerate(names):  # sides that are no words of their own: leftear, Lwrist
        for left, right in (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"), (r"^L(?=[a-z])", "R")):
            other = re.sub(left, right, name)
            if other != name and other in names and not paired & {joint, names.index(other)}:
                pairs.append((min(joint, names.index(other)), max(joint, names.index(other))))
                paired |= {joint, names.index(other)}
    count = len(names)
    return Skeleton(tuple(names), tuple(sorted(pairs)), (), (0.089,) * count, (1.0,) * count, ())


def side(name: str) -> str:
    """The side that a joint's name tells: "left", "right", or "" for none."""
    words = set(_words(name))
    return "left" if words & {"left", "l"} else "right" if words & {"right", "r"} else ""


def may_be_same(name: str, other: str) -> bool:
    """Whether two data sets may call one joint so: of one side and with a word in common, as `head` and `Head top`."""
    words, others = set(_words(name)), set(_words(other))
    sides = set(_OTHER_SIDE)
    same = "".join(_words(name)) == "".join(_words(other))
    return same or (words & sides == others & sides and bool((words & others) - sides))


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `LeftFoot1`, `left_foot 1` and `left-foot1` are left, foot, 1."""
    return tuple(part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", name))
