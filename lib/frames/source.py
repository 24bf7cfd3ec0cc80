"""`FrameSource`, frames by number, and `VideoSource`, frames in order: the common interfaces of all kinds of video."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np


class VideoSource(Protocol):
    """Frames in order: a video file or a folder of images.

    Attributes:
        path: Path to the file or folder.
        size: Width and height of all frames in pixels.
        fps: Frames per second.
        num_frames: Number of frames, which may be wrong; 0 if unknown.
        begin: Number of the first frame.
        first: Number of the first frame that can be decoded.
    """

    path: Path
    size: tuple[int, int]
    fps: float
    num_frames: int
    begin: int
    first: int

    def file_name(self, number: int) -> str:
        """Return a name for a frame, for label files.

        Args:
            number: Number of the frame.
        """
        ...

    def frames(self, start: int = 0) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield the frames from number `start` on, each with its number; None for a damaged frame.

        Args:
            start: Number of the first frame.
        """
        ...


class FrameSource(Protocol):
    """Frames by number."""

    def describe(self, number: int) -> str:
        """Return where a frame comes from, for messages.

        Args:
            number: Number of the frame.
        """
        ...

    def size(self, number: int) -> tuple[int, int]:
        """Return the width and height of a frame in pixels.

        Args:
            number: Number of the frame.
        """
        ...

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Return the numbers key + offset, clamped to the video.

        Args:
            key: Number of the key frame.
            offsets: Offsets from the key frame.
        """
        ...

    def read(self, number: int) -> np.ndarray:
        """Return a frame as a (H, W, 3) uint8 BGR array.

        Args:
            number: Number of the frame.

        Raises:
            DamagedImageError: The frame cannot be decoded.
        """
        ...

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """Return a frame, or the nearest frame that can be read, and True if it is the frame itself.

        Args:
            number: Number of the frame.
        """
        ...
