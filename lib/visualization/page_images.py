"""Frames of a video as JPEG files within a byte budget."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lib.frames.store import DamagedImageError
from lib.utils.errors import InputError

QUALITY_STEPS = ((1.0, 90), (1.0, 75), (0.75, 75), (0.5, 75), (0.5, 60), (0.35, 55), (0.25, 50))
"""Share of the frames' sides, and JPEG quality: from what is best to what is smallest."""
MIN_SIDE = 480
"""Pixels that the longer side is not shrunk below: joints can still be placed in it."""
SAMPLES = 8
"""Frames that the sizes of all are estimated by."""
SPARE = 0.05
"""Of the bytes, that the estimate leaves."""


@dataclass(frozen=True)
class Picture:
    """A frame of a page.

    Attributes:
        frame: Index of the frame.
        width: Width of the original frame, in pixels.
        height: Height of the original frame, in pixels.
        jpeg: The JPEG file; same aspect ratio, but possibly smaller.
    """

    frame: int
    width: int
    height: int
    jpeg: bytes


@dataclass(frozen=True)
class Plan:
    """The way frames are stored.

    Attributes:
        quality: Index into QUALITY_STEPS.
        size: Width and height of the first picture.
        capacity: Number of frames that fit.
    """

    quality: int
    size: tuple[int, int]
    capacity: int


def plan_pictures(
    read: Callable[[int], np.ndarray], num_frames: int, budget: float, cost: Callable[[bytes], int]
) -> Plan:
    """Choose the best of QUALITY_STEPS at which all frames fit, estimated from a sample of them.

    If they fit at none, the plan has the last step and the number of frames that fit at it.

    Args:
        read: Returns a frame (H, W, 3), uint8, BGR, by index.
        num_frames: Number of frames of the video.
        budget: Bytes for all frames.
        cost: Returns the bytes that a file takes where it is stored.

    Returns:
        The plan.

    Raises:
        InputError: None of the sampled frames can be read, or not a single one fits.
    """
    images = [image for frame in _sampled(num_frames) if (image := _read(read, frame)) is not None]
    if not images:
        raise InputError(f"none of {num_frames} frames can be read: the {len(_sampled(num_frames))} tried are damaged")
    for quality in range(len(QUALITY_STEPS)):
        mean = float(np.mean([cost(_encode(image, quality)) for image in images]))
        if mean * num_frames <= (1 - SPARE) * budget:
            return Plan(quality, _size(images[0], quality), num_frames)
    capacity = int((1 - SPARE) * budget / mean)
    if capacity < 1:
        raise InputError(
            f"the page has {max(0, budget) / 1e6:.2f} MB left for pictures, too little for any; raise the limit"
        )
    return Plan(quality, _size(images[0], quality), capacity)


def pictures(
    read: Callable[[int], np.ndarray], frames: Sequence[int], plan: Plan, budget: float, cost: Callable[[bytes], int]
) -> Iterator[Picture]:
    """Encode frames one by one within the budget.

    A frame that would use up space reserved for others is stored smaller than planned. Damaged frames, and frames that
    do not fit even then, are left out.

    Args:
        read: Returns a frame (H, W, 3), uint8, BGR, by index.
        frames: Indices of the frames.
        plan: Result of `plan_pictures`.
        budget: Bytes for all frames.
        cost: Returns the bytes that a file takes where it is stored.

    Yields:
        The encoded frames.
    """
    share = budget / (2 * max(1, len(frames)))  # reserved for each remaining frame
    for done, frame in enumerate(frames, start=1):
        image = _read(read, frame)
        if image is None:
            continue
        allowed = budget - (len(frames) - done) * share
        for quality in range(plan.quality, len(QUALITY_STEPS)):
            jpeg = _encode(image, quality)
            if cost(jpeg) <= allowed:
                budget -= cost(jpeg)
                yield Picture(frame, image.shape[1], image.shape[0], jpeg)
                break


def _sampled(num_frames: int) -> list[int]:
    return np.unique(np.linspace(0, num_frames - 1, SAMPLES).round().astype(int)).tolist()


def _read(read: Callable[[int], np.ndarray], frame: int) -> np.ndarray | None:
    try:
        return read(frame)
    except DamagedImageError:
        return None


def _size(image: np.ndarray, quality: int) -> tuple[int, int]:
    height, width = image.shape[:2]
    scale = max(QUALITY_STEPS[quality][0], min(1.0, MIN_SIDE / max(width, height)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _encode(image: np.ndarray, quality: int) -> bytes:
    size = _size(image, quality)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if size != image.shape[1::-1] else image
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY_STEPS[quality][1]])[1].tobytes()
