"""DeepLabCut labels: a table with a row per frame and columns by scorer, individual, body part and coordinate.

Two kinds of files have this format, both as CSV and as HDF5: labels (`CollectedData_<scorer>`), whose rows are image
paths, and a network's estimates in a video, whose rows are frame numbers and which have a likelihood for each joint.

A likelihood of 1 in estimates by the scorer `PoseWarper` marks a joint that a person set; a program's score of 1 is
written as the number below it.

DeepLabCut's labels are set on images shown by napari or Matplotlib: (0, 0) is the center of the first pixel.
"""

import csv
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lib.formats.hdf5 import is_hdf5, open_hdf5
from lib.formats.labels.deeplabcut_h5 import Column, Index, read_table, write_table
from lib.formats.labels.frames import Frame, image_names, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.losses import lost, lost_file_names, lost_images, lost_numbers
from lib.formats.labels.model import Labels, checked_labels, name_tracks, number_tracks
from lib.utils.errors import InputError
from lib.utils.files import atomic_path

LEVELS = ("scorer", "individuals", "bodyparts", "coords")
H5_SUFFIXES = (".h5", ".hdf5")
_MAX_ROWS = 10_000_000
_SCORER = "PoseWarper"
_BELOW_ONE = np.nextafter(1.0, 0.0)


@dataclass(frozen=True)
class Table:
    """A table of N rows and C columns.

    Attributes:
        levels: Names of the header's levels.
        columns: C columns, each the tuple of its names at the levels.
        index: N image paths or frame numbers.
        values: (N, C) float64.
    """

    levels: tuple[str, ...]
    columns: list[Column]
    index: list[Index]
    values: np.ndarray


def read(path: str | Path) -> Labels:
    """Read a CSV or HDF5 file of labels or estimates, of one animal or several.

    Individuals become tracks. The parts of the individual `single` (unique body parts) are added to the other joints. A
    likelihood becomes a score. Paths are converted to use `/`.

    Args:
        path: The file.

    Returns:
        The labels.

    Raises:
        InputError: If the file is not a DeepLabCut table, or is broken or invalid. The message names the row and the
            column.
    """
    return labels_of(open_table(Path(path)), Path(path))


def open_table(path: Path) -> Table:
    """Return the table of a CSV or HDF5 file, whose header may be invalid."""
    return Table(*(read_table(path) if _is_h5(path) or h5py.is_hdf5(path) else _read_csv(path)))


def labels_of(table: Table, path: Path) -> Labels:
    """Convert a table to labels, as `read` does.

    Args:
        table: The table.
        path: The file, for error messages and the name of the video.

    Returns:
        The labels.

    Raises:
        InputError: As in `read`.
    """
    in_order = tuple(level for level in LEVELS if level in table.levels)
    if table.levels != in_order or not {"bodyparts", "coords"} <= {*in_order}:
        raise InputError(f"{path}: not a DeepLabCut table: its header has {', '.join(table.levels) or 'no names'}")
    if np.isinf(table.values).any():
        row, column = np.argwhere(np.isinf(table.values))[0]
        raise InputError(f"{path}: row {table.index[row]}, {' '.join(table.columns[column])}: not a finite number")
    people, names = _people_and_parts(table, path)
    place = {column[1:] if "scorer" in table.levels else column: k for k, column in enumerate(table.columns)}
    if len(place) < len(table.columns):
        raise InputError(f"{path}: a column is repeated; the table must have one scorer, and each body part once")
    cubes = [_cube(table, place, who, names) for who in people]
    stack = np.stack(cubes, axis=1)  # (N, individuals, J, 3)
    frame, who = np.nonzero(~np.isnan(stack[..., :2]).any(axis=3).all(axis=2))
    numbers, track_names = number_tracks(people) if "individuals" in table.levels else ({"": 0}, {})
    chosen = stack[frame, who]
    likelihood = chosen[:, :, 2]
    if "scorer" in table.levels and table.columns[0][0] == _SCORER:
        likelihood = np.where(likelihood == 1, np.nan, likelihood)
    return checked_labels(
        path,
        names,
        [_frame(entry, path) for entry in table.index],
        frame,
        chosen[:, :, :2],
        track=[numbers[people[index]] for index in who],
        scores=likelihood,
        track_names=track_names,
    )


