"""The frames of one video that are there, found by number whatever their files are called."""

import bisect
from pathlib import Path, PurePosixPath

import numpy as np

from lib.frames.store import DamagedImageError, ImageStore
from lib.utils.errors import InputError
from lib.utils.files import frame_number


class FrameFolder:
    """A video stored as numbered images in one folder of a store.

    Args:
        store: where the images are.
        folder: the video's folder in the store.
        num_frames: of the whole video, present or not; 0 if that is not known.
        first: number of the video's first frame, as far as it is known.
    Raises:
        InputError: no numbered image is in the folder.
    """

    def __init__(self, store: ImageStore, folder: str, num_frames: int = 0, first: int | None = None) -> None:
        self._store = store
        self.folder = folder
        self._files = store.list(folder)
        self._names: dict[int, str] = {}  # by number; of two files with one number the first, unless one is asked for
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
        """The number of an annotated frame, which may be written with another zero-padding or ending than its file.

        Raises:
            InputError: the frame is not there.
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
        """The folder on the disk, if it is not in an archive."""
        return self._store.root / self.folder

    @property
    def numbers(self) -> list[int]:
        """The numbers of the frames that are there, ascending."""
        return self._numbers

    def has(self, number: int) -> bool:
        """Whether the frame of this number is there."""
        return number in self._names

    def name(self, number: int) -> str:
        """The name of the file of a frame that is there."""
        return self._names[number]

    def stamp(self) -> list[tuple[str, int, int]]:
        """Stands for the frames as they are: name, size and time of change of each file that is not in an archive."""
        paths = [(name, self._store.root / self.folder / name) for name in self._names.values()]
        files = [(name, path.stat()) for name, path in paths if path.exists()]
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]

    def size(self, number: int) -> tuple[int, int]:
        """Width and height of a frame, by its header; of one that is not there or damaged, those of the nearest.

        Raises:
            InputError: none can be read.
        """
        if number not in self._sizes:
            try:
                self._sizes[number] = self._store.size(str(PurePosixPath(self.folder, self._names[number])))
            except (KeyError, DamagedImageError):
                height, width = self.read_nearest(number)[0].shape[:2]
                self._sizes[number] = width, height
        return self._sizes[number]

    def clip(self, key: int, offsets: list[int]) -> list[int]:
        """Frame numbers key + offset, kept inside the video; the frames may be missing from the folder."""
        return [min(max(key + offset, self._first), self._last) for offset in offsets]

    def read(self, number: int) -> np.ndarray:
        """A frame (H, W, 3), uint8, BGR.

        Raises:
            DamagedImageError: it cannot be decoded.
        """
        return self._store.read(str(PurePosixPath(self.folder, self._names[number])))

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """The frame of this number or the nearest one that can be read (the earlier of two), and whether it is that.

        Raises:
            InputError: none can be read.
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
