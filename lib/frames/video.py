"""The available frames of a video, identified by number regardless of their file names."""

import bisect
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from lib.frames.store import DamagedImageError, ImageStore
from lib.utils.errors import InputError
from lib.utils.files import frame_number


class FrameFolder:
    """A video stored as numbered images in a folder of a store.

    Args:
        store: Store that contains the images.
        folder: Folder of the video in the store.
        num_frames: Number of frames of the whole video, present or not; 0 if unknown.
        first: Number of the video's first frame, if known.

    Raises:
        InputError: The folder contains no numbered images.
    """

    def __init__(self, store: ImageStore, folder: str, *, num_frames: int = 0, first: int | None = None) -> None:
        self._store = store
        self.folder = folder
        self._files = store.list(folder)
        self._names: dict[int, str] = {}  # by number; the first of several files unless another is requested
        for name in self._files:
            number = frame_number(name)
            if number is not None:
                self._names.setdefault(number, name)
        self._numbers = sorted(self._names)
        if not self._numbers:
            raise InputError(
                f"{store.root / folder}: no numbered .jpg or .png frames; check --video or DATASET.IMAGE_DIR"
            )
        self._first = self._numbers[0] if first is None else min(first, self._numbers[0])
        self._last = max(self._numbers[-1], self._first + num_frames - 1)
        self._sizes: dict[int, tuple[int, int]] = {}

    def number_of(self, file_name: str) -> int:
        """Return the number of an annotated frame, whose zero-padding or extension may differ from those of its file.

        Args:
            file_name: File name in the annotations.

        Raises:
            InputError: The frame does not exist.
        """
        name = file_name.rpartition("/")[2]
        number = frame_number(name)
        if number not in self._names:
            raise InputError(f"{self._store.root / self.folder}: no frame {name}")
        if name in self._files:
            self._names[number] = name
        return number

    @property
    def path(self) -> Path:
        """Path of the folder on disk, unless it is in an archive."""
        return self._store.root / self.folder

    @property
    def numbers(self) -> list[int]:
        """Numbers of the available frames, in ascending order."""
        return self._numbers

    def has(self, number: int) -> bool:
        """Return True if a frame with this number exists.

        Args:
            number: Number of the frame.
        """
        return number in self._names

    def name(self, number: int) -> str:
        """Return the file name of an available frame.

        Args:
            number: Number of the frame.
        """
        return self._names[number]

    def stamp(self) -> list[tuple[str, int, int]]:
        """Return the name, size, and modification time of each file outside of archives, to detect changed frames."""
        paths = [(name, self._store.root / self.folder / name) for name in self._names.values()]
        files = [(name, path.stat()) for name, path in paths if path.exists()]
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]

    def describe(self, number: int) -> str:
        """Return the path of an available frame, for messages.

        Args:
            number: Number of the frame.
        """
        return str(self.path / self._names[number])

    def size(self, number: int) -> tuple[int, int]:
        """Return the width and height of a frame in pixels, or those of the nearest frame if it is missing or damaged.

        The size is read from the header of the image if possible.

        Args:
            number: Number of the frame.

        Raises:
            InputError: No frame nearby can be read.
        """
        if number not in self._sizes:
            try:
                self._sizes[number] = self._store.size(str(PurePosixPath(self.folder, self._names[number])))
            except (KeyError, DamagedImageError):
                height, width = self.read_nearest(number)[0].shape[:2]
                self._sizes[number] = width, height
        return self._sizes[number]

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Return the numbers key + offset, clamped to the video; the folder may lack these frames.

        Args:
            key: Number of the key frame.
            offsets: Offsets from the key frame.
        """
        return [min(max(key + offset, self._first), self._last) for offset in offsets]

    def read(self, number: int) -> np.ndarray:
        """Return a frame as a (H, W, 3) uint8 BGR array.

        Args:
            number: Number of the frame, which must be available.

        Raises:
            DamagedImageError: The frame cannot be decoded.
        """
        return self._store.read(str(PurePosixPath(self.folder, self._names[number])))

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """Return a frame, or the nearest one that can be read (the earlier of two), and True if it is the frame itself.

        Args:
            number: Number of the frame.

        Raises:
            InputError: No frame nearby can be read.
        """
        if number in self._names:
            try:
                return self.read(number), True
            except DamagedImageError:
                pass
        position = bisect.bisect_left(self._numbers, number)
        around = self._numbers[max(0, position - 8) : position + 8]
        for candidate in sorted(around, key=lambda other: (abs(other - number), other)):
            try:
                return self.read(candidate), False
            except DamagedImageError:
                continue
        raise InputError(f"{self._store.root / self.folder}: no readable frame near frame {number}")
