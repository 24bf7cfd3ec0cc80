"""Make COCO-style files from the official annotations of PoseTrack17 or PoseTrack18; images are not needed.

python tools/prepare_posetrack.py full --annotations data/posetrack18/annotations
python tools/prepare_posetrack.py sparse --annotations data/posetrack18/annotations --videos 50 --frames 1 --seed 0
python tools/prepare_posetrack.py consecutive --annotations data/posetrack17/annotations
"""

import argparse
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401

from lib.dataset.posetrack_prepare import SPLITS, consecutive, full, read_split, release, sparse
from lib.formats.posetrack_set import video_files
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs, refuse_inside, write_json
from lib.utils.label_files import sparse_file_name


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="WHAT", required=True)

    command = commands.add_parser("full", help="all frames: posetrack_train.json and posetrack_val.json")
    command.set_defaults(make=_full)

    command = commands.add_parser("sparse", help="few labeled training frames: posetrack_train_N…_per_video….json")
    command.add_argument("--videos", type=_at_least(1), default=-1, help="how many videos keep labels (all)")
    command.add_argument("--frames", type=_at_least(1), required=True, help="how many labeled frames of each")
    command.add_argument(
        "--seed", type=_at_least(0), default=0, help="of the drawing: SEED of an experiment (%(default)s)"
    )
    command.set_defaults(make=_sparse)

    command = commands.add_parser("consecutive", help="each video's longest run: posetrack_val_consecutive.json")
    command.set_defaults(make=_consecutive)

    for command in commands.choices.values():
        command.add_argument("--annotations", type=Path, required=True, help="folder with train/ and val/")
        command.add_argument("--out", type=Path, help="folder of the files made (that of the annotations)")
    args = parser.parse_args()
    out = args.out or args.annotations
    if not args.annotations.is_dir():
        raise InputError(f"{args.annotations}: no such folder")
    files = args.make(args)
    outputs = [("--out", out / name) for name in files]
    for split in SPLITS:
        refuse_inside(outputs, args.annotations / split, "it would be taken for one of the annotations")
    claim_outputs(outputs)
    print(release(args.annotations))
    contents = {name: make() for name, make in files.items()}
    for name, content in contents.items():
        write_json(out / name, content)
        print(f"{out / name}: {len(content['images'])} frames, {len(content['annotations'])} people")


Files = dict[str, Callable[[], dict[str, Any]]]  # their names, and what makes their content


def _full(args: argparse.Namespace) -> Files:
    splits = [split for split in SPLITS if (args.annotations / split).is_dir()]
    if not splits:
        raise InputError(f"{args.annotations}: neither of the folders train and val is there")
    return {f"posetrack_{split}.json": partial(_read_full, args.annotations, split) for split in splits}


def _read_full(annotations: Path, split: str) -> dict[str, Any]:
    return full(read_split(annotations, split))


def _sparse(args: argparse.Namespace) -> Files:
    # The first code's name of all videos has no V.
    videos = args.videos if args.videos < len(video_files(args.annotations / "train")) else -1

    def make() -> dict[str, Any]:
        return sparse(read_split(args.annotations, "train"), args.videos, args.frames, args.seed)

    return {sparse_file_name(args.frames, videos): make}


def _consecutive(args: argparse.Namespace) -> Files:
    return {"posetrack_val_consecutive.json": lambda: consecutive(read_split(args.annotations, "val"))}


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
        return int(text)

    return number


if __name__ == "__main__":
    run(main)