def _is_h5(path: Path) -> bool:
    return path.suffix.lower() in H5_SUFFIXES


def _people_and_parts(table: Table, path: Path) -> tuple[list[str], list[str]]:
    """Return the individuals, or one with an empty name if the file has none, and the body parts of all."""
    part_level = table.levels.index("bodyparts")
    if "individuals" not in table.levels:
        return [""], list(dict.fromkeys(column[part_level] for column in table.columns))
    parts: dict[str, list[str]] = {}
    for column in table.columns:
        own = parts.setdefault(column[table.levels.index("individuals")], [])
        if column[part_level] not in own:
            own.append(column[part_level])
    animals = {who: own for who, own in parts.items() if who != "single"}
    first = next(iter(animals), "")
    for who, own in animals.items():
        if own != animals[first]:
            raise InputError(f"{path}: the body parts of {who} and {first} differ in name or order")
    return list(parts), list(dict.fromkeys(name for own in [*animals.values(), *parts.values()] for name in own))


def _cube(table: Table, place: dict[Column, int], who: str, names: Sequence[str]) -> np.ndarray:
    """Return (N, J, 3) x, y, likelihood of an individual; NaN for missing columns."""
    cube = np.full((len(table.index), len(names), 3), np.nan)
    for (joint, name), (axis, coord) in itertools.product(enumerate(names), enumerate(("x", "y", "likelihood"))):
        column = place.get((who, name, coord) if "individuals" in table.levels else (name, coord))
        if column is not None:
            cube[:, joint, axis] = table.values[:, column]
    return cube


def _frame(entry: Index, path: Path) -> Frame:
    """Return the frame of a row; the name of a file of estimates begins with the name of its video."""
    if isinstance(entry, int):
        stem, found, _ = path.stem.partition("DLC_")
        return Frame(stem if found else "", entry)
    return named_frame(entry.replace("\\", "/"))


def _read_csv(path: Path) -> tuple[tuple[str, ...], list[Column], list[Index], np.ndarray]:
    """Return levels, columns, index and values of a CSV file, whose index is a path, its three parts, or a number."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file ({error})") from None
    header = list(itertools.takewhile(lambda row: row[0] in LEVELS, rows))
    body = rows[len(header) :]
    if len(header) < 2 or not body:
        raise InputError(f"{path}: not a DeepLabCut table: the first rows must be scorer, bodyparts and coords")
    width = next((k for k, cell in enumerate(header[0][1:], start=1) if cell), len(header[0]))
    wrong = next((row for row in rows if len(row) != len(header[0])), None)
    if wrong:
        raise InputError(f"{path}: row {wrong[0]} has {len(wrong)} cells, the header has {len(header[0])}")
    columns: list[Column] = list(zip(*(row[width:] for row in header), strict=True))
    entries = ["/".join(row[:width]) for row in body]
    numbered = all(re.fullmatch(r"\d{1,18}", entry) for entry in entries)
    index: list[Index] = [int(entry) if numbered else entry for entry in entries]
    return tuple(row[0] for row in header), columns, index, np.array([_numbers(row, width, path) for row in body])


def _numbers(row: list[str], width: int, path: Path) -> list[float]:
    try:
        return [float(cell) if cell.strip() else np.nan for cell in row[width:]]
    except ValueError as error:
        raise InputError(f"{path}: row {'/'.join(row[:width])}: {error}") from None


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write the labels as CSV, or as HDF5 if the file extension is .h5 or .hdf5.

    A file named `CollectedData_<scorer>`, or without any scores, is written as labels with a row per image:
    `labeled-data/<video>/img<number>.png` if its file name is unknown. Other labels are written as estimates by the
    scorer `PoseWarper`, with a row for each frame from 0. The header has a level of individuals if there are several,
    or one with a name.

    Args:
        path: The file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If the format cannot hold the labels: poses have no track, or estimates belong to several videos or
            to frames without numbers.
    """
    path = Path(path)
    estimates = not path.stem.startswith("CollectedData") and not np.isnan(labels.scores).all()
    scorer = _SCORER if estimates else path.stem.removeprefix("CollectedData_") or "labels"
    index, row_of_frame, more = _numbered(labels, path) if estimates else _named(labels, path)
    several, who = _individuals(labels, path)
    coords = ("x", "y", "likelihood") if estimates else ("x", "y")
    shape = (len(index), len(several), len(labels.names), len(coords))
    cells, rows = np.full(shape, np.nan), np.array(row_of_frame, dtype=np.int64)[labels.frame]
    cells[rows, who, :, :2] = labels.joints
    if estimates:
        scores = np.where(labels.scores == 1, _BELOW_ONE, labels.scores)
        cells[rows, who, :, 2] = np.where(labels.labeled & np.isnan(scores), 1, scores)
    columns: list[Column] = list(itertools.product([scorer], several, labels.names, coords))
    levels: tuple[str, ...] = LEVELS
    if several == [""]:
        columns, levels = [column[:1] + column[2:] for column in columns], LEVELS[:1] + LEVELS[2:]
    (write_table if _is_h5(path) else _write_csv)(path, levels, columns, index, cells.reshape(len(index), -1))
    held = ["tracks", "track names", "empty frames", "numbers", "no track", *(["scores"] if estimates else [])]
    return more + lost(labels, *held)


