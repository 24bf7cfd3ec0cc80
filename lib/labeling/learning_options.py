"""Options of tools/learn.py."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lib.utils.errors import InputError

TRAIN, VAL = 80, 20  # videos
GRID_VIDEOS, GRID_FRAMES = [20, 40, 80], [1, 2, 8]  # default grid
VIDEOS, FRAMES = "DATASET.NUM_LABELED_VIDEOS", "DATASET.NUM_LABELED_FRAMES_PER_VIDEO"


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """Options of a run.

    Attributes:
        out: Folder of videos, nets, results and pictures.
        experiment: Folder in experiments/synthetic; None for demo.
        cfg: Experiments of both stages, on existing data; None if videos are generated.
        seed: Seed of the videos and the training; None for the seeds of the experiments.
        train: Number of generated training videos.
        val: Number of generated test videos.
        augment: Also propagate the labels, train both stages again with them, and test the nets.
        opts: Keys and values that change the experiments.
        grid: Learn from several numbers of labeled videos and frames.
        videos: Numbers of labeled videos in the grid.
        frames: Numbers of labeled frames per video in the grid.
        seeds: Seeds for the choice of labels and the training in the grid.
    """

    out: Path
    experiment: str | None
    cfg: Sequence[Path] | None
    seed: int | None
    train: int | None
    val: int | None
    augment: bool
    opts: Sequence[str]
    grid: bool
    videos: Sequence[int]
    frames: Sequence[int]
    seeds: Sequence[int | None]


def complete(options: LearningOptions) -> LearningOptions:
    """Return the options with defaults for the synthetic videos and the grid.

    Args:
        options: Options of the run.

    Raises:
        InputError: Options contradict each other.
    """
    if options.cfg and not (options.experiment is options.train is options.val is None):
        raise InputError("--cfg uses the data of its experiments: remove --experiment, --train and --val")
    if not options.grid and (options.videos or options.frames or options.seeds):
        raise InputError("--videos, --frames and --seeds require --grid")
    seed, train, val = options.seed, options.train, options.val
    if not options.cfg:
        seed, train, val = (
            usual if given is None else given for given, usual in ((seed, 0), (train, TRAIN), (val, VAL))
        )
    if not options.grid:
        return replace(options, seed=seed, train=train, val=val)
    if options.cfg and not (options.videos and options.frames):
        raise InputError("--grid with --cfg requires --videos and --frames, up to the numbers in the data")
    if options.seeds and seed is not None and options.cfg:
        raise InputError("use only one of --seed and --seeds")
    videos, frames = options.videos or GRID_VIDEOS, options.frames or GRID_FRAMES
    if train is not None and max(videos) > train:
        raise InputError(f"--videos {max(videos)}: there are {train} training videos; --train generates more")
    if given := {VIDEOS, FRAMES, "SEED"} & set(options.opts[::2]):
        raise InputError(f"--grid sets {min(given)}: use --videos, --frames or --seeds")
    seeds = options.seeds or [seed]
    return replace(options, seed=seed, train=train, val=val, videos=videos, frames=frames, seeds=seeds)


def split_numbers(option: str, words: Sequence[str], minimum: int) -> tuple[list[int], list[str]]:
    """Separate the numbers of a command-line option from the KEY VALUE pairs after them.

    Args:
        option: Name of the option, for messages.
        words: Arguments of the option, such as "20 40 SEED 1" or "20,40".
        minimum: Smallest number.

    Returns:
        The numbers, and the other words.

    Raises:
        InputError: There are no numbers, or one is too small or given twice.
    """
    numbers = list(itertools.takewhile(lambda word: word.replace(",", "").isdecimal(), words))
    found = [int(part) for word in numbers for part in word.split(",") if part]
    if words and (not found or min(found) < minimum or len(set(found)) < len(found)):
        raise InputError(
            f"{option} {' '.join(words)}: expected different whole numbers of at least {minimum}, such as 20 40"
        )
    return found, list(words[len(numbers) :])
