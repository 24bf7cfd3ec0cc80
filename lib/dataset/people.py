"""The unit of every data set: one person in one frame of a video."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.pose.crop import PIXELS_PER_SCALE, box_to_center_scale


@dataclass(frozen=True, kw_only=True)
class Person:
    """Person whose pose is wanted, or known, in a key frame.

    Attributes:
        video: Index of the video in the data set.
        frame: Index of the key frame among the annotated frames of the video.
        number: Number of the key frame among the files of the video.
        center: Center (2,) float32 of the crop (lib.pose.crop).
        scale: Scale (2,) float32 of the crop (lib.pose.crop).
        joints: Joints (J, 2) float64, x and y in image pixels.
        labeled: (J,) bool, True for labeled joints.
        box_score: Score of the detector; 1 for a ground-truth box.
        row: Index among the annotated people of the video; −1 for a detected person.
        track: Number of the person in the video; −1 if it is not known.
        open_joints: Indices of joints that this label says nothing about; the labels of other frames decide on them.
            The other joints were set by a person, or found to be absent.
        box: (4,) box x, y, width, height in pixels that the crop was made for; None if it is not known.
    """

    video: int
    frame: int
    number: int
    center: np.ndarray
    scale: np.ndarray
    joints: np.ndarray
    labeled: np.ndarray
    box_score: float = 1.0
    row: int = -1
    track: int = -1
    open_joints: tuple[int, ...] = ()
    box: np.ndarray | None = None

    @property
    def decided(self) -> np.ndarray:
        """(J,) bool, False for open joints."""
        decided: np.ndarray = np.ones(len(self.labeled), dtype=bool)
        decided[list(self.open_joints)] = False
        return decided


def unlabeled_person(
    box: Sequence[float] | np.ndarray,
    aspect_ratio: float,
    *,
    frame: int,
    number: int,
    num_joints: int,
    video: int = 0,
    box_score: float = 1.0,
) -> Person:
    """Return a person without labels whose crop is around a box.

    Args:
        box: x, y, width, height in pixels.
        aspect_ratio: Width / height of the crop.
        frame: Index of the frame among the annotated frames of the video.
        number: Number of the frame among the files of the video.
        num_joints: Number of joints of the net.
        video: Index of the video.
        box_score: Score of the box.
    """
    center, scale = box_to_center_scale(box, aspect_ratio)
    return Person(
        video=video,
        frame=frame,
        number=number,
        center=center,
        scale=scale,
        joints=np.zeros((num_joints, 2)),
        labeled=np.zeros(num_joints, dtype=bool),
        box_score=box_score,
        box=np.asarray(box, dtype=np.float64),
    )


def sparse_people(people: Sequence[Person], num_videos: int, num_frames: int, seed: int) -> list[Person]:
    """Return the people in a random selection of the labeled frames.

    Args:
        people: Labeled people.
        num_videos: Number of videos that keep labels; −1 for all.
        num_frames: Number of frames that keep labels in each of these videos; −1 for all.
        seed: Random seed. The selected videos do not depend on the number of frames.
    """
    frames: dict[int, set[int]] = {person.video: set() for person in people}
    for person in people:
        frames[person.video].add(person.frame)
    videos = _draw(sorted(frames), num_videos, np.random.default_rng(seed))
    kept = {v: set(_draw(sorted(frames[v]), num_frames, np.random.default_rng((seed, v)))) for v in videos}
    return [person for person in people if person.frame in kept.get(person.video, ())]


def _draw(items: list[int], count: int, rng: np.random.Generator) -> list[int]:
    return items if count < 0 else [int(item) for item in rng.permutation(items)[:count]]


def is_well_centered(person: Person) -> bool:
    """Return True if the labeled joints are centered in the box, as required by DATASET.SELECT_DATA of HRNet's code.

    A Gaussian of the distance between the two centers, with a fifth of the box size as standard deviation, must exceed
    a bound that increases with the number of labeled joints, from 0.45 for one joint to 0.65 for 17.

    Args:
        person: Person with at least one labeled joint.
    """
    count = int(person.labeled.sum())
    distance = np.linalg.norm(person.joints[person.labeled].mean(axis=0) - person.center)
    area = float(np.prod(person.scale.astype(np.float64) * PIXELS_PER_SCALE))
    return bool(np.exp(-(distance**2) / (2 * 0.2**2 * area)) > 0.2 / 16 * count + 0.45 - 0.2 / 16)
