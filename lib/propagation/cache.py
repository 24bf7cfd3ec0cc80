"""What was propagated between two labels of a track, kept on disk: after a correction only what hangs on it is anew."""

import hashlib
import logging
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from lib.dataset.people import Person
from lib.propagation.fusion import opposite_labels
from lib.propagation.memo import label_digest
from lib.propagation.targets import PropagatedPoses, Target
from lib.utils.files import atomic_path

CHUNK = 500
"""Fewest targets that are propagated together, if there are as many: the most that an interruption loses."""

_LOG = logging.getLogger(__name__)


def propagate_cached(
    people: Sequence[Person],
    targets: Sequence[Target],
    method: Callable[[Sequence[Person], Sequence[Target]], PropagatedPoses],
    folder: Path,
    settings: str,
) -> PropagatedPoses:
    """Where moves end; those between labels that were carried out before, with these settings, are read from a folder.

    Args:
        people: the labelled people.
        moves: in one group are those between the same two labels of a person, or beyond a person's last one.
        mover: carries moves out; what it makes of one depends on its labels, the one before and the one after, alone.
        folder: for a file for each group, which is made.
        settings: whatever else the mover's results depend on.
    """
    groups = _groups(people, targets)
    files = {group: folder / f"{_name(people, targets, rows, group, settings)}.npz" for group, rows in groups.items()}
    done = {group: poses for group, file in files.items() if (poses := _read(file, len(groups[group])))}
    left = [group for group in groups if group not in done]
    if done:
        _LOG.info("%d of %d stretches between labels are as they were before", len(done), len(groups))
    start_time, start_left = time.monotonic(), sum(len(groups[group]) for group in left)
    for chunk in _chunks(left, groups):
        rows = [row for group in chunk for row in groups[group]]
        poses = method(people, [targets[row] for row in rows])
        start = 0
        for group in chunk:
            stop = start + len(groups[group])
            done[group] = PropagatedPoses(*(None if array is None else array[start:stop] for array in poses))
            _write(files[group], done[group])
            start = stop
        still = sum(len(groups[group]) for group in left if group not in done)
        minutes = (time.monotonic() - start_time) / 60 * still / (start_left - still)
        if still:
            _LOG.info("%d of %d poses are to be moved yet: about %.1f minutes", still, len(targets), minutes)
    order = np.argsort([row for group in groups for row in groups[group]])
    return PropagatedPoses(
        *(None if parts[0] is None else np.concatenate(parts)[order] for parts in _columns(done, groups))
    )


def _groups(people: Sequence[Person], targets: Sequence[Target]) -> dict[tuple[int, ...], list[int]]:
    """Rows of moves by the labels that they lie between: indices of people, in order of frames; a lone one's side."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, (target, other) in enumerate(zip(targets, opposite_labels(people, targets), strict=True)):
        ends = sorted({target.person, other.person if other else target.person}, key=lambda p: people[p].number)
        groups[(*ends, int(target.number > people[ends[0]].number))].append(row)
    return groups


def _name(
    people: Sequence[Person], targets: Sequence[Target], rows: Sequence[int], group: tuple[int, ...], settings: str
) -> str:
    """What stands for all that a group's result depends on."""
    digest = hashlib.sha256(settings.encode())
    for index in group[:-1]:
        digest.update(label_digest(people[index]))
    digest.update(str([(people[targets[row].person].number, targets[row].number) for row in rows]).encode())
    return digest.hexdigest()[:24]


def _chunks(left: Sequence[tuple[int, ...]], groups: dict[tuple[int, ...], list[int]]) -> Iterator[list[tuple]]:
    chunk: list[tuple[int, ...]] = []
    for group in left:
        chunk.append(group)
        if sum(len(groups[own]) for own in chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _columns(done: dict[tuple[int, ...], PropagatedPoses], groups: dict[tuple[int, ...], list[int]]) -> Iterator[tuple]:
    return zip(*(done[group] for group in groups), strict=True)


def _read(path: Path, count: int) -> PropagatedPoses | None:
    """What a file holds; None if it is not there, or damaged."""
    try:
        with np.load(path) as arrays:
            joints = arrays["joints"] if "joints" in arrays else arrays["points"]
            poses = PropagatedPoses(joints, arrays["scores"], arrays.get("disagreement", arrays.get("apart")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return poses if len(poses.joints) == count else None


def _write(path: Path, poses: PropagatedPoses) -> None:
    arrays = {name: array for name, array in poses._asdict().items() if array is not None}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
