r"""Train a PoseWarper on a few labeled frames: generate videos, train both stages, test on other videos, draw.

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
    Chain,
    add_seconds,
    check_outputs,
    keep_settings,
    plan,
    plan_grid,
    plan_videos,
    videos_settings,
)
from lib.labeling.learning_options import GRID_FRAMES, GRID_VIDEOS, TRAIN, VAL, LearningOptions, complete, split_numbers
from lib.labeling.learning_report import report, report_grid
from lib.utils.commands import run_steps
from lib.utils.errors import run


def main() -> None:
    """Run the tool."""
    args = parse()
    numbers, opts = {}, list(args.opts)
    for name, minimum in (("videos", 1), ("frames", 1), ("seeds", 0)):
        numbers[name], others = split_numbers(f"--{name}", getattr(args, name), minimum)
        opts += others
    options = complete(LearningOptions(**(vars(args) | numbers | {"opts": opts})))
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


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for videos, nets, results and pictures")
    names = sorted(path.name for path in EXPERIMENTS.iterdir() if path.is_dir())
    parser.add_argument("--experiment", choices=names, help="folder in experiments/synthetic (default: demo)")
    parser.add_argument(
        "--cfg",
        type=Path,
        nargs=2,
        metavar=("STAGE1", "STAGE2"),
        help="experiments of both stages, on existing data",
    )
    parser.add_argument(
        "--seed", type=int, help="seed of the videos and the training (default: 0, or that of the --cfg files)"
    )
    parser.add_argument("--train", type=int, help=f"number of training videos (default: {TRAIN})")
    parser.add_argument("--val", type=int, help=f"number of test videos (default: {VAL})")
    parser.add_argument(
        "--augment", action="store_true", help="also propagate the labels, train both stages again with them, and test"
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the experiments to change")
    grid = parser.add_argument_group("grid of several runs")
    grid.add_argument("--grid", action="store_true", help="compare several numbers of labeled videos and frames")
    frames = f"numbers of labeled frames per video in the grid (default: {_text(GRID_FRAMES)})"
    seeds = "seeds of the choice of labels and of the training in the grid (default: --seed, that of the videos)"
    for option, metavar, text in (
        ("--videos", "V", f"numbers of labeled videos in the grid (default: {_text(GRID_VIDEOS)})"),
        ("--frames", "N", frames),
        ("--seeds", "SEED", seeds),
    ):
        grid.add_argument(option, nargs="+", default=[], metavar=metavar, help=text)
    return parser.parse_intermixed_args()


def _text(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


if __name__ == "__main__":
    run(main)
