"""`FrameSource`: the common interface of a folder of frames, a video read once, a list of images, and arrays."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


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
