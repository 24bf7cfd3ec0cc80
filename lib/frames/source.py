"""`FrameSource`: what a folder of frames, a video that is read once, a list of images and arrays have in common."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class FrameSource(Protocol):
    """Frames by number."""

    def size(self, number: int) -> tuple[int, int]:
        """Return the width and height of a frame in pixels."""
        ...

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Return the numbers key + offset, kept inside the video."""
        ...

    def read(self, number: int) -> np.ndarray:
        """Return a frame, (H, W, 3) uint8 BGR.

        Raises:
            DamagedImageError: It cannot be decoded.
        """
        ...

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """Return a frame or, where it cannot be read, the nearest one that can; and whether it is the frame itself."""
        ...
