"""Poses that a program found in a video, and their file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json

FILE = "found.json"
"""File of the propagated poses in the folder of a video."""


@dataclass(frozen=True, kw_only=True)
class ProgramPose:
    """Pose that a program found.

    Attributes:
        joints: J x, y in pixels.
        scores: J scores; 0 for joints that were not found.
        sources: For each joint, the numbers of the labeled frames that it comes from.
        disagreement: J distances in pixels between the results from the labels before and after; None if unknown.
        key: Digest of the labels that it comes from.
    """

    joints: Sequence[Sequence[float]]
    scores: Sequence[float]
    sources: Sequence[Sequence[int]]
    disagreement: Sequence[float | None]
    key: str

    def pick(self, indices: Sequence[int | None]) -> "ProgramPose":
        """Return the pose with other joints.

        Args:
            indices: Index of each joint here; None for a joint that was not looked for.
        """
        own = zip(self.joints, self.scores, self.sources, self.disagreement, strict=True)
        found: list[tuple[Any, ...]] = [*own, ([0.0, 0.0], 0.0, [], None)]
        picked = [found[-1 if index is None else index] for index in indices]
        joints, scores, sources, disagreement = (list(part) for part in zip(*picked, strict=True))
        return ProgramPose(joints=joints, scores=scores, sources=sources, disagreement=disagreement, key=self.key)


PosesByFrame = Mapping[int, Mapping[int, ProgramPose]]
"""Poses by number of the frame and track."""


class ProgramPoses:
    """Poses that a program found in a video, which are kept in a file.

    Args:
        path: Path to the file, which need not exist.
        columns: Columns of the joints in the labels on disk.

    Attributes:
        method: Name of the method that found them; "" for none.

    Raises:
        InputError: The file is damaged.
    """

    def __init__(self, path: Path, columns: Sequence[int]) -> None:
        self._path, self._columns = path, columns
        self.method = ""
        self._poses: dict[int, dict[int, ProgramPose]] = {}
        if path.exists():
            self._load(read_json(path))

    def _load(self, saved: Any) -> None:
        try:
            # Files of projects whose joints could not change have no columns.
            columns = saved.get("columns") or range(len(saved["joints"]))
            indices = [columns.index(column) if column in columns else None for column in self._columns]
            self.method = str(saved["method"])
            self._poses = {
                int(number): {int(track): _read(pose, len(columns)).pick(indices) for track, pose in poses.items()}
                for number, poses in saved["poses"].items()
            }
        except (LookupError, TypeError, ValueError, AttributeError):
            raise InputError(f"{self._path}: damaged; remove it, and propagate again") from None

    def __bool__(self) -> bool:
        return bool(self._poses)

    def in_frame(self, number: int) -> Mapping[int, ProgramPose]:
        """Return the poses in a frame by track."""
        return self._poses.get(number, {})

    def put(self, poses: PosesByFrame, method: str) -> None:
        """Replace the poses of individuals in some frames.

        Args:
            poses: The new poses.
            method: Name of the method.
        """
        for number, own in poses.items():
            self._poses.setdefault(number, {}).update(own)
        self.method = method

    def keep(self, wanted: Iterable[tuple[int, int]]) -> list[int]:
        """Drop all poses but some, and return the numbers of the frames that lost poses.

        Args:
            wanted: Numbers of frames and tracks to keep.
        """
        kept, changed = set(wanted), []
        for number, poses in self._poses.items():
            gone = [track for track in poses if (number, track) not in kept]
            for track in gone:
                del poses[track]
            if gone:
                changed.append(number)
        return changed

    def save(self) -> None:
        """Write the poses to disk; without any, there is no file."""
        if not self._poses:
            self._path.unlink(missing_ok=True)
            return
        poses: dict[str, dict[str, Any]] = {}
        for number, of_frame in self._poses.items():
            poses[str(number)] = {str(track): list(vars(pose).values()) for track, pose in of_frame.items()}
        write_json(self._path, {"columns": self._columns, "method": self.method, "poses": poses})


def _read(record: list[Any], count: int) -> ProgramPose:
    """Return a pose of `count` joints from its record.

    Raises:
        ValueError: The record is damaged.
    """
    joints, scores, sources, disagreement, key = record
    shapes = np.shape(np.array(joints, dtype=np.float64)), np.shape(np.array(scores, dtype=np.float64))
    if (*shapes, len(sources), len(disagreement)) != ((count, 2), (count,), count, count) or not isinstance(key, str):
        raise ValueError("a pose of other joints")
    return ProgramPose(joints=joints, scores=scores, sources=sources, disagreement=disagreement, key=key)
