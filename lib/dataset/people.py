"""The unit of every data set: one person in one frame of a video."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Person:
    """A person whose pose is wanted, or known, in a key frame.

    Attributes:
        video: index of the video in the data set.
        frame: index of the key frame among the video's annotated frames.
        number: the key frame's number among the video's files.
        center: (2,) float32 and scale (2,) float32 of the crop (lib.pose.crop).
        box_score: of the detector; 1 for a ground-truth box.
        joints: (J, 2) float64 in image pixels.
        visible: (J,) bool, the joint is labelled.
    """

    video: int
    frame: int
    number: int
    center: np.ndarray
    scale: np.ndarray
    box_score: float
    joints: np.ndarray
    visible: np.ndarray
