"""From a person to the net's input: the same crop of several frames, and the target heatmaps of the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from lib.dataset.people import Person
from lib.frames.video import FrameFolder
from lib.pose.crop import crop_image, crop_matrix, transform_points
from lib.pose.heatmaps import encode


class Clips(NamedTuple):
    """One clip (without the axis B) or a batch of B clips of T frames; frame 0 is the key frame.

    Attributes:
        frames: (B, T, H, W, 3) uint8.
        targets: (B, J, h, w) float32 heatmaps of the key frame's labels; zero where there are none.
        target_weights: (B, J, 1) float32.
        index: (B,) of the person in the data set.
        replaced: (B,) frames that were not there and are the nearest ones instead.
    """

    frames: torch.Tensor
    targets: torch.Tensor
    target_weights: torch.Tensor
    index: torch.Tensor | int
    replaced: torch.Tensor | int


@dataclass(frozen=True)
class FixedFrames:
    """The same frames around every key frame; `offsets` begin with the key frame itself, 0."""

    offsets: Sequence[int]

    def __call__(self, index: int) -> list[int]:
        return list(self.offsets)


@dataclass(frozen=True)
class RandomPair:
    """The key frame A and A + δ, with δ drawn from `deltas`: always the same one for the same seed and clip."""

    deltas: Sequence[int]
    seed: int

    def __call__(self, index: int) -> list[int]:
        return [0, int(np.random.default_rng((self.seed, index)).choice(self.deltas))]


class ClipDataset(Dataset):
    """Clips of people.

    Args:
        people: the key frames and crops, one clip each.
        videos: the frames, by Person.video.
        sample_frames: clip index to frame offsets; the first is 0.
        image_size: width, height of the crops; heatmap_size: of the targets, in cells.
        sigma: of the targets, in cells.
        rgb: colours in the order red, green, blue; else blue, green, red.
    """

    def __init__(
        self,
        people: Sequence[Person],
        videos: dict[int, FrameFolder],
        sample_frames: Callable[[int], list[int]],
        image_size: Sequence[int],
        heatmap_size: Sequence[int],
        sigma: float,
        rgb: bool,
    ) -> None:
        self.people = people
        self._videos = videos
        self._sample_frames = sample_frames
        self._image_size = image_size
        self._heatmap_size = heatmap_size
        self._sigma = sigma
        self._rgb = rgb

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> Clips:
        """Clip `index`.

        Raises:
            InputError: the key frame is damaged.
        """
        person = self.people[index]
        video = self._videos[person.video]
        _, *neighbours = video.clip(person.number, self._sample_frames(index))
        images, replaced = [video.read(person.number)], 0
        for number in neighbours:
            image, found = video.read_nearest(number)
            images.append(image)
            replaced += not found

        matrix = crop_matrix(person.center, person.scale, 0.0, self._image_size)
        frames = np.stack([crop_image(image, matrix, self._image_size) for image in images])  # (T, H, W, 3)
        if self._rgb:
            frames = frames[..., ::-1].copy()
        joints = transform_points(person.joints, matrix)
        targets, weights = encode(joints, person.visible, self._image_size, self._heatmap_size, self._sigma)
        return Clips(torch.from_numpy(frames), torch.from_numpy(targets), torch.from_numpy(weights), index, replaced)
