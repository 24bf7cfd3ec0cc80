"""A video file to a folder of numbered images, which lib.frames.video.FrameFolder reads."""

import logging
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, frame_number, read_json, write_json
from lib.utils.unfinished import remove_unfinished

logger = logging.getLogger(__name__)

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
RECORD = "unpacked.json"  # in the folder: which video its frames are of
SAMPLED = 10  # frames, after which it is told how much disk all will take


class Unpacked(NamedTuple):
    """What became of a video's frames.

    Attributes:
        frames: how many are in the folder.
        damaged: the numbers of those that cannot be decoded.
    """

    frames: int
    damaged: list[int]


def unpack(video: Path, folder: Path) -> Unpacked:
    """Write the frames of a video as .jpg images, named by number. Interrupted and called again, it goes on.

    Args:
        video: the file.
        folder: for the images; made if it is not there.

    Raises:
        InputError: no video, or a folder with images of something else.
    """
    source = VideoFile(video)
    target = _Target(folder, video)
    if not target.is_complete:
        _write(source, target)
        target.save()
    return Unpacked(len(target.there), sorted(target.damaged))


def frame_reader(video: Path, folder: Path) -> Callable[[str], np.ndarray]:
    """What reads a frame, (H, W, 3), uint8, BGR, by its name in a file of labels: `000079.jpg` or `clip.mp4#79`.

    Args:
        video: a folder of numbered images, or a file.
        folder: where the frames of a file are unpacked to.

    Raises:
        InputError: as `unpack`; what it gives, if there is no such frame, and DamagedImageError if it is damaged.
    """
    damaged = set() if video.is_dir() else set(unpack(video, folder).damaged)
    frames = FrameFolder(ImageStore(video if video.is_dir() else folder), ".")

    def read(name: str) -> np.ndarray:
        if frame_number(name) in damaged:
            raise DamagedImageError(f"{video}: frame {frame_number(name)} is damaged")
        return frames.read(frames.number_of(name))

    return read


def _write(source: VideoFile, target: "_Target") -> None:
    """Add what the folder has not."""
    first = next(number for number in count() if number not in target.done)
    number, sizes = first - 1, []
    with tqdm(desc=target.folder.name, total=source.num_frames or None, unit="frame", disable=None) as bar:
        for number, image in source.frames(first):
            bar.update()
            if size := target.add(number, image):
                sizes.append(size)
                if len(sizes) == SAMPLED:
                    _tell_size(target.folder, sum(sizes) / SAMPLED, source.num_frames or 1000)
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

    def __init__(self, folder: Path, video: Path) -> None:
        self.folder = folder
        status = video.stat()
        self._identity = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
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
                f"{self.folder}: holds frames of another video than {video}, or of an earlier version of it; remove "
                f"the folder or name another"
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

    @property
    def is_complete(self) -> bool:
        """Whether all frames of the video are done."""
        return self.num_frames == len(self.done)

    def add(self, number: int, image: np.ndarray | None) -> int:
        """Write a frame that is not there yet, all or nothing; the bytes that it takes."""
        if image is None:
            self.damaged.add(number)
        if image is None or number in self.there:
            return 0
        _, content = cv2.imencode(".jpg", image, JPEG)
        with atomic_path(self.folder / f"{number:06d}.jpg") as temporary:
            temporary.write_bytes(content)
        self.there.add(number)
        return len(content)
