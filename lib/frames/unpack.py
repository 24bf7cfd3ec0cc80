"""A video file to a folder of numbered images, which lib.frames.video.FrameFolder reads."""

import logging
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from lib.frames.store import ImageStore
from lib.frames.video_file import VideoFile
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, frame_number, read_json, write_json
from lib.utils.unfinished import remove_unfinished

logger = logging.getLogger(__name__)

ENCODING = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95], ".png": []}
RECORD = "unpacked.json"  # in the folder: which video its frames are of
SAMPLED = 10  # frames, after which it is told how much disk all will take


class Unpacked(NamedTuple):
    """What became of the frames that were wanted.

    Attributes:
        frames: how many are in the folder.
        damaged: the numbers of those that cannot be decoded.
    """

    frames: int
    damaged: list[int]


def unpack(video: Path, folder: Path, wanted: Iterable[int] | None = None, suffix: str = ".jpg") -> Unpacked:
    """Write frames of a video as images, named by number. Interrupted and called again, it goes on.

    Args:
        video: the file.
        folder: for the images; made if it is not there.
        wanted: the numbers of the frames, from 0; None: all.
        suffix: .jpg (quality 95) or .png.

    Raises:
        InputError: no video, a wanted frame that it does not have, or a folder with images of something else.
    """
    if suffix not in ENCODING:
        raise InputError(f"frames are written as {' or '.join(ENCODING)}, not as {suffix!r}")
    source = VideoFile(video)
    target = _Target(folder, video, suffix)
    wanted = None if wanted is None else set(wanted)
    if not target.has(wanted):
        _write(source, target, wanted)
        target.save()
    if wanted is None:
        wanted = target.done
    if beyond := wanted - target.done:
        raise InputError(f"{video}: frame {min(beyond)} is wanted; there are 0 to {target.num_frames - 1}")
    return Unpacked(len(wanted & target.there), sorted(wanted & target.damaged))


def _write(source: VideoFile, target: "_Target", wanted: set[int] | None) -> None:
    """Add what the folder has not, as far as it is wanted."""
    first = next(number for number in (count() if wanted is None else sorted(wanted)) if number not in target.done)
    expected = source.num_frames if wanted is None else len(wanted)
    number, sizes = first - 1, []
    with tqdm(desc=target.folder.name, total=expected or None, unit="frame", disable=None) as bar:
        for number, image in source.frames(first):
            if wanted is None or number in wanted:
                bar.update()
                if size := target.add(number, image):
                    sizes.append(size)
                    if len(sizes) == SAMPLED:
                        _tell_size(target.folder, sum(sizes) / SAMPLED, expected or 1000)
            if wanted is not None and number >= max(wanted):
                return
    target.num_frames = number + 1


def _tell_size(folder: Path, size: float, count: int) -> None:
    logger.info("%s: %d frames take about %.1f MB", folder, count, size * count / 1e6)


class _Target:
    """A folder of frames of one video, and a record in it of whose they are and which are damaged.

    Attributes:
        there, damaged: numbers of frames; num_frames: of the whole video, None until that is known.

    Raises:
        InputError: the frames are others.
    """

    def __init__(self, folder: Path, video: Path, suffix: str) -> None:
        self.folder = folder
        self._suffix = suffix
        status = video.stat()
        self._identity = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "suffix": suffix}
        remove_unfinished(folder)
        self.there = {frame_number(name) for name in ImageStore(folder).list(".")}
        self.damaged, self.num_frames = set(), None
        if (folder / RECORD).exists():
            self._load(video)
        elif self.there:
            raise InputError(f"{folder}: holds images that are not from {video}; name another folder")
        else:
            self.save()

    def _load(self, video: Path) -> None:
        record = read_json(self.folder / RECORD)
        if not isinstance(record, dict) or {"num_frames", "damaged"} - set(record):
            raise InputError(f"{self.folder / RECORD}: does not tell what was unpacked; remove the folder")
        if any(record.get(key) != value for key, value in self._identity.items()):
            raise InputError(
                f"{self.folder}: holds frames of another video than {video}, or of what it was, or other images than"
                f" {self._suffix}; remove the folder or name another"
            )
        self.damaged, self.num_frames = set(record["damaged"]), record["num_frames"]

    def save(self) -> None:
        """Write the record."""
        write_json(
            self.folder / RECORD, self._identity | {"num_frames": self.num_frames, "damaged": sorted(self.damaged)}
        )

    @property
    def done(self) -> set[int]:
        """Frames of which nothing is to be done any more."""
        return self.there | self.damaged

    def has(self, wanted: set[int] | None) -> bool:
        """Whether all wanted frames are done, or, with None, those of the whole video."""
        return self.num_frames == len(self.done) if wanted is None else wanted <= self.done

    def add(self, number: int, image: np.ndarray | None) -> int:
        """Write a frame that is not there yet, all or nothing; the bytes that it takes."""
        if image is None:
            self.damaged.add(number)
        if image is None or number in self.there:
            return 0
        _, content = cv2.imencode(self._suffix, image, ENCODING[self._suffix])
        with atomic_path(self.folder / f"{number:06d}{self._suffix}") as temporary:
            temporary.write_bytes(content)
        self.there.add(number)
        return len(content)
