"""Runs of annotated frames, and which frames of them keep their labels (paper, video pose propagation)."""

import numpy as np

from lib.formats.posetrack import VideoAnnotations
from lib.utils.files import frame_number

LABELED_EVERY = 7
"""The paper's distance between labelled frames: no frame is more than three away from a label."""
SHORTEST_RUN = LABELED_EVERY // 2 + 1
"""Frames that a run needs to have a labelled one."""


def longest_run(video: VideoAnnotations) -> list[int]:
    """Return the indices of the longest run of annotated frames with consecutive numbers; of equals, the first.

    A frame is annotated if it is labelled and has people, with joints or without: the first code goes through the
    annotations of people, so a labelled frame without anybody ends a run there.
    """
    annotated = np.intersect1d(video.person_frame, np.flatnonzero(video.frame_labeled))
    numbers = {frame_number(video.frame_names[frame]): frame for frame in annotated.tolist()}
    longest, run = [], []
    for number in sorted(number for number in numbers if number is not None):
        run = [*run, numbers[number]] if number - 1 in numbers else [numbers[number]]
        longest = max(longest, run, key=len)
    return longest


def labeled_of_run(length: int, every: int = LABELED_EVERY) -> list[int]:
    """Which frames of a run keep their labels, so that none is more than `every` // 2 away from one.

    The one in the middle of the first `every` (of seven the 4th), every `every`-th after it, and the last if they leave
    it out of reach. A run that ends before the first of them has none.
    """
    reach = every // 2
    labeled = list(range(reach, length, every))
    if labeled and length - 1 - labeled[-1] > reach:
        labeled.append(length - 1)
    return labeled
