"""Runs of annotated frames, and which frames of them keep their labels (paper, video pose propagation)."""

import numpy as np

from lib.formats.video_annotations import VideoAnnotations
from lib.utils.files import frame_number

LABELED_EVERY = 7
"""Interval between labeled frames in the paper: no frame is more than three frames away from a label."""
MIN_RUN = LABELED_EVERY // 2 + 1
"""Minimum number of frames of a run in which one is labeled."""


def longest_run(video: VideoAnnotations) -> list[int]:
    """Return the indices of the frames in the longest run of annotated frames with consecutive numbers.

    A frame is annotated if it is labeled and has people, with or without joints: the original implementation iterates
    over annotated people, so a labeled frame without people ends a run. Among runs of equal length, the first counts.

    Args:
        video: Annotations of the video.
    """
    annotated = np.intersect1d(video.person_frame, np.flatnonzero(video.frame_labeled))
    numbers = {frame_number(video.frame_names[frame]): frame for frame in annotated.tolist()}
    longest: list[int] = []
    run: list[int] = []
    for number in sorted(number for number in numbers if number is not None):
        run = [*run, numbers[number]] if number - 1 in numbers else [numbers[number]]
        longest = max(longest, run, key=len)
    return longest


def labeled_of_run(length: int, every: int = LABELED_EVERY) -> list[int]:
    """Return the frames of a run that keep their labels, so that no frame is more than `every` // 2 away from a label.

    These are the middle one of the first `every` frames (the 4th of seven), every `every`-th frame after it, and the
    last frame if it is out of reach of these. A run that ends before the first of them has none.

    Args:
        length: Number of frames in the run.
        every: Interval between labeled frames.
    """
    reach = every // 2
    labeled = list(range(reach, length, every))
    if labeled and length - 1 - labeled[-1] > reach:
        labeled.append(length - 1)
    return labeled
