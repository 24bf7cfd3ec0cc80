"""Clips of people, and batches of clips."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch.utils.data import DataLoader, DistributedSampler, Sampler
from yacs.config import CfgNode

from lib.dataset.clips import ClipDataset, ClipOptions, Clips, DamagedKey, FixedFrames, RandomPair
from lib.dataset.people import Person
from lib.dataset.samplers import BlockShuffle, EpochSampler, block_workers, share, split_among_workers
from lib.dataset.transforms import Augmentation
from lib.frames.source import FrameSource
from lib.utils.cores import num_workers
from lib.utils.errors import InputError
from lib.utils.interrupts import forgive_broken_connections, outlive_signal

# Of a test batch on the CPU, five crops of 384×288: larger ones gain nothing, and progress stands still.
CPU_PIXELS = 600_000
FIRST_BATCH = 8  # clips, on a GPU, before its memory is known


def build_clips(
    cfg: CfgNode, people: list[Person], frames: Mapping[int, FrameSource], offsets: Sequence[int]
) -> ClipDataset:
    """Return clips of people with the frames at the given offsets, or the nearest frames that exist.

    Args:
        cfg: The experiment.
        people: People, one clip each.
        frames: Frames of each video, by its index.
        offsets: Offsets of the frames from the key frame; the first is 0.
    """
    return build_clip_dataset(cfg, people, frames, FixedFrames(offsets), damaged_key="nearest")


def build_offsets(cfg: CfgNode) -> list[int]:
    """Return the offsets from the key frame of the frames of a test's clips.

    Args:
        cfg: The experiment. Its clips have TEST.AGGREGATE.OFFSETS in the modes aggregate and average, and one frame in
            all others.
    """
    return list(cfg.TEST.AGGREGATE.OFFSETS) if cfg.TEST.MODE in ("aggregate", "average") else [0]


@dataclass(frozen=True)
class LoaderOptions:
    """Options of reading batches of clips in a test.

    Attributes:
        batch_size: Clips per batch; on the CPU at most as many as fit into CPU_PIXELS, but at least one. None for that
            number on the CPU, and for FIRST_BATCH on a GPU, where the size may change between batches.
        num_workers: Number of processes that read and crop images, at most the number of cores for this process; 0 to
            read in this process.
        pin_memory: Read into page-locked memory, from which a GPU copies faster.
    """

    batch_size: int | None = 32
    num_workers: int = 0
    pin_memory: bool = False


class Batches(Sampler[list[int]]):
    """Batches of clips in order, of a size that may be changed between batches.

    Args:
        clips: Indices of the clips.
        size: Clips per batch.
    """

    def __init__(self, clips: Sequence[int], size: int) -> None:
        self.clips = clips
        self.size = size

    def __len__(self) -> int:
        """Return the number of batches if their size does not change."""
        return math.ceil(len(self.clips) / self.size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the indices of each batch."""
        start = 0
        while start < len(self.clips):
            end = start + self.size
            yield list(self.clips[start:end])
            start = end


