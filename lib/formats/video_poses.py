"""Poses estimated in a video: a COCO-style keypoint file with tracks, written frame by frame.

A run in progress writes `<name>.part`, one line of JSON per frame, from which an interrupted run resumes. In the
finished file, each image and each person is a line too, so that the file never has to fit in memory.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import orjson

from lib.formats.coco_records import category_record, person_record
from lib.formats.tracked_poses import COLORS, FramePoses, TrackedPose, frame_from_record, frame_record, pose_from_record
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, errors_of

PEOPLE_BEGIN = b'"annotations": [\n'


class PosesFile:
    """The file of a video's poses, used as a context manager.

    Args:
        path: The file.
        made_with: Everything that the poses depend on. A run only resumes a file with the same values.

    Raises:
        InputError: If `path` exists and is not a file of poses.
    """

    def __init__(self, path: Path, made_with: dict[str, Any]) -> None:
        self.path = path
        self.part = _part_of(path)
        self._made_with = json.loads(json.dumps(made_with))
        self._file: IO[bytes] | None = None
        self.finished = path.exists() and _made_with(path) == self._made_with

    def __enter__(self) -> "PosesFile":
        if self.finished:  # by a run that was killed before it removed the other file
            self.part.unlink(missing_ok=True)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file:
            with errors_of(self.part):
                self._file.close()

    def begin(self, recall: Callable[[FramePoses], None]) -> None:
        """Resume after the frames that an earlier run wrote.

        Args:
            recall: Called with each of these frames, in order.
        """
        self.part.parent.mkdir(parents=True, exist_ok=True)
        end = 0
        if self.part.exists():
            with open(self.part, "rb") as file:
                if _whole_line(file) == {"made_with": self._made_with}:
                    end = file.tell()
                    while frame := _whole_frame(file):
                        end = file.tell()
                        recall(frame)
        self._file = open(self.part, "r+b" if end else "wb")  # noqa: SIM115 (closed by __exit__)
        self._file.truncate(end)
        self._file.seek(end)
        if not end:
            self._write({"made_with": self._made_with})

    def append(self, frames: Iterable[FramePoses]) -> None:
        """Write the next frames.

        Args:
            frames: The frames, in order.
        """
        with errors_of(self.part):
            for frame in frames:
                self._write(frame_record(frame))
            self._open_part.flush()

    def finish(
        self,
        info: dict[str, Any],
        left_out: Counter,
        file_name: Callable[[int], str],
        size: tuple[int, int],
        names: Sequence[str],
        bones: Sequence[Any],
        revise: Callable[[Sequence[FramePoses]], list[FramePoses]] | None = None,
    ) -> dict[str, Any]:
        """Write the final file from all frames.

        Args:
            info: Values for the `info` of the file, besides the counts.
            left_out: Number of unused boxes that belong to no frame, by reason.
            file_name: Returns the name of a frame by its number.
            size: Width and height of the video in pixels.
            names: J joint names.
            bones: Pairs of joint indices, from 0.
            revise: Function from the results of all frames to those to write; None: they are written as they are,
                without being in memory at once.

        Returns:
            The counts: `frames`, `people`, `tracks`, `damaged_frames`, `replaced_frames`, `boxes_left_out`.
        """
        with errors_of(self.part):
            self._open_part.close()
        frames = self._frames
        if revise:
            records = [
                frame_record(frame) for frame in revise([frame_from_record(record) for record in self._frames()])
            ]
            frames = records.__iter__
        counts = _count(frames(), left_out)
        category = category_record(names, bones=bones)
        with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            file.write(b'{"info": ' + orjson.dumps(info | counts | {"made_with": self._made_with}) + b",\n")
            file.write(b'"categories": [' + orjson.dumps(category) + b'],\n"images": [\n')
            _write_lines(file, _images(frames(), file_name, size))
            file.write(b"],\n" + PEOPLE_BEGIN)
            _write_lines(file, _people(frames()))
            file.write(b"]}\n")
        self.part.unlink()
        return counts

    def people(self) -> Iterator[tuple[int, list[TrackedPose]]]:
        """Read the finished file.

        Yields:
            The number and the people of every frame that has people.

        Raises:
            InputError: If the file is damaged.
        """
        with open(self.path, "rb") as file:
            for line in file:
                if line == PEOPLE_BEGIN:
                    break
            try:
                records = (orjson.loads(line.rstrip(b",\n")) for line in file if line.startswith(b"{"))
                for number, group in groupby(records, key=lambda record: record["image_id"]):
                    yield number, [pose_from_record(person) for person in group]
            except (KeyError, TypeError, ValueError):
                raise InputError(f"{self.path}: damaged; remove it, and run the command again") from None

    @property
    def _open_part(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError("call begin() first")
        return self._file

    def _write(self, record: dict[str, Any]) -> None:
        self._open_part.write(orjson.dumps(record) + b"\n")

    def _frames(self) -> Iterator[dict[str, Any]]:
        with open(self.part, "rb") as file:
            file.readline()
            yield from map(orjson.loads, file)


def check_part(path: Path) -> None:
    """Check that the `.part` file of a file of poses can be written.

    Args:
        path: The file of poses.

    Raises:
        InputError: If the `.part` file exists and was not written by PoseWarper.
    """
    part = _part_of(path)
    if part.exists() and part.stat().st_size:
        with open(part, "rb") as file:
            first = _whole_line(file)
        if not isinstance(first, dict) or "made_with" not in first:
            raise InputError(f"{part}: PoseWarper did not write this file; choose a name other than {path}")


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _count(frames: Iterable[dict[str, Any]], left_out: Counter) -> dict[str, Any]:
    """Return the counts of a finished file."""
    counts: Counter = Counter(frames=0, people=0, tracks=0, damaged_frames=0, replaced_frames=0)
    left_out = left_out.copy()
    for frame in frames:
        counts["frames"] += 1
        counts["people"] += len(frame["people"])
        counts["damaged_frames"] += frame["damaged"]
        counts["replaced_frames"] += frame["replaced"]
        counts["tracks"] = max([counts["tracks"], *(person["track_id"] + 1 for person in frame["people"])])
        left_out.update(frame["left_out"])
    return {**counts, "boxes_left_out": dict(left_out)}


def _images(
    frames: Iterable[dict[str, Any]], file_name: Callable[[int], str], size: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Yield the records of the frames."""
    width, height = size
    for frame in frames:
        number = frame["frame"]
        image = {"id": number, "file_name": file_name(number), "frame": number, "width": width, "height": height}
        yield image | ({"damaged": True} if frame["damaged"] else {})


