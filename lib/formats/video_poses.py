"""Poses that were estimated in a video: a COCO-style keypoint file with tracks, written frame by frame.

While it grows there is `<name>.part`, a line of JSON for each frame, which an interrupted run goes on with. In the
finished file each image and each person is a line as well: nothing has to be in memory as a whole.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from lib.utils.errors import InputError
from lib.utils.files import atomic_path

CATEGORY = 1
PEOPLE_BEGIN = b'"annotations": [\n'


@dataclass(frozen=True)
class TrackedPose:
    """One person in one frame, with numbers as the file has them.

    Attributes:
        box: (4,) x, y, w, h in pixels, and box_score, of the detector.
        points: (J, 2) x, y in pixels; (0, 0) where the score is not over 0.
        scores: (J,) of the joints.
        score: of the person.
        track: number of the person in the video; −1 before it is known.
    """

    box: np.ndarray
    box_score: float
    points: np.ndarray
    scores: np.ndarray
    score: float
    track: int = -1

    @classmethod
    def rounded(
        cls, box: np.ndarray, box_score: float, points: np.ndarray, scores: np.ndarray, score: float
    ) -> "TrackedPose":
        """A pose rounded to what the file keeps: pixels to a thousandth, scores to a ten-thousandth."""
        scores = np.round(np.asarray(scores, dtype=np.float64), 4)
        points = np.where(scores[:, None] > 0, np.round(np.asarray(points, dtype=np.float64), 3), 0.0)
        box = np.round(np.asarray(box, dtype=np.float64), 3)
        return cls(box, round(float(box_score), 4), points, scores, round(float(score), 4))


@dataclass(frozen=True)
class FramePoses:
    """What became of one frame.

    Attributes:
        number: of the frame, from 0.
        poses: of its people.
        damaged: it could not be decoded, and nobody was looked for.
        replaced: frames around it that others stood in for, once for each person.
        left_out: boxes that were not used, by reason.
    """

    number: int
    poses: Sequence[TrackedPose] = ()
    damaged: bool = False
    replaced: int = 0
    left_out: Counter = field(default_factory=Counter)


class PosesFile:
    """The file of a video's poses, in a `with` statement.

    Args:
        path: of the file.
        made_with: all that the poses depend on; another run goes on with a file of the same alone.
    Raises:
        InputError: `path` is there, and no such file.
    """

    def __init__(self, path: Path, made_with: dict[str, Any]) -> None:
        self.path = path
        self.part = _part_of(path)
        self._made_with = json.loads(json.dumps(made_with))
        self._file: IO[bytes] | None = None
        self.finished = path.exists() and _made_with(path) == self._made_with

    def __enter__(self) -> "PosesFile":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file:
            self._file.close()

    def begin(self, recall: Callable[[FramePoses], None]) -> None:
        """Go on after the frames that an earlier run kept, each of which is shown to `recall`, in order."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        end = 0
        if self.part.exists():
            with open(self.part, "rb") as file:
                if _whole_line(file) == {"made_with": self._made_with}:
                    end = file.tell()
                    while record := _whole_line(file):
                        end = file.tell()
                        recall(_from_record(record))
        self._file = open(self.part, "r+b" if end else "wb")  # noqa: SIM115 (closed by __exit__)
        self._file.truncate(end)
        self._file.seek(end)
        if not end:
            self._write({"made_with": self._made_with})

    def append(self, frames: Iterable[FramePoses]) -> None:
        """Keep frames, the next ones in order."""
        for frame in frames:
            self._write(_record(frame))
        self._file.flush()

    def finish(
        self,
        info: dict[str, Any],
        left_out: Counter,
        video: str,
        size: tuple[int, int],
        names: Sequence[str],
        bones: Sequence[Any],
    ) -> dict[str, Any]:
        """Make the file of all frames that were kept.

        Args:
            info: what it tells of itself, beside the counts.
            left_out: boxes of no frame that were not used, by reason.
            video: the file's name; size: its width and height.
            names: J joint names; bones: pairs of joints, from 0.
        Returns:
            the counts: `frames`, `people`, `tracks`, `damaged_frames`, `replaced_frames`, `boxes_left_out`.
        """
        self._file.close()
        counts = self._counts(left_out)
        category = {"id": CATEGORY, "name": "person", "keypoints": list(names)}
        category["skeleton"] = [[a + 1, b + 1] for a, b in bones]  # COCO counts from 1
        with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            file.write(b'{"info": ' + orjson.dumps(info | counts | {"made_with": self._made_with}) + b",\n")
            file.write(b'"categories": [' + orjson.dumps(category) + b'],\n"images": [\n')
            _write_lines(file, self._images(video, size))
            file.write(b"],\n" + PEOPLE_BEGIN)
            _write_lines(file, self._people(video))
            file.write(b"]}\n")
        self.part.unlink()
        return counts

    def people(self) -> Iterator[tuple[int, list[TrackedPose]]]:
        """Of the finished file, the number and people of every frame that has people."""
        with open(self.path, "rb") as file:
            for line in file:
                if line == PEOPLE_BEGIN:
                    break
            records = (orjson.loads(line.rstrip(b",\n")) for line in file if line.startswith(b"{"))
            for number, group in groupby(records, key=lambda record: record["image_id"]):
                yield number, [_from_person(person) for person in group]

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(record) + b"\n")

    def _frames(self) -> Iterator[dict[str, Any]]:
        with open(self.part, "rb") as file:
            file.readline()
            yield from map(orjson.loads, file)

    def _counts(self, left_out: Counter) -> dict[str, Any]:
        counts: Counter = Counter(frames=0, people=0, tracks=0, damaged_frames=0, replaced_frames=0)
        left_out = left_out.copy()
        for frame in self._frames():
            counts["frames"] += 1
            counts["people"] += len(frame["people"])
            counts["damaged_frames"] += frame["damaged"]
            counts["replaced_frames"] += frame["replaced"]
            counts["tracks"] = max([counts["tracks"], *(person["track_id"] + 1 for person in frame["people"])])
            left_out.update(frame["left_out"])
        return {**counts, "boxes_left_out": dict(left_out)}

    def _images(self, video: str, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
        width, height = size
        for frame in self._frames():
            number = frame["frame"]
            image = {"id": number, "file_name": f"{video}#{number}", "frame": number, "width": width, "height": height}
            yield image | ({"damaged": True} if frame["damaged"] else {})

    def _people(self, video: str) -> Iterator[dict[str, Any]]:
        count = 0
        for frame in self._frames():
            for person in frame["people"]:
                yield {"id": count, "image_id": frame["frame"], "category_id": CATEGORY, **person}
                count += 1


def check_part(path: Path) -> None:
    """Refuse the name of a file of poses if what would be its `.part` is something else.

    Raises:
        InputError: it is.
    """
    part = _part_of(path)
    if part.exists() and part.stat().st_size:
        with open(part, "rb") as file:
            first = _whole_line(file)
        if not isinstance(first, dict) or "made_with" not in first:
            raise InputError(f"{part}: PoseWarper did not write this file; choose another name than {path}")


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _record(frame: FramePoses) -> dict[str, Any]:
    people = [_person(pose) for pose in frame.poses]
    counts = {"damaged": frame.damaged, "replaced": frame.replaced, "left_out": dict(frame.left_out)}
    return {"frame": frame.number, "people": people, **counts}


def _person(pose: TrackedPose) -> dict[str, Any]:
    shown = pose.scores > 0
    return {
        "track_id": pose.track,
        "keypoints": np.column_stack([pose.points, 2 * shown]).ravel().tolist(),
        "num_keypoints": int(shown.sum()),
        "scores": pose.scores.tolist(),
        "score": pose.score,
        "bbox": pose.box.tolist(),
        "bbox_score": pose.box_score,
        "area": round(float(pose.box[2] * pose.box[3]), 3),
        "iscrowd": 0,
    }


def _from_record(record: dict[str, Any]) -> FramePoses:
    poses = [_from_person(person) for person in record["people"]]
    return FramePoses(record["frame"], poses, record["damaged"], record["replaced"], Counter(record["left_out"]))


def _from_person(person: dict[str, Any]) -> TrackedPose:
    return TrackedPose(
        box=np.array(person["bbox"], dtype=np.float64),
        box_score=person["bbox_score"],
        points=np.array(person["keypoints"], dtype=np.float64).reshape(-1, 3)[:, :2],
        scores=np.array(person["scores"], dtype=np.float64),
        score=person["score"],
        track=person["track_id"],
    )


def _made_with(path: Path) -> dict[str, Any]:
    """What the poses of a finished file depend on; its first line tells."""
    with open(path, "rb") as file:
        first = file.readline(1 << 20).removesuffix(b",\n")
    try:
        return orjson.loads(first + b"}")["info"]["made_with"]
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{path}: there is such a file already, and it is not one of these poses; name another"
        ) from None


def _whole_line(file: IO[bytes]) -> dict[str, Any] | None:
    """The next record; None at the end, and of a line that an interrupted run did not write to its end."""
    line = file.readline()
    try:
        return orjson.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None


def _write_lines(file: IO[bytes], records: Iterable[dict[str, Any]]) -> None:
    """Records as the lines of a JSON list."""
    for index, record in enumerate(records):
        file.write((b",\n" if index else b"") + orjson.dumps(record))
    file.write(b"\n")
