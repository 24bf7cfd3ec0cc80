"""Make COCO-style files of PoseTrack17's or PoseTrack18's official annotations; images are not needed.

python tools/prepare_posetrack.py full --annotations data/posetrack18/annotations
python tools/prepare_posetrack.py sparse --annotations data/posetrack18/annotations --videos 50 --frames 1 --seed 0
python tools/prepare_posetrack.py consecutive --annotations data/posetrack17/annotations
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401

from lib.dataset.posetrack_prepare import SPLITS, consecutive, full, read_split, release, sparse
from lib.utils.errors import InputError, run
from lib.utils.files import check_writable, write_json


def main() -> None:
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="WHAT", required=True)

    command = commands.add_parser("full", help="all frames: posetrack_train.json and posetrack_val.json")
    command.set_defaults(make=_full)

    command = commands.add_parser("sparse", help="few labelled training frames: posetrack_train_N…_per_video….json")
    command.add_argument("--videos", type=_at_least(1), default=-1, help="how many videos keep labels (all)")
    command.add_argument("--frames", type=_at_least(1), required=True, help="how many labelled frames of each")
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
    check_writable(out)
    print(release(args.annotations))
    for name, content in args.make(args).items():
        write_json(out / name, content)
        print(f"{out / name}: {len(content['images'])} frames, {len(content['annotations'])} people")


def _full(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    splits = [split for split in SPLITS if (args.annotations / split).is_dir()]
    if not splits:
        raise InputError(f"{args.annotations}: neither of the folders train and val is there")
    return {f"posetrack_{split}.json": full(read_split(args.annotations, split)) for split in splits}


def _sparse(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    videos = read_split(args.annotations, "train")
    # The first code's name of all videos has no V.
    some = f"_V{args.videos}_videos" if 0 < args.videos < len(videos) else ""
    content = sparse(videos, args.videos, args.frames, args.seed)
    return {f"posetrack_train_N{args.frames}_per_video{some}.json": content}


def _consecutive(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    return {"posetrack_val_consecutive.json": consecutive(read_split(args.annotations, "val"))}


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
        return int(text)

    return number


if __name__ == "__main__":
    run(main)
