"""Disk cache of propagated segments; a corrected label invalidates only its neighbors."""

import hashlib
import logging
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lib.dataset.people import Person
from lib.propagation.fusion import opposite_labels
from lib.propagation.memo import label_digest
from lib.propagation.targets import PropagatedPoses, PropagationMethod, Target
from lib.utils.files import atomic_path
from lib.utils.progress import progress_bar

CHUNK = 16
"""Smallest number of targets to propagate at once, at first; it doubles as long as a chunk takes less than SECONDS."""

SECONDS = 2.0
"""Shortest time of a chunk before chunks stop growing: how often the progress bar moves, and what an interruption
loses."""

VERSION = 4
"""Version of the methods. Increase it when their results change: cached segments are then propagated again."""

logger = logging.getLogger(__name__)


def propagate_cached(
    people: Sequence[Person],
    targets: Sequence[Target],
    method: PropagationMethod,
    folder: Path,
    settings: str,
) -> PropagatedPoses:
    """Return the poses of labeled people in other frames; segments in the cache are not propagated again.

    A segment holds the targets between the same two labels of a person, or beyond the person's first or last one.

    Args:
        people: Labeled people.
        targets: At least one target.
        method: Propagation method. Its pose for a target may depend only on the target's label and the labels before
            and after.
        folder: Folder of the cache, created if necessary, with one file for each segment.
        settings: All other values that the poses depend on.
    """
    groups = _groups(people, targets)
    files = {group: folder / f"{_name(people, targets, rows, group, settings)}.npz" for group, rows in groups.items()}
    done = {group: poses for group, file in files.items() if (poses := _read(file, len(groups[group])))}
    left = [group for group in groups if group not in done]
    if done:
        logger.info("%d of %d segments between labels are in the cache", len(done), len(groups))
    count = len(targets) - sum(len(groups[group]) for group in left)
    with progress_bar(len(targets), "pose", desc="propagated", initial=count) as bar:
        for chunk in _chunks(left, groups):
            rows = [row for group in chunk for row in groups[group]]
            poses = method(people, [targets[row] for row in rows])
            start = 0
            for group in chunk:
                stop = start + len(groups[group])
                done[group] = _take(poses, slice(start, stop))
                _write(files[group], done[group])
                start = stop
            bar.update(len(rows))
    order = np.argsort([row for group in groups for row in groups[group]])
    return _take(_join([done[group] for group in groups]), order)


def _groups(people: Sequence[Person], targets: Sequence[Target]) -> dict[tuple[int, ...], list[int]]:
    """Return the indices of targets by segment: the labels around it in order, and 1 if it follows the first label."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, (target, other) in enumerate(zip(targets, opposite_labels(people, targets), strict=True)):
        ends = sorted({target.person, other.person if other else target.person}, key=lambda p: people[p].number)
        groups[(*ends, int(target.number > people[ends[0]].number))].append(row)
    return groups


def _name(
    people: Sequence[Person], targets: Sequence[Target], rows: Sequence[int], group: tuple[int, ...], settings: str
) -> str:
    """Return a digest of everything that the poses of a segment depend on."""
    digest = hashlib.sha256(f"{VERSION} {settings}".encode())
    for index in group[:-1]:
        digest.update(label_digest(people[index]))
    digest.update(str([(people[targets[row].person].number, targets[row].number) for row in rows]).encode())
    return digest.hexdigest()[:24]


def _chunks(
    left: Sequence[tuple[int, ...]], groups: dict[tuple[int, ...], list[int]]
) -> Iterator[list[tuple[int, ...]]]:
    """Yield the segments in lists, which grow until the caller takes SECONDS for one."""
    chunk: list[tuple[int, ...]] = []
    size = CHUNK
    for group in left:
        chunk.append(group)
        if sum(len(groups[own]) for own in chunk) >= size:
            start = time.monotonic()
            yield chunk
            size *= 2 if time.monotonic() - start < SECONDS else 1
            chunk = []
    if chunk:
        yield chunk


def _take(poses: PropagatedPoses, rows: slice | np.ndarray) -> PropagatedPoses:
    disagreement = None if poses.disagreement is None else poses.disagreement[rows]
    return PropagatedPoses(poses.joints[rows], poses.scores[rows], disagreement)


def _join(parts: Sequence[PropagatedPoses]) -> PropagatedPoses:
    disagreements = [part.disagreement for part in parts if part.disagreement is not None]
    return PropagatedPoses(
        np.concatenate([part.joints for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate(disagreements) if disagreements else None,
    )


def _read(path: Path, count: int) -> PropagatedPoses | None:
    """Return the poses in a file; None if it does not exist or is damaged."""
    try:
        with np.load(path) as arrays:
            poses = PropagatedPoses(arrays["joints"], arrays["scores"], arrays.get("disagreement"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return poses if len(poses.joints) == count else None


def _write(path: Path, poses: PropagatedPoses) -> None:
    arrays = {name: array for name, array in poses._asdict().items() if array is not None}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
