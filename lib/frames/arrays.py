"""Frames that are in memory."""

from collections.abc import Sequence

import numpy as np


class ArrayFrames:
    """A video whose frames are arrays (lib.frames.source.FrameSource).

    Args:
        frames: N frames of one size, (H, W, 3) uint8 RGB each.

    Raises:
        ValueError: The frames are not such arrays.
    """

    def __init__(self, frames: Sequence[np.ndarray]) -> None:
        for number, frame in enumerate(frames):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != frames[0].shape:
                raise ValueError(
                    f"frame {number} is {frame.dtype} {frame.shape}; frames are uint8 (H, W, 3), all of one size"
                )
        self._frames = frames

    def size(self, number: int) -> tuple[int, int]:
        """Return the width and height of a frame in pixels."""
        height, width, _ = self._frames[number].shape
        return width, height

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Return the numbers key + offset, kept inside the video."""
        return [min(max(key + offset, 0), len(self._frames) - 1) for offset in offsets]

    def read(self, number: int) -> np.ndarray:
        """Return a frame, (H, W, 3) uint8 BGR."""
        return self._frames[number][..., ::-1]

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """Return a frame, BGR, and True: every frame can be read."""
        return self.read(number), True
