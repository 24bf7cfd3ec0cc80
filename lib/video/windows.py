"""A video in pieces: some frames to estimate and those around them, and nothing else in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """Consecutive frames of a video, in the place of all of them (lib.frames.video.FrameFolder).

    Attributes:
        keys: numbers of the frames to estimate, ascending.
        images: by number, these and the frames around them: (H, W, 3), uint8, BGR; None: damaged.
    """

    keys: Sequence[int]
    images: dict[int, np.ndarray | None]

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Frame numbers key + offset, kept inside the video, which is where the window ends too soon."""
        return [min(max(key + offset, min(self.images)), max(self.images)) for offset in offsets]

    def read(self, number: int) -> np.ndarray:
        """A frame that is not damaged."""
        return self.images[number]

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """The frame or the nearest one that is not damaged (the earlier of two), and whether it is that."""
        whole = (other for other, image in self.images.items() if image is not None)
        nearest = min(whole, key=lambda other: (abs(other - number), other))
        return self.images[nearest], nearest == number


def windows(
    frames: Iterable[tuple[int, np.ndarray | None]], start: int, end: float, count: int, reach: int
) -> Iterator[Window]:
    """The frames from `start` on and before `end`, `count` at a time, each time with `reach` more on either side.

    No more than 2 · (count + reach) frames are in memory, those of the window before among them.

    Args:
        frames: number and image of consecutive frames, from `reach` before `start` on, or from the video's first one.
    """
    held: dict[int, np.ndarray | None] = {}
    waiting: list[int] = []
    for number, image in frames:
        if number >= end + reach:
            break
        held[number] = image
        if start <= number < end:
            waiting.append(number)
        if len(waiting) >= count and number >= waiting[count - 1] + reach:
            yield Window(waiting[:count], held)
            del waiting[:count]
            first = (waiting or [number + 1])[0] - reach
            held = {other: kept for other, kept in held.items() if other >= first}
    for begin in range(0, len(waiting), count):
        yield Window(waiting[begin : begin + count], held)
