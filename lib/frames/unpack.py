"""Conversion of a video file to a folder of numbered images, to be read by lib.frames.video.FrameFolder."""

import logging
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, frame_number, read_json, write_json
from lib.utils.progress import progress_bar
from lib.utils.unfinished import remove_unfinished

logger = logging.getLogger(__name__)

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
RECORD = "unpacked.json"  # file in the folder that records which video the frames are from
SAMPLED = 10  # number of frames after which the required disk space is estimated


class Unpacked(NamedTuple):
    """Result of unpacking a video.

    Attributes:
        frames: Number of the video's frames in the folder.
        damaged: Numbers of the frames that cannot be decoded.
    """

    frames: int
    damaged: list[int]


def unpack(video: Path, folder: Path) -> Unpacked:
    """Write the frames of a video as .jpg images named by number. An interrupted call is continued by the next one.

    Args:
        video: Path to the video file.
        folder: Folder for the images, created if necessary.

    Returns:
        Number of frames and the damaged ones.

    Raises:
        InputError: The file is not a video, or the folder contains images from another source.
    """
    source = VideoFile(video)
    target = _Target(folder, video)
    if not target.is_complete:
        _write(source, target)
        target.save()
    frames = target.there.intersection(range(target.num_frames or 0))  # without images that somebody else put there
    return Unpacked(len(frames), sorted(target.damaged))


def open_frames(video: Path, folder: Path, oriented: bool = False) -> tuple[FrameFolder, list[int]]:
    """Return the frames of a video and the numbers of the damaged ones of a file, which is unpacked first.

    Args:
        video: Folder of numbered images, or a video file.
        folder: Folder to unpack the frames of a video file to.
        oriented: If True, rotate and mirror the images of a folder according to their EXIF tags.

    Raises:
        InputError: The video cannot be unpacked, see `unpack`, or the folder has no frames.
    """
    if video.is_dir():
        return FrameFolder(ImageStore(video, oriented=oriented), "."), []
    damaged = unpack(video, folder).damaged
    return FrameFolder(ImageStore(folder), "."), damaged


def frame_reader(video: Path, folder: Path, oriented: bool = False) -> Callable[[str], np.ndarray]:
    """Return a function that reads a frame by its name in a label file, such as `000079.jpg` or `clip.mp4#79`.

    The function returns a (H, W, 3) uint8 BGR array. It raises InputError if the frame does not exist, and
    DamagedImageError if it is damaged.

    Args:
        video: Folder of numbered images, or a video file.
        folder: Folder to unpack the frames of a video file to.
        oriented: If True, rotate and mirror the images of a folder according to their EXIF tags.

    Raises:
        InputError: The video cannot be unpacked, see `unpack`.
    """
    frames, damaged = open_frames(video, folder, oriented)

    def read(name: str) -> np.ndarray:
        if frame_number(name) in damaged:
            raise DamagedImageError(f"{video}: frame {frame_number(name)} is damaged")
        return frames.read(frames.number_of(name))

    return read


def _write(source: VideoFile, target: "_Target") -> None:
    """Add the frames that the folder does not have yet."""
    first = next(number for number in count() if number not in target.done)
    number, sizes = first - 1, []
    with progress_bar(source.num_frames or None, "frame", desc=target.folder.name) as bar:
        for number, image in source.frames(first):
            bar.update()
            if size := target.add(number, image):
                sizes.append(size)
                if len(sizes) == SAMPLED:
                    _log_size(target.folder, sum(sizes) / SAMPLED, source.num_frames or 1000)
    target.num_frames = number + 1


def _log_size(folder: Path, size: float, count: int) -> None:
    logger.info("%s: %d frames need about %.1f MB on disk", folder, count, size * count / 1e6)


class _Target:
    """Folder for the frames of a video, with a record of the video and its damaged frames.

    Attributes:
        there: Numbers of the frames in the folder.
        damaged: Numbers of the damaged frames.
        num_frames: Number of frames of the whole video, or None until it is known.

    Raises:
        InputError: The folder contains frames from another source.
    """

    def __init__(self, folder: Path, video: Path) -> None:
        self.folder = folder
        status = video.stat()
        self._identity = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
        remove_unfinished(folder)
        self.there = {frame_number(name) for name in ImageStore(folder).list(".")}
        self.damaged: set[int] = set()
        self.num_frames: int | None = None
        if (folder / RECORD).exists():
            self._load(video)
        elif self.there:
            raise InputError(f"{folder}: contains images that are not from {video}; choose another folder")
        else:
            self.save()

    def _load(self, video: Path) -> None:
        record = read_json(self.folder / RECORD)
        if not isinstance(record, dict) or {"num_frames", "damaged"} - set(record):
            raise InputError(f"{self.folder / RECORD}: not a record of an unpacked video; remove the folder")
        if any(record.get(key) != value for key, value in self._identity.items()):
            raise InputError(
                f"{self.folder}: contains frames of a video other than {video} or of an earlier version; remove "
                f"the folder or choose another"
            )
        self.damaged, self.num_frames = set(record["damaged"]), record["num_frames"]

    def save(self) -> None:
        """Write the record."""
        write_json(
            self.folder / RECORD, self._identity | {"num_frames": self.num_frames, "damaged": sorted(self.damaged)}
        )

    @property
    def done(self) -> set[int | None]:
        """Numbers of the frames that need no further work."""
        return self.there | self.damaged

    @property
    def is_complete(self) -> bool:
        """True if all frames of the video are done."""
        return self.num_frames is not None and self.done.issuperset(range(self.num_frames))

    def add(self, number: int, image: np.ndarray | None) -> int:
        """Write a frame atomically unless it already exists, and return the number of bytes written."""
        if image is None:
            self.damaged.add(number)
        if image is None or number in self.there:
            return 0
        _, content = cv2.imencode(".jpg", image, JPEG)
        with atomic_path(self.folder / f"{number:06d}.jpg") as temporary:
            temporary.write_bytes(content.tobytes())
        self.there.add(number)
        return len(content)
