"""The unit of every data set: one person in one frame of a video."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.pose.crop import PIXELS_PER_SCALE


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
        row: index among the video's annotated people, −1 for a detected one.
        track: number of the person in the video; −1 if that is not known.
    """

    video: int
    frame: int
    number: int
    center: np.ndarray
    scale: np.ndarray
    box_score: float
    joints: np.ndarray
    labeled: np.ndarray
    row: int = -1
    track: int = -1


def sparse_people(people: Sequence[Person], num_videos: int, num_frames: int, seed: int) -> list[Person]:
    """The people of a few labelled frames, as if no others were labelled.

    Args:
        num_videos: how many videos keep labels, drawn at random; −1: all of them.
        num_frames: how many frames of each, drawn at random; −1: all of them.
        seed: of the drawing. The videos do not depend on the number of frames.
    """
    frames = {person.video: set() for person in people}
    for person in people:
        frames[person.video].add(person.frame)
    videos = _draw(sorted(frames), num_videos, np.random.default_rng(seed))
    kept = {v: set(_draw(sorted(frames[v]), num_frames, np.random.default_rng((seed, v)))) for v in videos}
    return [person for person in people if person.frame in kept.get(person.video, ())]


def _draw(items: list[int], count: int, rng: np.random.Generator) -> list[int]:
    return items if count < 0 else rng.permutation(items)[:count].tolist()


def is_well_centered(person: Person) -> bool:
    """Whether the labelled joints lie about the box's center: the rule of DATASET.SELECT_DATA in HRNet's code.

    A kernel of the distance between the two centers, in a fifth of the box's size, has to exceed a bound that rises
    with the number of labelled joints, from 0.45 for one to 0.65 for 17.
    """
    count = int(person.labeled.sum())
    distance = np.linalg.norm(person.joints[person.labeled].mean(axis=0) - person.center)
    area = float(np.prod(person.scale.astype(np.float64) * PIXELS_PER_SCALE))
    return bool(np.exp(-(distance**2) / (2 * 0.2**2 * area)) > 0.2 / 16 * count + 0.45 - 0.2 / 16)
