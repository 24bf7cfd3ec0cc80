"""Interpolation of CVAT's joints between their keyframes; cvat.py reads the keyframes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from lib.formats.labels.model import HIDDEN, NOT_LABELED, VISIBLE
from lib.utils.errors import InputError

_INTERPOLATED = 1.0  # score of a joint between two keyframes
_MAX_JOINTS = 5_000_000  # of all poses, including interpolated ones: about 5 s and 1 GB


@dataclass(frozen=True, kw_only=True)
class Keyframe:
    """A joint in a keyframe."""

    x: float
    y: float
    outside: bool
    occluded: bool
    score: float


@dataclass
class JointTrack:
    """A joint of a track.

    Attributes:
        track: Element of the track.
        who: Number of the individual.
        name: Name of the joint.
        keyframes: Keyframes by number of the frame.
        last: Last frame in which the file lists the joint.
    """

    track: Element
    who: int
    name: str
    keyframes: dict[int, Keyframe] = field(default_factory=dict)
    last: int = 0


def _interpolate(joint: JointTrack, last: int, step: int) -> np.ndarray:
    """Return (N, 5) frame, x, y, visibility and score of a joint, for the frames up to `last` that show it."""
    keys = sorted(joint.keyframes.items())
    starts = np.array([number for number, _ in keys], dtype=np.int64)
    ends = np.append(starts[1:], max(last, *joint.keyframes, 0) + 1)[: len(keys)]
    xy = np.array([(key.x, key.y) for _, key in keys]).reshape(-1, 2)
    goals = np.vstack([xy[1:], xy[-1:]])
    outside = np.array([key.outside for _, key in keys], dtype=bool)
    scores = np.array([key.score for _, key in keys])
    visibility = np.array([HIDDEN if key.occluded else VISIBLE for _, key in keys], dtype=np.int64)
    counts = np.where(outside, 0, 1 + (ends - starts - 1) // step)
    key = np.repeat(np.arange(len(keys)), counts)
    after = (np.arange(len(key)) - np.repeat(np.cumsum(counts) - counts, counts)) * step  # frames since the keyframe
    share = after / (ends - starts)[key]
    joints = xy[key] + (goals - xy)[key] * share[:, None]
    return np.column_stack(
        [starts[key] + after, joints, visibility[key], np.where(after > 0, _INTERPOLATED, scores[key])]
    )


def interpolate_poses(
    joints: Sequence[tuple[JointTrack, int]], step: int, names: list[str], path: str | Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate joints between their keyframes, and combine them into poses.

    Args:
        joints: Joints of all tracks, each with the last frame that shows it unless a keyframe is `outside`.
        step: Interval between the frames of the task.
        names: J joint names.
        path: The file, for messages.

    Returns:
        (P,) frames, (P,) individuals, and (P, J, 4) x, y, visibility, score.

    Raises:
        InputError: There are too many joints, or an individual has a joint twice in a frame.
    """
    individuals = sorted({joint.who for joint, _ in joints})
    rank, column = ({value: index for index, value in enumerate(values)} for values in (individuals, names))
    tables, owners, columns, total = [], [], [], 0
    for joint, last in joints:
        tables.append(_interpolate(joint, last, step))
        owners.append(np.full(len(tables[-1]), rank[joint.who]))
        columns.append(np.full(len(tables[-1]), column[joint.name]))
        total += len(tables[-1])
        _check_size(total, path)
    rows = np.concatenate(tables)
    poses, pose = np.unique(
        rows[:, 0].astype(np.int64) * len(individuals) + np.concatenate(owners), return_inverse=True
    )
    _check_size(len(poses) * len(names), path)
    frame, who = poses // len(individuals), np.array(individuals)[poses % len(individuals)]
    cell = pose * len(names) + np.concatenate(columns)
    again = np.flatnonzero(np.bincount(cell, minlength=1) > 1)
    if len(again):
        first, repeated = divmod(int(again[0]), len(names))
        raise InputError(
            f"{path}: frame {frame[first]}: individual {who[first]} has two {names[repeated]}; distinguish individuals "
            "by skeletons with ids or by groups of points"
        )
    cells = np.tile([np.nan, np.nan, NOT_LABELED, np.nan], (len(poses) * len(names), 1))
    cells[cell] = rows[:, 1:]
    return frame, who, cells.reshape(-1, len(names), 4)


def _check_size(joints: int, path: str | Path) -> None:
    if joints > _MAX_JOINTS:
        raise InputError(
            f"{path}: over {_MAX_JOINTS} joints, including interpolated ones; export a shorter job, or end its tracks"
        )