def _individuals(labels: Labels, path: Path) -> tuple[list[str], np.ndarray]:
    """Return the names of the individuals, or one empty name for the short header, and the individual of each pose."""
    names = name_tracks(labels)
    if (labels.track < 0).any():
        raise InputError(f"{path}: DeepLabCut's tables need individuals, and some labels have no track: add tracks")
    who = np.searchsorted(list(names), labels.track)
    return ([""] if list(names.values()) in ([], ["track0"]) else list(names.values())), who


def _named(labels: Labels, path: Path) -> tuple[list[Index], list[int], list[str]]:
    """Return the index of a table of images, the row of each frame, and the things that are lost."""
    digits = max(3, *(len(str(frame.number)) for frame in labels.frames))
    names = image_names(labels.frames, "labeled-data/", digits)
    if len(set(names)) < len(names):
        raise InputError(
            f"{path}: two frames would have the same image name: their videos differ only in folder or extension"
        )
    more = lost_images(labels.frames) + lost_numbers(labels.frames, names)
    return list(names), list(range(len(names))), more


def _numbered(labels: Labels, path: Path) -> tuple[list[Index], list[int], list[str]]:
    """Return the same as `_named` for a table of frame numbers."""
    numbers = [frame.number for frame in labels.frames]
    if min(numbers) < 0 or len(set(numbers)) < len(numbers) or len({frame.video for frame in labels.frames}) > 1:
        raise InputError(
            f"{path}: estimates must belong to numbered frames of one video; otherwise, name the file CollectedData…"
        )
    if max(numbers) >= _MAX_ROWS:
        raise InputError(f"{path}: frame {max(numbers)}: too many frames for a table with a row for each of them")
    index: list[Index] = list(range(max(numbers) + 1))
    video = labels.frames[0].video
    added = len(index) - len(numbers)
    more = [f"{added} frames between the labeled ones get an empty row"] if added else []
    more += lost_file_names(labels.frames)
    return index, numbers, more + ([f"the video's name, {video}"] if _frame(0, path).video != video else [])


def _write_csv(
    path: Path, levels: Sequence[str], columns: Sequence[Column], index: Sequence[Index], values: np.ndarray
) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([name, *(column[level] for column in columns)] for level, name in enumerate(levels))
        for entry, row in zip(index, values.tolist(), strict=True):
            writer.writerow([entry, *("" if np.isnan(value) else repr(value) for value in row)])


def _recognizes(path: Path, start: bytes) -> bool:
    if is_hdf5(start):
        with open_hdf5(path, "labels", soft_links=True) as file:
            return "metadata" not in file and "nwb_version" not in file.attrs  # SLEAP's and NWB files have them
    return start.partition(b",")[0].decode(errors="replace") in LEVELS


_PATTERNS = (*(f"*{suffix}" for suffix in H5_SUFFIXES), "CollectedData*.csv", "*DLC_*.csv")
FORMAT = LabelFormat("deeplabcut", read, write, _recognizes, _PATTERNS)
