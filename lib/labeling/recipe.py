"""What a video of one's own with a few labelled frames is learned from: which frames, at which size, how often."""

import math

import numpy as np

from lib.formats.posetrack import VideoAnnotations

PIXELS = 160 * 192
"""Of a crop, at most."""


def spaced(numbers: list[int], every: int) -> list[int]:
    """The lowest of these numbers of frames, and each that is at least `every` after the last one taken."""
    taken: list[int] = []
    for number in sorted(numbers):
        if not taken or number - taken[-1] >= every:
            taken.append(number)
    return taken


def box_sizes(videos: list[VideoAnnotations]) -> np.ndarray:
    """(P, 2) width and height around the labelled joints of everybody who has any."""
    people = (pair for video in videos for pair in zip(video.joints, video.labeled, strict=True))
    return np.array([np.ptp(joints[labeled], axis=0) for joints, labeled in people if labeled.any()])


def crop_size(sizes: np.ndarray, pixels: int = PIXELS) -> list[int]:
    """Width and height of crops: those that show the largest people largest, in steps of what the net can take."""
    width, height = np.maximum(np.quantile(sizes, 0.9, axis=0), 1)
    sides = range(96, 289, 32)
    fitting = [(w, h) for w in sides for h in sides if w * h <= pixels and w <= 2 * h and h <= 2 * w]
    return list(max(fitting, key=lambda size: (min(size[0] / width, size[1] / height), -size[0] * size[1])))


def repetitions(people: int, clips: int = 960) -> int:
    """How often each of so many people has to come in an epoch of at least so many clips."""
    return math.ceil(clips / people)
