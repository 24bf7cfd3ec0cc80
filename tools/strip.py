r"""Make a picture strip of one person in a video: a column for each frame, a row for each file of poses.

python tools/strip.py --root data/posetrack18 --frames 11 12 13 14 --track 0 --out strip.png \
    data/posetrack18/annotations/val/000342_mpii_test.json output/…/predictions/…/val/000342_mpii_test.json

The first file has the annotations, which define the frames and the person; the others are predictions of that video.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401

from lib.frames.store import ImageStore
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.visualization.strip import write_strip


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path, help="PoseTrack file of the video")
    parser.add_argument("predictions", type=Path, nargs="+", help="files of poses, <name>/<split>/<video>.json")
    parser.add_argument("--root", type=Path, required=True, help="folder that contains the frames")
    parser.add_argument("--frames", type=int, nargs="+", required=True, help="numbers of the frames")
    parser.add_argument("--track", type=int, default=0, help="track id of the person (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="output .png file")
    parser.add_argument(
        "--exif-orientation", action="store_true", help="orient frames according to EXIF (DATASET.EXIF_ORIENTATION)"
    )
    args = parser.parse_args()
    if args.out.suffix != ".png":
        raise InputError(f"--out {args.out}: expected a .png file")
    read = [("ANNOTATIONS", args.annotations), *(("PREDICTIONS", path) for path in args.predictions)]
    claim_outputs([("--out", args.out)], read)
    store = ImageStore(args.root, oriented=args.exif_orientation)
    write_strip(args.out, args.annotations, args.predictions, store, frames=args.frames, track=args.track)
    print(f"{args.out}: {len(args.predictions) + 1} rows of {len(args.frames)} frames")


if __name__ == "__main__":
    run(main)
