"""Make COCO-style files from the official annotations of PoseTrack17 or PoseTrack18; images are not needed.

python tools/prepare_posetrack.py full --annotations data/posetrack18/annotations
python tools/prepare_posetrack.py sparse --annotations data/posetrack18/annotations --videos 50 --frames 1 --seed 0
python tools/prepare_posetrack.py consecutive --annotations data/posetrack17/annotations
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

import _init_paths  # noqa: F401

from lib.utils.errors import InputError, run


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    commands.add_parser("full", help="all frames: posetrack_train.json and posetrack_val.json")

    command = commands.add_parser("sparse", help="few labeled training frames: posetrack_train_N…_per_video….json")
    command.add_argument(
        "--videos", type=_at_least(1), default=-1, help="number of videos that keep labels (default: all)"
    )
    command.add_argument("--frames", type=_at_least(1), required=True, help="number of labeled frames per video")
    command.add_argument(
        "--seed",
        type=_at_least(0),
        default=0,
        help="seed of the random choice, SEED of an experiment (default: %(default)s)",
    )

    commands.add_parser("consecutive", help="longest annotated run of each video: posetrack_val_consecutive.json")

    for command in commands.choices.values():
        command.add_argument("--annotations", type=Path, required=True, help="folder with train/ and val/")
        command.add_argument("--out", type=Path, help="output folder (default: that of the annotations)")
    args = parser.parse_args()
    if not args.annotations.is_dir():
        raise InputError(f"{args.annotations}: no such folder")

    from lib.dataset.posetrack_prepare import plan_consecutive, plan_full, plan_sparse, write_files  # loads PyTorch

    if args.what == "full":
        files = plan_full(args.annotations)
    elif args.what == "sparse":
        files = plan_sparse(args.annotations, args.videos, args.frames, args.seed)
    else:
        files = plan_consecutive(args.annotations)
    write_files(files, args.annotations, args.out or args.annotations)


def _at_least(minimum: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"{text} is less than {minimum}")
        return int(text)

    return number


if __name__ == "__main__":
    run(main)
