r"""Watch a PoseWarper learn from a few labeled frames: make videos, train both stages, test on other videos, draw.

python tools/learn.py --out output/demo
python tools/learn.py --out output/posetrack --cfg stage1.yaml stage2.yaml --augment \
    DATASET.NUM_LABELED_VIDEOS 50 DATASET.NUM_LABELED_FRAMES_PER_VIDEO 1
python tools/learn.py --out output/grid --grid --videos 20 40 80 --frames 1 2 8 --seeds 0 1 2

The second command does the same with a custom data set in DATASET.ROOT of both experiments; --augment makes additional
labels from the sparse ones and trains on them too. The third repeats it for each number of labeled videos, of labeled
frames per video, and each seed, and ends with a table and a plot. Each step is printed as a command that can also be
run by hand. Steps that an earlier run finished are skipped.
"""

import argparse
import itertools
from pathlib import Path

import _init_paths  # noqa: F401

from lib.labeling.learning import (
    EXPERIMENTS,
    GRID_FRAMES,
    GRID_VIDEOS,
    TRAIN,
    VAL,
    Chain,
    LearningOptions,
    add_seconds,
    check_outputs,
    complete,
    keep_settings,
    plan,
    plan_grid,
    plan_videos,
    videos_settings,
)
from lib.labeling.learning_report import report, report_grid
from lib.utils.commands import run_steps
from lib.utils.errors import InputError, run


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for videos, nets, results and pictures")
    names = sorted(path.name for path in EXPERIMENTS.iterdir() if path.is_dir())
    parser.add_argument("--experiment", choices=names, help="folder of experiments/synthetic (demo)")
    parser.add_argument(
        "--cfg",
        type=Path,
        nargs=2,
        metavar=("STAGE1", "STAGE2"),
        help="experiments of both stages, on data that are there",
    )
    parser.add_argument("--seed", type=int, help="of the videos and the training (0; with --cfg, what the files say)")
    parser.add_argument("--train", type=int, help=f"number of training videos ({TRAIN})")
    parser.add_argument("--val", type=int, help=f"number of videos to test on ({VAL})")
    parser.add_argument(
        "--augment", action="store_true", help="then propagate the labels, train both stages again with them, and test"
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the experiments to change")
    parser.add_argument(
        "--grid", action="store_true", help="learn from several numbers of labeled videos and frames, and compare"
    )
    parser.add_argument(
        "--videos", nargs="+", metavar="V", help=f"of the grid: numbers of labeled videos ({_text(GRID_VIDEOS)})"
    )
    parser.add_argument(
        "--frames", nargs="+", metavar="N", help=f"of the grid: labeled frames per video ({_text(GRID_FRAMES)})"
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        metavar="SEED",
        help="of the grid: seeds of the choice of labels and the training (--seed is that of the synthetic videos)",
    )
    args = parser.parse_intermixed_args()
    for name in ("videos", "frames", "seeds"):
        take_numbers(args, name, least=0 if name == "seeds" else 1)
    options = complete(LearningOptions(**vars(args)))
    cells = plan_grid(options) if options.grid else {}
    chains = list(cells.values()) or [plan(options, options.out, options.opts, options.seed)]
    data = [Chain(options.out, videos_settings(options), [])] if options.grid else []
    check_outputs(options, chains)
    keep_settings([*data, *chains])
    try:
        run_steps([*plan_videos(options), *itertools.chain(*(chain.steps for chain in chains))])
    finally:
        add_seconds(options.out)
    if options.grid:
        report_grid(options, cells)
    else:
        report(options, chains[0].results)


def take_numbers(args: argparse.Namespace, name: str, least: int) -> None:
    """Parse an option's words, "20 40" or "20,40", as numbers, and move KEY VALUE pairs after them to `args.opts`."""
    words = getattr(args, name) or []
    numbers = list(itertools.takewhile(lambda word: word.replace(",", "").isdecimal(), words))
    args.opts = [*args.opts, *words[len(numbers) :]]
    found = [int(part) for word in numbers for part in word.split(",") if part]
    if words and (not found or min(found) < least or len(set(found)) < len(found)):
        raise InputError(f"--{name} {' '.join(words)}: it takes different whole numbers from {least} on, such as 20 40")
    setattr(args, name, found)


def _text(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


if __name__ == "__main__":
    run(main)
