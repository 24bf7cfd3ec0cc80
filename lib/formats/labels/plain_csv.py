"""Labels as a plain CSV file with one row per joint, for spreadsheets and custom programs.

The header names the columns, in any order: frame, joint, x, y, and optionally track, visibility (1 hidden, 2 visible)
and score. `frame` is a number from 0, `clip.mp4#79` if videos have names, or the file name of an image. `track` is the
number or name of an individual, or empty. x and y are in pixels, empty if the joint is not labeled, and (0, 0) is the
center of the first pixel. A row without a joint lists a frame.
"""

import csv
import itertools
import re
from pathlib import Path

import numpy as np

from lib.formats.labels.frames import Frame, frame_name, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.losses import lost
from lib.formats.labels.model import HIDDEN, NOT_LABELED, VISIBLE, Labels, checked_labels, name_tracks, number_tracks
from lib.utils.errors import InputError
from lib.utils.files import atomic_path

COLUMNS = ("frame", "track", "joint", "x", "y", "visibility", "score")
_NEEDED = {"frame", "joint", "x", "y"}
_OPTIONAL = "track, visibility, score"
_MISSING = ("", "nan")


def read(path: str | Path) -> Labels:
    """Read a CSV file; joints and frames are in the order of their first rows.

    If a joint without a track is repeated in a frame, it starts a new individual.

    Args:
        path: The file.

    Returns:
        The labels.

    Raises:
        InputError: If the header or a value is invalid. The message names the line and the column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            if not _NEEDED <= {*header} <= {*COLUMNS} or len({*header}) < len(header):
                raise InputError(
                    f"{path}: line 1 must name the columns {', '.join(COLUMNS)} ({_OPTIONAL} are optional)"
                )
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file ({error})") from None
    for line, row in rows:
        if None in row or None in row.values() or not row["frame"]:
            raise InputError(f"{path}: line {line}: expected a value for each column: {', '.join(header)}")
        if re.fullmatch(r"\s*-\d+(\.\d*)?\s*", row["frame"]):
            raise InputError(f"{path}: line {line}: frames are numbered from 0, so {row['frame']!r} is not one")
    frames = {name: index for index, name in enumerate(dict.fromkeys(row["frame"] for _, row in rows))}
    joints = {name: j for j, name in enumerate(dict.fromkeys(row["joint"] for _, row in rows if row["joint"]))}
    poses, cells = _poses(rows, joints, path)
    numbers, track_names = number_tracks(track for _, track in poses if track)
    return checked_labels(
        path,
        list(joints),
        [_frame(name) for name in frames],
        [frames[frame] for frame, _ in poses],
        cells[:, :, :2],
        visibility=cells[:, :, 2],
        track=[numbers.get(track, -1) for _, track in poses],
        scores=cells[:, :, 3],
        track_names=track_names,
    )


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write a CSV file with all joints of all poses.

    Args:
        path: The file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.
    """
    named = labels.track_names and not any(name.isdecimal() for name in labels.track_names.values())
    names = name_tracks(labels) if named else {}
    people: list[list[int]] = [[] for _ in labels.frames]
    for person, frame in enumerate(labels.frame.tolist()):
        people[frame].append(person)
    rows = []
    for frame, own in zip(labels.frames, people, strict=True):
        for person, (joint, name) in itertools.product(own, enumerate(labels.names)):
            track = int(labels.track[person])
            numbers = [*labels.joints[person, joint].tolist(), labels.scores[person, joint].item()]
            x, y, score = ("" if np.isnan(number) else repr(number) for number in numbers)
            who = names.get(track, track) if track >= 0 else ""
            rows.append([_name(frame), who, name, x, y, labels.visibility[person, joint] or "", score])
        if not own:
            rows.append([_name(frame), *[""] * 6])
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    held = ["hidden", "scores", "tracks", "no track", "empty frames", "empty people"]
    return lost(labels, *held, *(["track names"] if named else []))


def _poses(
    rows: list[tuple[int, dict[str, str]]], joints: dict[str, int], path: str | Path
) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Return frame and track of each pose, and (P, J, 4) x, y, visibility and score."""
    poses: list[tuple[str, str]] = []
    cells: list[np.ndarray] = []
    given: list[set[str]] = []
    last: dict[tuple[str, str], int] = {}
    for line, row in rows:
        if not row["joint"]:
            continue
        track = row.get("track", "")
        who = row["frame"], f"track{int(track)}" if re.fullmatch(r"\d{1,18}", track) else track
        if who not in last or (not track and row["joint"] in given[last[who]]):
            last[who] = len(poses)
            poses.append(who)
            cells.append(np.tile([np.nan, np.nan, NOT_LABELED, np.nan], (len(joints), 1)))
            given.append(set())
        pose = last[who]
        if row["joint"] in given[pose]:
            raise InputError(f"{path}: line {line}: {track} has two {row['joint']} in frame {row['frame']}")
        given[pose].add(row["joint"])
        cells[pose][joints[row["joint"]]] = _cells(row, f"{path}: line {line}")
    return poses, np.array(cells).reshape(len(poses), len(joints), 4)


def _cells(row: dict[str, str], where: str) -> tuple[float, float, int, float]:
    """Return x, y, visibility and score of a joint."""
    numbers = {}
    for name in ("x", "y", "score"):
        text = row.get(name, "").strip()
        try:
            numbers[name] = np.nan if text.lower() in _MISSING else float(text)
        except ValueError:
            numbers[name] = np.inf
        if np.isinf(numbers[name]):
            raise InputError(f"{where}: {name} must be a finite number or empty, not {text!r}")
    x, y, score = numbers["x"], numbers["y"], numbers["score"]
    if np.isnan(x) != np.isnan(y):
        raise InputError(f"{where}: one of x and y is empty")
    flag = row.get("visibility", "").strip() or str(VISIBLE)
    if flag not in ("0", "1", "2"):
        raise InputError(f"{where}: visibility must be 0, {HIDDEN}, {VISIBLE} or empty, not {flag!r}")
    return x, y, NOT_LABELED if np.isnan(x) else int(flag), score


def _frame(text: str) -> Frame:
    return Frame(number=int(text)) if re.fullmatch(r"\d{1,18}", text) else named_frame(text)


def _name(frame: Frame) -> str:
    return frame_name(frame) if frame.file_name or frame.video else str(frame.number)


def _recognizes(path: Path, start: bytes) -> bool:
    return not start.startswith((b"{", b"[", b"<"))


FORMAT = LabelFormat("csv", read, write, _recognizes, ("*.csv",), is_general=True)
