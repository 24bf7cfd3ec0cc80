"""Make videos of people with exact labels, in PoseTrack18's official layout.

python tools/make_synthetic.py --out data/synthetic --preset default --seed 0 --train 80 --val 20
"""

import argparse
from dataclasses import replace
from pathlib import Path

import _init_paths  # noqa: F401

from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos
from lib.utils.errors import run


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for images/, annotations/ and videos/")
    parser.add_argument(
        "--preset", choices=PRESETS, default="default", help="difficulty of the videos (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the videos (default: %(default)s)")
    parser.add_argument("--train", type=int, default=80, help="number of training videos (default: %(default)s)")
    parser.add_argument("--val", type=int, default=20, help="number of validation videos (default: %(default)s)")
    parser.add_argument(
        "--label-every",
        type=int,
        default=1,
        metavar="K",
        help="label only every K-th frame of validation videos (default: %(default)s)",
    )
    parser.add_argument("--mp4", action="store_true", help="also write each video as an .mp4 file")
    parser.add_argument("--processes", type=int, help="number of processes (default: one per core)")
    parser.add_argument("--overwrite", action="store_true", help="replace videos with other settings in --out")
    numbers = parser.add_argument_group("changes of the preset")
    numbers.add_argument("--width", type=int, help="width of the frames in pixels")
    numbers.add_argument("--height", type=int, help="height of the frames in pixels; people scale with it")
    numbers.add_argument("--frames", type=int, help="number of frames per video")
    numbers.add_argument("--people", type=int, nargs=2, metavar=("MIN", "MAX"), help="number of people per video")
    numbers.add_argument("--blur", type=float, help="motion blur: share of time with an open shutter, 0 to 1")
    numbers.add_argument("--occlusion", type=float, help="mean number of objects flying in front of the people")
    numbers.add_argument("--damage", type=float, help="share of damaged frames, 0 to 1")
    args = parser.parse_args()

    names = ("width", "height", "frames", "people", "blur", "occlusion", "damage")
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.people:
        given["people"] = tuple(args.people)
    make_videos(
        args.out,
        replace(PRESETS[args.preset], **given),
        {"train": args.train, "val": args.val},
        seed=args.seed,
        processes=args.processes,
        as_mp4=args.mp4,
        overwrite=args.overwrite,
        label_every=args.label_every,
    )
    print(f"{args.out}: {args.train} training and {args.val} validation videos")
    if args.train:
        print(f"next: python tools/train.py --cfg experiments/synthetic/demo/single.yaml DATASET.ROOT {args.out}")


if __name__ == "__main__":
    run(main)
