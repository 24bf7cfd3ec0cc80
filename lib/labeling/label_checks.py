"""Summary of labels before a run: joints and individuals with counts, and likely mistakes in their names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.labels.model import Labels
from lib.pose.skeletons import named_skeleton
from lib.utils.joint_names import name_words

MAX_LISTED = 10
"""Maximum number of joints or individuals to list with their counts. Of more, half as many are listed, the rarest."""
MAX_PAIRS = 4
"""Maximum number of pairs of joints to name in a line."""
MIN_OFTEN = 3
"""Minimum number of frames of an individual that is labeled often."""
ALIKE = str.maketrans("oil|", "0111")
"""Characters of names that look alike."""

Frames = Mapping[str, set[int]]
"""Indices of the frames in which each joint or individual is labeled, by its name."""


def summarize_labels(labels: Labels, path: Path) -> list[str]:
    """Return lines that list the joints and individuals of labels, and likely mistakes in their names.

    Joints set by a program, which have scores, do not count unless there are no others.

    Args:
        labels: The labels.
        path: File of the labels, for the first line.
    """
    own = labels.labeled & np.isnan(labels.scores)
    own = own if own.any() else labels.labeled
    people = own.any(axis=1)
    joints = {name: {*labels.frame[own[:, joint]].tolist()} for joint, name in enumerate(labels.names)}
    tracks: dict[str, set[int]] = {}
    for track in np.unique(labels.track[people & (labels.track >= 0)]).tolist():
        frames = {*labels.frame[people & (labels.track == track)].tolist()}
        tracks[labels.track_names.get(track, str(track))] = frames
    poses, in_frames = int(people.sum()), _in_frames(len(np.unique(labels.frame[people])))
    lines = [f"{path}: {poses} labeled {'pose' if poses == 1 else 'poses'} in {in_frames}"]
    if len(tracks) > 1:
        lines.append(f"  individuals: {_counts(tracks)}")
    lines.append(f"  joints: {_counts(joints)}")
    found = [*_misspelled_joints(labels, own, joints), *_doubtful_tracks(labels, tracks)]
    if pairs := unnamed_sides(labels.names):
        named = ", ".join(f"{left} and {right}" for left, right in pairs[:MAX_PAIRS])
        found.append(
            f"{named} look like a left/right pair, but their names do not say so: training will not mirror images"
        )
    return lines + [f"  check: {line}" for line in found]


def unnamed_sides(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of joints that look like two sides of a body although their names have no word for a side.

    The names differ in one letter, L and R, apart from digits, as `paw1LH` and `paw4RH`.

    Args:
        names: Names of all joints.
    """
    known = {joint for pair in named_skeleton(names).flip_pairs for joint in pair}
    left = [name for joint, name in enumerate(names) if joint not in known]
    return [pair for pair in combinations(left, 2) if _are_sides(*pair)]


def mirroring_keys(names: Sequence[str]) -> list[Any]:
    """Return the keys and values that turn off mirroring in training if joints look like sides but are not paired.

    Args:
        names: Names of all joints.
    """
    return ["DATASET.FLIP", False] if unnamed_sides(names) else []


def _are_sides(name: str, other: str) -> bool:
    """Return True if two names are equal but for digits and for one letter, which is L or R."""
    first, second = (re.sub(r"\d", "", one) for one in (name, other))
    different = [{*pair} for pair in zip(first, second, strict=False) if pair[0] != pair[1]]
    return len(first) == len(second) and different in ([{"L", "R"}], [{"l", "r"}])


def _counts(frames: Frames) -> str:
    """Return how many frames each name is labeled in, the rarest if there are too many names to list."""
    counts = {name: len(own) for name, own in frames.items()}
    if len({*counts.values()}) == 1:
        names = ", ".join(counts) if len(counts) <= MAX_LISTED else len(counts)
        return f"{names}, each in {_in_frames(next(iter(counts.values())))}"
    if len(counts) <= MAX_LISTED:
        return _listed(counts)
    most = max(counts.values())
    rarest = sorted((name for name in counts if counts[name] < most), key=lambda name: counts[name])
    listed = _listed({name: counts[name] for name in rarest[: MAX_LISTED // 2]})
    return f"{len(counts)}, in up to {_in_frames(most)}; the rarest: {listed}"


def _listed(counts: Mapping[str, int]) -> str:
    (name, count), *others = counts.items()
    return ", ".join([f"{name} in {_in_frames(count)}", *(f"{other} in {number}" for other, number in others)])


def _in_frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _misspelled_joints(labels: Labels, own: np.ndarray, frames: Frames) -> Iterator[str]:
    """Yield a line for each two joints with nearly equal names that no pose has both of."""
    used = [joint for joint in range(len(labels.names)) if own[:, joint].any()]
    for pair in combinations(used, 2):
        names = [labels.names[joint] for joint in pair]
        if not own[:, pair].all(axis=1).any() and not _are_sides(*names) and _is_near(*names):
            yield f"joints {_one_or_two(names, frames)}"


def _doubtful_tracks(labels: Labels, frames: Frames) -> Iterator[str]:
    """Yield a line for each two individuals who are probably one.

    They are never in the same frame. One is much rarer and their names are nearly equal, or it is labeled in a single
    frame, in which the other is missing although it is labeled before and after.
    """
    numbers = [frame.number for frame in labels.frames]
    for name, other in combinations(frames, 2):
        rare, often = sorted((name, other), key=lambda one: len(frames[one]))
        if frames[rare] & frames[often]:
            continue
        if labels.track_names and 2 * len(frames[rare]) <= len(frames[often]) and _is_near(rare, often):
            yield f"individuals {_one_or_two([name, other], frames)}"
        elif len(frames[rare]) == 1 and len(frames[often]) >= MIN_OFTEN:
            number, around = numbers[min(frames[rare])], [numbers[frame] for frame in frames[often]]
            if min(around) < number < max(around):
                yield (
                    f"individual {rare} is labeled in frame {number} alone, where {often} "
                    f"({_in_frames(len(frames[often]))}) is missing: are they the same individual?"
                )


def _one_or_two(names: Sequence[str], frames: Frames) -> str:
    first, second = (f"{name} ({_in_frames(len(frames[name]))})" for name in names)
    return f"{first} and {second} are never labeled together: is one of the names misspelled?"


def _is_near(name: str, other: str) -> bool:
    """Return True if one name is probably the other with a typing error; another number is none."""
    words, others = name_words(name), name_words(other)
    joined, other_joined = "".join(words), "".join(others)
    if joined.translate(ALIKE) == other_joined.translate(ALIKE):
        return True
    different = [pair for pair in zip(words, others, strict=False) if pair[0] != pair[1]]
    if len(words) == len(others) and len(different) > 1:
        return False
    first, second = different[0] if len(words) == len(others) else (joined, other_joined)
    if re.sub(r"\d", "", first) == re.sub(r"\d", "", second):
        return False
    shorter = min(len(first), len(second))
    return shorter > 2 and _edits(first, second) <= (2 if shorter > 8 else 1)


def _edits(word: str, other: str) -> int:
    """Return the number of letters to insert, delete, replace, or swap with the next one, to turn a word into another.

    This is the optimal string alignment distance.
    """
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(word, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted)))
            if i > 1 and j > 1 and word[i - 2 : i] == other[j - 1] + other[j - 2]:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]
