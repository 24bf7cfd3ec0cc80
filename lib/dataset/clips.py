"""Clips, the input of nets: a crop of several frames, and target heatmaps of the first frame."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from lib.dataset.crop_chains import CropChains
from lib.dataset.people import Person
from lib.dataset.transforms import Augmentation, DrawnCrop
from lib.frames.source import FrameSource
from lib.frames.store import DamagedImageError
from lib.pose.crop import cell_stride, crop_image, crop_matrix, transform_points
from lib.pose.heatmaps import encode
from lib.utils.errors import InputError


class Clips(NamedTuple):
    """One clip (without the axis B) or a batch of B clips of T frames; frame 0 is the key frame.

    Attributes:
        frames: Frames (B, T, H, W, 3) uint8.
        targets: Heatmaps (B, J, h, w) float32 of the key frame's labels; zero for unlabeled joints.
        target_weights: Weights (B, J, 1) float32 of the joints.
        index: (B,) index of the person in the data set.
        replaced: (B,) number of frames that were replaced by the nearest one.
        crops: (B, T) int64, equal for the same crop of the same frame in one data set.
        damaged: (B,) 1 if the key frame of the wanted clip is damaged, see DamagedKey; else 0.
        moves: (B, T, 2, 2) float32, factor and shift in x and in y from cells of the key frame's crop to cells of each
            frame's crop; 1 and 0 unless clips share crops.
    """

    frames: torch.Tensor
    targets: torch.Tensor
    target_weights: torch.Tensor
    index: torch.Tensor | int  # type: ignore[assignment]  # hides tuple.index, which is not used
    replaced: torch.Tensor | int
    crops: torch.Tensor
    damaged: torch.Tensor | int
    moves: torch.Tensor


DamagedKey = Literal["raise", "nearest", "another", "blank"]
"""Replacement of a clip whose key frame is damaged: an error, the same clip with the nearest readable frame,
the next readable clip (for training), or a clip of black frames, whose estimate is to be left out (for tests)."""


@dataclass(frozen=True)
class FixedFrames:
    """The same frames around every key frame.

    Attributes:
        offsets: Offsets from the key frame; the first is 0.
    """

    offsets: Sequence[int]

    def __len__(self) -> int:
        return len(self.offsets)

    def __call__(self, rng: np.random.Generator) -> list[int]:
        """Return the offsets of a clip; `rng` is not used."""
        return list(self.offsets)


@dataclass(frozen=True)
class RandomPair:
    """The key frame and one other frame at a random offset.

    Attributes:
        deltas: Offsets of the other frame from the key frame.
    """

    deltas: Sequence[int]

    def __len__(self) -> int:
        return 2

    def __call__(self, rng: np.random.Generator) -> list[int]:
        """Return the offsets of a clip, chosen with `rng`."""
        return [0, int(rng.choice(self.deltas))]


@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """Options of crops and their target heatmaps.

    Attributes:
        image_size: Width and height of the crops in pixels.
        heatmap_size: Width and height of the targets in cells.
        sigma: Standard deviation of the targets in cells.
        target_type: "gaussian" rounds the targets to cells, "unbiased" does not, "udp" also puts crops and targets into
            UDP's convention (lib.pose.crop).
        rgb: Order the colors red, green, blue; else blue, green, red.
    """

    image_size: Sequence[int]
    heatmap_size: Sequence[int]
    sigma: float = 2.0
    target_type: str = "gaussian"
    rgb: bool = True


class ClipDataset(Dataset[Clips]):
    """Clips of people.

    Args:
        people: People, one clip each.
        videos: Frames of each video, by Person.video.
        sample_frames: Returns the frame offsets of a clip; the first is 0.
        options: Options of crops and targets.
        seed: Random seed of frames and crops. They are the same for the same seed, `epoch` and clip.
        augmentation: Augmentation of the crops; None for the crop of the person.
        damaged_key: Replacement of a clip whose key frame is damaged.

    Attributes:
        people: People, one clip each.
        options: Options of crops and targets.
        epoch: Number of the pass over the data, to be set before it.
    """

    def __init__(
        self,
        people: Sequence[Person],
        videos: Mapping[int, FrameSource],
        sample_frames: FixedFrames | RandomPair,
        *,
        options: ClipOptions,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        damaged_key: DamagedKey = "raise",
    ) -> None:
        self.people = people
        self.options = options
        self.epoch = 0
        self._videos = videos
        self._sample_frames = sample_frames
        self._damaged_key = damaged_key
        self._seed = seed
        self._augmentation = augmentation
        self._chains: CropChains | None = None

    @property
    def udp(self) -> bool:
        """True if the crops are in UDP's convention."""
        return self.options.target_type == "udp"

    @property
    def num_frames(self) -> int:
        """Number T of frames in a clip."""
        return len(self._sample_frames)

    @property
    def offsets(self) -> Sequence[int]:
        """Offsets of the frames from the key frame, for clips that all have the same offsets."""
        assert isinstance(self._sample_frames, FixedFrames)  # random pairs do not share crops
        return self._sample_frames.offsets

    def with_shared_crops(self) -> tuple["ClipDataset", list[int]]:
        """Return the same clips, whose other frames have the crops of the same people there, and an order of the clips.

        A crop that several clips contain has the same number in `Clips.crops`. In the returned order, neighboring clips
        share most of their crops.
        """
        clips = copy(self)
        clips._chains = CropChains(self.people, max(self.offsets) - min(self.offsets))
        return clips, clips._chains.order

    def __len__(self) -> int:
        return len(self.people)

    def frame_numbers(self, index: int) -> list[int]:
        """Return the numbers of a clip's frames in this epoch, the key frame first.

        Args:
            index: Index of the clip.
        """
        return self._draw_frames(index)[1]

    def frame_bytes(self, index: int) -> int:
        """Return the size of a decoded frame of a clip in bytes.

        Args:
            index: Index of the clip.
        """
        person = self.people[index]
        width, height = self._videos[person.video].size(person.number)
        return width * height * 3

    def _draw_frames(self, index: int) -> tuple[np.random.Generator, list[int]]:
        """Return the random number generator of a clip in this epoch, and the frames that it chose."""
        person = self.people[index]
        rng = np.random.default_rng((self._seed, self.epoch, index))
        return rng, self._videos[person.video].clip(person.number, self._sample_frames(rng))

    def describe(self, index: int) -> str:
        """Return the file of a clip's key frame and, unless it was detected, the index of its person, for messages.

        Args:
            index: Index of the clip.
        """
        person = self.people[index]
        frame = self._videos[person.video].describe(person.number)
        return frame if person.row < 0 else f"{frame} (person {person.row} in the annotations)"

    def __getitem__(self, index: int) -> Clips:
        """Return a clip.

        Args:
            index: Index of the clip.

        Raises:
            InputError: The key frame is damaged and nothing takes its place, or a file is missing.
        """
        if self._damaged_key == "another":
            return self._read_from(index)
        try:
            return self._make(index, *self._read(index))
        except DamagedImageError:
            if self._damaged_key != "blank":
                raise
        rng, numbers = self._draw_frames(index)
        black = np.zeros((1, 1, 3), dtype=np.uint8)
        clip = self._make(index, rng, [-1 - number for number in numbers], [black] * len(numbers), 0)
        return clip._replace(damaged=1)

    def _read_from(self, index: int) -> Clips:
        """Return the first readable clip from `index` on."""
        for distance in range(len(self)):
            candidate = (index + distance) % len(self)
            try:
                return self._make(candidate, *self._read(candidate))._replace(damaged=int(distance > 0))
            except DamagedImageError as error:
                last = error
        raise InputError(f"no image of the data set can be read, such as {last}")

    def _read(self, index: int) -> tuple[np.random.Generator, list[int], list[np.ndarray], int]:
        """Return a clip's generator, the numbers of its frames, its frames, and how many of them were replaced."""
        person = self.people[index]
        video = self._videos[person.video]
        rng, numbers = self._draw_frames(index)
        images, replaced = [] if self._damaged_key == "nearest" else [video.read(person.number)], 0
        for number in numbers[len(images) :]:
            image, found = video.read_nearest(number)
            images.append(image)
            replaced += not found
        return rng, numbers, images, replaced

    def _make(
        self, index: int, rng: np.random.Generator, numbers: Sequence[int], images: Sequence[np.ndarray], replaced: int
    ) -> Clips:
        """Return the crops and the targets of a clip."""
        person, size = self.people[index], self.options.image_size
        if self._augmentation:
            crop = self._augmentation.draw(person, images[0].shape[1], size, rng, self.udp)
        else:
            crop = DrawnCrop(self._crop_matrix(index), np.arange(len(person.joints)))
        matrices = [crop.matrix] * len(numbers)
        if self._chains:
            matrices = [self._crop_matrix(self._chains.nearest(index, number)) for number in numbers]
        frames = np.stack([crop_image(*pair, size) for pair in zip(images, matrices, strict=True)])  # (T, H, W, 3)
        if self.options.rgb:
            frames = frames[..., ::-1].copy()
        joints = transform_points(person.joints[crop.joint_order], crop.matrix)
        labeled = person.labeled[crop.joint_order]
        unbiased = self.options.target_type != "gaussian"
        targets, weights = encode(
            joints, labeled, size, self.options.heatmap_size, self.options.sigma, unbiased, self.udp
        )
        places = [tuple(matrix.ravel().tolist()) for matrix in matrices]
        crops = [hash((person.video, number, place)) for number, place in zip(numbers, places, strict=True)]
        return Clips(
            frames=torch.from_numpy(frames),
            targets=torch.from_numpy(targets),
            target_weights=torch.from_numpy(weights),
            index=index,
            replaced=replaced,
            crops=torch.tensor(crops),
            damaged=0,
            moves=torch.from_numpy(self._moves(crop.matrix, matrices)),
        )

    def _crop_matrix(self, index: int) -> np.ndarray:
        """Return the transform (2, 3) from the image to the crop of a person."""
        person = self.people[index]
        return crop_matrix(person.center, person.scale, 0.0, self.options.image_size, udp=self.udp)

    def _moves(self, key: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Return factors and shifts (T, 2, 2) from cells of the key frame's crop to cells of the frames' crops."""
        moves = np.tile(np.array([1, 0], np.float32), (len(matrices), 2, 1))
        stride = cell_stride(self.options.image_size, self.options.heatmap_size, self.udp)
        for move, matrix in zip(moves, matrices, strict=True):
            if (matrix != key).any():  # crops that are shared are not rotated
                move[:, 0] = matrix.diagonal() / key.diagonal()
                move[:, 1] = (matrix[:, 2] - move[:, 0] * key[:, 2]) / stride
        return moves