def sequential_loader(
    clips: ClipDataset,
    options: LoaderOptions,
    *,
    process: tuple[int, int] = (0, 1),
    cuda: bool = False,
    order: Sequence[int] | None = None,
) -> DataLoader[Clips]:
    """Return batches of clips in order, or with several workers in the order of each worker's part of them.

    Processes and their workers read consecutive parts of the clips, because neighboring clips share frames.

    Args:
        clips: Clips to read.
        options: Size of a batch and number of reading processes.
        process: Rank and number of the processes that share the clips.
        cuda: The batches go to a GPU.
        order: Order in which to read the clips, where neighbors share crops: each process then reads consecutive clips,
            and the net sees about one new crop per clip. None for the order of the data set.
    """
    workers = num_workers(options.num_workers)
    if cuda:
        size = options.batch_size or FIRST_BATCH
    else:
        new_crops = clips.num_frames if order is None else 1
        max_size = max(1, CPU_PIXELS // (new_crops * math.prod(clips.options.image_size)))
        size = min(options.batch_size or max_size, max_size)
    part = share(len(clips), process)
    own = split_among_workers(part, size, workers) if order is None else [order[index] for index in part]
    return DataLoader(
        clips,
        batch_sampler=Batches(own, size),
        num_workers=workers,
        worker_init_fn=forgive_broken_connections,
        pin_memory=options.pin_memory and cuda,
    )


def build_loader_options(cfg: CfgNode) -> LoaderOptions:
    """Return the options with which an experiment reads its test.

    Args:
        cfg: The experiment.
    """
    size = None if cfg.TEST.BATCH_SIZE_PER_GPU == "auto" else cfg.TEST.BATCH_SIZE_PER_GPU
    return LoaderOptions(size, cfg.WORKERS, cfg.PIN_MEMORY)


def build_training_loader(cfg: CfgNode, clips: ClipDataset, process: tuple[int, int], cuda: bool) -> DataLoader[Clips]:
    """Return shuffled batches of clips. `loader.sampler.begin` chooses an epoch; its order depends only on SEED.

    Args:
        cfg: The experiment.
        clips: Clips to read.
        process: Rank and number of the processes that share the clips.
        cuda: The batches go to a GPU.

    Raises:
        InputError: TRAIN.FRAME_CACHE_MB is set without TRAIN.SHUFFLE.
    """
    rank, count = process
    size, workers = cfg.TRAIN.BATCH_SIZE_PER_GPU, num_workers(cfg.WORKERS)
    order: DistributedSampler[Clips] | BlockShuffle
    if not cfg.TRAIN.FRAME_CACHE_MB:
        order = DistributedSampler(clips, count, rank, shuffle=cfg.TRAIN.SHUFFLE, seed=cfg.SEED)
    elif not cfg.TRAIN.SHUFFLE:
        raise InputError(
            "TRAIN.FRAME_CACHE_MB requires TRAIN.SHUFFLE, because it shuffles clips in blocks; set it to True"
        )
    else:
        workers = block_workers(workers)
        order = BlockShuffle(clips, cfg.TRAIN.FRAME_CACHE_MB << 20, batch_size=size, process=process, seed=cfg.SEED)
    return DataLoader(
        clips,
        batch_size=size,
        sampler=EpochSampler(clips, order),
        num_workers=workers,
        worker_init_fn=outlive_signal,
        pin_memory=cfg.PIN_MEMORY and cuda,
    )


def build_clip_dataset(
    cfg: CfgNode,
    people: list[Person],
    frames: Mapping[int, FrameSource],
    sample_frames: FixedFrames | RandomPair,
    *,
    augmentation: Augmentation | None = None,
    damaged_key: DamagedKey = "raise",
) -> ClipDataset:
    """Return clips of people with the crops and targets that DATASET and MODEL describe.

    Args:
        cfg: The experiment.
        people: People, one clip each.
        frames: Frames of each video, by its index.
        sample_frames: Returns the frame offsets of a clip.
        augmentation: Augmentation of the crops; None for the crops of the people.
        damaged_key: What takes the place of a clip whose key frame is damaged.
    """
    return ClipDataset(
        people,
        frames,
        sample_frames,
        options=build_clip_options(cfg),
        seed=cfg.SEED,
        augmentation=augmentation,
        damaged_key=damaged_key,
    )


def build_clip_options(cfg: CfgNode) -> ClipOptions:
    """Return the options of an experiment's crops and targets.

    Args:
        cfg: The experiment.
    """
    model = cfg.MODEL
    return ClipOptions(
        image_size=model.IMAGE_SIZE,
        heatmap_size=model.HEATMAP_SIZE,
        sigma=model.SIGMA,
        target_type=model.TARGET_TYPE,
        rgb=cfg.DATASET.COLOR_RGB,
    )
