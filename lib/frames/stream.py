"""Sequential access to the frames of a video, with the interface of a folder of frames."""

import math
from collections.abc import Sequence

import numpy as np

from lib.frames.source import VideoSource
from lib.frames.store import DamagedImageError


class FrameStream:
    """Frames of a video that is read once, with a window of the last frames; otherwise like a FrameFolder.

    Args:
        video: Video.
        window: Number of frames to keep. Reading a frame that has left the window is an error. The window must be at
            least twice as long as a clip.
        start: Number of the first frame to read.
    """

    def __init__(self, video: VideoSource, window: int, start: int = 0) -> None:
        self._video = video
        self._window = window
        self._frames = video.frames(start)
        self._images: dict[int, np.ndarray] = {}  # ascending
        self._newest = start - 1  # number of the last frame read, damaged or not
        self._left = -1  # number of the last image that has left the window

    def has(self, number: int) -> bool:
        """Return True if the video has a frame with this number, damaged or not, and read up to it.

        The frame is in the window afterwards unless it is damaged.

        Args:
            number: Number of the frame.
        """
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

    def describe(self, number: int) -> str:
        """Return the path of the video and the number of a frame, for messages.

        Args:
            number: Number of the frame.
        """
        return f"{self._video.path}: frame {number}"

    def size(self, number: int) -> tuple[int, int]:
        """Return the width and height in pixels, which are the same for all frames.

        Args:
            number: Number of the frame.
        """
        return self._video.size

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Return the numbers key + offset, clamped to the frames that can be read; frames in between may be damaged.

        Args:
            key: Number of the key frame.
            offsets: Offsets from the key frame.
        """
        ahead = key + max(offsets)
        last = ahead if self.has(ahead) else max(self._images)
        return [min(max(key + offset, self._video.first), last) for offset in offsets]

    def read(self, number: int) -> np.ndarray:
        """Return a frame as a (H, W, 3) uint8 BGR array.

        Args:
            number: Number of the frame.

        Raises:
            DamagedImageError: The frame cannot be decoded.
            IndexError: The frame has left the window, or the video has no such frame.
        """
        if self._reach(number):
            return self._images[number]
        raise DamagedImageError(f"{self.describe(number)} is damaged")

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """Return a frame, or the nearest one that can be read (the earlier of two), and True if it is the frame itself.

        Args:
            number: Number of the frame.

        Raises:
            IndexError: The frame has left the window, or the video has no such frame.
        """
        if self._reach(number):
            return self._images[number], True
        before = max((other for other in self._images if other < number), default=-math.inf)
        while max(self._images, default=-1) < number and self._newest - number < number - before - 1:
            if not self.has(self._newest + 1):
                break
        return self._images[min(self._images, key=lambda other: (abs(other - number), other))], False

    def _reach(self, number: int) -> bool:
        """Return True if a frame can be read, and raise an error if it has left the window."""
        oldest = next(iter(self._images), number)
        if number < oldest and self._left >= 0:
            raise IndexError(f"frame {number} has left the window of {self._window} frames, which starts at {oldest}")
        if not self.has(number):
            raise IndexError(f"{self._video.path}: no frame {number}; the last is {self._newest}")
        return number in self._images
