"""A video file in the place of a folder of frames, for what goes through it from beginning to end."""

import math
from collections.abc import Sequence

import numpy as np

from lib.frames.store import DamagedImageError
from lib.frames.video_file import VideoFile


class FrameStream:
    """The frames of a video file, read once, of which the last few are kept; else like a FrameFolder.

    Args:
        video: the file.
        window: frames that are kept. Reading one of them that has left is an error; a clip has to fit into it twice.
        start: number of the first frame that is wanted.
    """

    def __init__(self, video: VideoFile, window: int, start: int = 0) -> None:
        self._video = video
        self._window = window
        self._frames = video.frames(start)
        self._images: dict[int, np.ndarray] = {}  # ascending
        self._newest = start - 1  # number of the last frame that was read, damaged or not
        self._left = -1  # number of the last image that left the window

    def has(self, number: int) -> bool:
        """Whether the video has a frame of this number, damaged or not; it is in the window then, if it can be read."""
        return self._advance(number)

    def size(self, number: int) -> tuple[int, int]:
        """Width and height of the frames, which are all alike."""
        return self._video.size

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Frame numbers key + offset, kept inside the frames that can be read; some between these may be damaged."""
        ahead = key + max(offsets)
        last = ahead if self._advance(ahead) else max(self._images)
        return [min(max(key + offset, self._video.first), last) for offset in offsets]

    def read(self, number: int) -> np.ndarray:
        """A frame (H, W, 3), uint8, BGR.

        Raises:
            DamagedImageError: it cannot be decoded.
            IndexError: it has left the window, or the video has none of this number.
        """
        if self._reach(number):
            return self._images[number]
        raise DamagedImageError(f"{self._video.path}: frame {number} is damaged")

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """The frame of this number or the nearest one that can be read (the earlier of two), and whether it is that.

        Raises:
            IndexError: as `read`.
        """
        if self._reach(number):
            return self._images[number], True
        before = max((other for other in self._images if other < number), default=-math.inf)
        while max(self._images, default=-1) < number and self._newest - number < number - before - 1:
            if not self._advance(self._newest + 1):
                break
        return self._images[min(self._images, key=lambda other: (abs(other - number), other))], False

    def _reach(self, number: int) -> bool:
        """Whether a frame that is not left behind can be read."""
        oldest = next(iter(self._images), number)
        if number < oldest and self._left >= 0:
            raise IndexError(f"frame {number} has left the window of {self._window} frames, which is at {oldest}")
        if not self._advance(number):
            raise IndexError(f"{self._video.path}: no frame {number}: its last is {self._newest}")
        return number in self._images

    def _advance(self, number: int) -> bool:
        """Read up to a frame; whether the video has it."""
        while self._newest < number:
            found = next(self._frames, None)
            if found is None:
                return False
            self._newest, image = found
            if image is not None:
                self._images[self._newest] = image
            if len(self._images) > self._window:
                self._left = next(iter(self._images))
                del self._images[self._left]
        return True