def _people(frames: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the records of the people."""
    count = 0
    for frame in frames:
        for person in frame["people"]:
            kept = {key: value for key, value in person.items() if key != COLORS}
            yield person_record(count, frame["frame"]) | kept
            count += 1


def _made_with(path: Path) -> dict[str, Any]:
    """Return `made_with` of a finished file, from its first line."""
    with open(path, "rb") as file:
        first = file.readline(1 << 20).removesuffix(b",\n")
    try:
        return orjson.loads(first + b"}")["info"]["made_with"]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path}: this file does not contain these poses; choose another name") from None


def _whole_line(file: IO[bytes]) -> dict[str, Any] | None:
    """Return the next record; None at the end of the file, or for a line that an interrupted run left incomplete."""
    line = file.readline()
    try:
        return orjson.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None


def _whole_frame(file: IO[bytes]) -> FramePoses | None:
    """Return the frame of the next record; None at the end of the file, or for a record that is damaged."""
    record = _whole_line(file)
    try:
        return frame_from_record(record) if record else None
    except (KeyError, TypeError, ValueError):
        return None


def _write_lines(file: IO[bytes], records: Iterable[dict[str, Any]]) -> None:
    """Write records as the lines of a JSON list."""
    for index, record in enumerate(records):
        file.write((b",\n" if index else b"") + orjson.dumps(record))
    file.write(b"\n")
