"""Boxes of people as a detector might find them, made from labels: shifted, some missing, some false."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.formats.boxes import DetectedBox
from lib.formats.video_annotations import VideoAnnotations

TRUE_SCORES, FALSE_SCORES = (0.85, 0.1), (0.5, 0.15)
"""Mean and standard deviation of the scores of true and false boxes, which are clipped to 0.05 … 1."""


@dataclass(frozen=True)
class BoxNoise:
    """Noise of boxes, relative to the boxes of the labels.

    Attributes:
        jitter: Standard deviation of a box's center, as a share of its width and height, and of the logarithm of its
            width and height.
        missing: Share of the people who have no box.
        false: Number of boxes of nobody, as a share of the number of people.
    """

    jitter: float = 0.0
    missing: float = 0.0
    false: float = 0.0


@dataclass(frozen=True)
class NoisyBox:
    """A box, and the row of the person in the annotations; −1 for a box of nobody."""

    box: DetectedBox
    row: int


def make_noisy_boxes(
    video: VideoAnnotations, size: tuple[int, int], noise: BoxNoise, rng: np.random.Generator
) -> list[list[NoisyBox]]:
    """Return boxes of the people in each frame of a video, in random order.

    A false box has the size of one of the people in the frame and a random place; its center is in the frame.

    Args:
        video: Annotations with boxes.
        size: Width and height of the frames in pixels.
        noise: How the boxes differ from those of the labels.
        rng: Random number generator.
    """
    frames = []
    for frame in range(len(video.frame_names)):
        found = []
        for row in np.flatnonzero(video.person_frame == frame).tolist():
            x, y, w, h = video.boxes[row]
            dx, dy, dw, dh = noise.jitter * rng.normal(size=4)
            if rng.random() >= noise.missing:
                own_size = np.array([w * np.exp(dw), h * np.exp(dh)])
                center = np.array([x + w / 2 + dx * w, y + h / 2 + dy * h])
                found.append(_box(frame, center, own_size, rng.normal(*TRUE_SCORES), row))
            if rng.random() < noise.false:
                found.append(_box(frame, rng.random(2) * size, np.array([w, h]), rng.normal(*FALSE_SCORES), -1))
        frames.append([found[index] for index in rng.permutation(len(found))])
    return frames


def _box(frame: int, center: np.ndarray, size: np.ndarray, score: float, row: int) -> NoisyBox:
    box, score = np.concatenate([center - size / 2, size]), float(np.clip(score, 0.05, 1))
    found = DetectedBox(image=frame, num_frames=0, box=box, score=score)
    return NoisyBox(found, row)
