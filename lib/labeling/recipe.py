"""Training settings for a custom video with a few labeled frames: the frames, the crop size and the repetitions."""

import math

import numpy as np

from lib.formats.video_annotations import VideoAnnotations

PIXELS = 160 * 192
"""Largest area of a crop in pixels."""


def spaced(numbers: list[int], every: int) -> list[int]:
    """Return the lowest frame number, and each one that is at least `every` above the last one chosen.

    Args:
        numbers: Frame numbers in any order.
        every: Smallest distance between two of them.
    """
    taken: list[int] = []
    for number in sorted(numbers):
        if not taken or number - taken[-1] >= every:
            taken.append(number)
    return taken


def box_sizes(videos: list[VideoAnnotations]) -> np.ndarray:
    """Return (P, 2) width and height around the labeled joints of all people with labels.

    Args:
        videos: Labels of the videos.
    """
    people = (pair for video in videos for pair in zip(video.joints, video.labeled, strict=True))
    return np.array([np.ptp(joints[labeled], axis=0) for joints, labeled in people if labeled.any()])


def crop_size(sizes: np.ndarray, pixels: int = PIXELS) -> list[int]:
    """Return the width and height of crops in pixels: those that show the largest people largest, in steps of 32.

    Args:
        sizes: (P, 2) width and height of people.
        pixels: Largest area of a crop in pixels.
    """
    width, height = np.maximum(np.quantile(sizes, 0.9, axis=0), 1)
    sides = range(96, 289, 32)
    fitting = [(w, h) for w in sides for h in sides if w * h <= pixels and w <= 2 * h and h <= 2 * w]
    best = max(fitting, key=lambda size: (min(size[0] / width, size[1] / height), -size[0] * size[1]))
    return list(best)


def repetitions(people: int, clips: int = 960) -> int:
    """Return how many times to repeat each person for an epoch of at least a given number of clips.

    Args:
        people: Number of people.
        clips: Smallest number of clips.
    """
    return math.ceil(clips / people)
