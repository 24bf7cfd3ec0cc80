"""Frames in memory."""

from collections.abc import Sequence

import numpy as np


class ArrayFrames:
    """A video whose frames are arrays (see lib.frames.source.FrameSource).

    Args:
        frames: N frames of the same size, (H, W, 3) uint8 RGB each.

    Raises:
        ValueError: The frames have another type or shape, or different sizes.
    """

    def __init__(self, frames: Sequence[np.ndarray]) -> None:
        for number, frame in enumerate(frames):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != frames[0].shape:
                raise ValueError(
                    f"frame {number} is {frame.dtype} {frame.shape}; frames are uint8 (H, W, 3), all of one size"
                )
        self._frames = frames

    def describe(self, number: int) -> str:
        """Return the number of a frame, for messages.

        Args:
            number: Number of the frame.
        """
        return f"frame {number}"

    def size(self, number: int) -> tuple[int, int]:
        """Return the width and height of a frame in pixels.

        Args:
            number: Number of the frame.
        """
        height, width, _ = self._frames[number].shape
        return width, height

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Return the numbers key + offset, clamped to the video.

        Args:
            key: Number of the key frame.
            offsets: Offsets from the key frame.
        """
        return [min(max(key + offset, 0), len(self._frames) - 1) for offset in offsets]

    def read(self, number: int) -> np.ndarray:
        """Return a frame as a (H, W, 3) uint8 BGR array.

        Args:
            number: Number of the frame.
        """
        return self._frames[number][..., ::-1]

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """Return a frame as a (H, W, 3) uint8 BGR array and True, as every frame can be read.

        Args:
            number: Number of the frame.
        """
        return self.read(number), True
