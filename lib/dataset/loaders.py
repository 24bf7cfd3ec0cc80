"""Clips of people, and batches of clips."""

from collections.abc import Sequence
from math import prod

from torch.utils.data import DataLoader, DistributedSampler
from yacs.config import CfgNode

from lib.dataset.clips import ClipDataset, FixedFrames, RandomPair
from lib.dataset.people import Person
from lib.dataset.transforms import Augmentation
from lib.frames.images import ImageList
from lib.frames.video import FrameFolder
from lib.utils.cores import num_cores
from lib.utils.interrupts import forgive_broken_connections

# Of a test batch on the CPU, five crops of 384×288: larger ones gain nothing, and progress stands still.
CPU_PIXELS = 600_000


def build_clips(
    cfg: CfgNode, people: list[Person], frames: dict[int, FrameFolder], offsets: Sequence[int]
) -> ClipDataset:
    """Clips of these people with the frames at these offsets, the first of them 0, or the nearest that are there."""
    return build_clip_dataset(cfg, people, frames, FixedFrames(offsets), replace_key=True)


def build_test_loader(cfg: CfgNode, clips: ClipDataset, process: tuple[int, int], cuda: bool) -> DataLoader:
    """Batches of clips in order, read by at most as many processes as the machine has cores.

    Args:
        process: rank and number of the processes that share the clips.
    """
    rank, count = process
    size = cfg.TEST.BATCH_SIZE_PER_GPU
    if not cuda:
        size = min(size, max(1, CPU_PIXELS // (clips.num_frames * prod(cfg.MODEL.IMAGE_SIZE))))
    return DataLoader(
        clips,
        batch_size=size,
        sampler=range(rank, len(clips), count),
        num_workers=min(cfg.WORKERS, num_cores()),
        worker_init_fn=forgive_broken_connections,
        pin_memory=cfg.PIN_MEMORY and cuda,
    )


def build_training_loader(cfg: CfgNode, clips: ClipDataset, process: tuple[int, int], cuda: bool) -> DataLoader:
    """Shuffled batches of clips; `loader.sampler.set_epoch` draws another order, the same for the same SEED.

    Args:
        process: rank and number of the processes that share the clips.
    """
    rank, count = process
    return DataLoader(
        clips,
        batch_size=cfg.TRAIN.BATCH_SIZE_PER_GPU,
        sampler=DistributedSampler(clips, count, rank, shuffle=cfg.TRAIN.SHUFFLE, seed=cfg.SEED),
        num_workers=min(cfg.WORKERS, num_cores()),
        worker_init_fn=forgive_broken_connections,
        pin_memory=cfg.PIN_MEMORY and cuda,
    )


def build_clip_dataset(
    cfg: CfgNode,
    people: list[Person],
    frames: dict[int, FrameFolder | ImageList],
    sample_frames: FixedFrames | RandomPair,
    augmentation: Augmentation | None = None,
    replace_key: bool = False,
) -> ClipDataset:
    """Clips of people as DATASET and MODEL say."""
    return ClipDataset(
        people,
        frames,
        sample_frames,
        cfg.MODEL.IMAGE_SIZE,
        cfg.MODEL.HEATMAP_SIZE,
        cfg.MODEL.SIGMA,
        cfg.DATASET.COLOR_RGB,
        cfg.SEED,
        augmentation,
        cfg.MODEL.TARGET_TYPE in ("unbiased", "udp"),
        replace_key,
        cfg.MODEL.TARGET_TYPE == "udp",
    )
