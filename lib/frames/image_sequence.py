"""A folder of images as a video that is read in order."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from lib.frames.store import DamagedImageError, ImageStore
from lib.utils.errors import InputError
from lib.utils.files import frame_number

FOLDER_FPS = 25
"""Frames per second of a video made from images."""
MIN_PRESENT = 0.5
"""Minimum share of the numbers from the first to the last image that exist, for the numbers to be those of frames."""


class ImageSequence:
    """The .jpg and .png images of a folder, in order (see lib.frames.source.VideoSource).

    Frames have the numbers in the names of the images, and missing ones are skipped like damaged frames. If the names
    have no distinct numbers, or most numbers are missing, frames are counted from 0 in the order of the names.

    Args:
        path: Path to the folder.

    Attributes:
        size: Width and height in pixels of the widest and the highest image; others are padded at the right and at the
            bottom. Images are rotated as their EXIF tag requests.
        fps: FOLDER_FPS.
        num_frames: Number of the last frame, plus 1.
        begin: Number of the first frame.
        first: Number of the first frame that can be decoded.
        is_numbered: True if the numbers of frames are those in their names.

    Raises:
        InputError: The folder contains no images, or none that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fps = float(FOLDER_FPS)
        self._store = ImageStore(path, oriented=True)
        names = self._store.list(".")
        if not names:
            raise InputError(f"{path}: no video files and no .jpg or .png images in this folder")
        numbers = [number for name in names if (number := frame_number(name)) is not None]
        span = max(numbers) - min(numbers) + 1 if numbers else 0
        self.is_numbered = len(set(numbers)) == len(names) and len(names) >= MIN_PRESENT * span
        self._names = dict(zip(numbers if self.is_numbered else range(len(names)), names, strict=True))
        self.begin, self.num_frames = min(self._names), max(self._names) + 1
        sizes = [size for name in names if (size := self._size(name))]
        if not sizes:
            raise InputError(f"{path}: none of its images can be decoded")
        self.size = max(width for width, _ in sizes), max(height for _, height in sizes)
        self.first = next((number for number, image in self.frames() if image is not None), -1)
        if self.first < 0:
            raise InputError(f"{path}: none of its images can be decoded")

    def file_name(self, number: int) -> str:
        """Return the file name of a frame; a missing frame has a name that no image has.

        Args:
            number: Number of the frame.
        """
        return self._names.get(number, f"{self.path.name}#{number}")

    def frames(self, start: int = 0) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield all frames from number `start` on, or from the first one.

        Args:
            start: Number of the first frame.

        Yields:
            Number of the frame, and the frame as a (H, W, 3) uint8 BGR array, or None if it is missing or damaged.
        """
        for number in range(max(start, self.begin), self.num_frames):
            yield number, self._read(number) if number in self._names else None

    def _read(self, number: int) -> np.ndarray | None:
        try:
            image = self._store.read(self._names[number])
        except DamagedImageError:
            return None
        height, width = image.shape[:2]
        below, right = max(self.size[1] - height, 0), max(self.size[0] - width, 0)
        return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT) if below or right else image

    def _size(self, name: str) -> tuple[int, int] | None:
        try:
            return self._store.size(name)
        except DamagedImageError:
            return None
