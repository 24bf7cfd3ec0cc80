"""Sides and words in the names of joints, which determine the joints that a mirrored image swaps."""

import re
from collections.abc import Sequence

_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}
_OTHER_SIDE = {"left": "right", "right": "left"}

Words = tuple[str, ...]


def mirror_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of joints that swap in a mirrored image, by index, sorted.

    Pairs are `left_paw` and `right_paw`, `pawL` and `pawR`, `leftpaw` and `rightpaw`, `Lpaw` and `Rpaw`, `lpaw` and
    `rpaw`, `LPAW` and `RPAW`.

    Args:
        names: J different joint names.
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
    return tuple(sorted(pairs))


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
