"""Write a page to check propagated labels, correct them, and save them to propagate again.

python tools/review.py dense.json --video clip.mp4 --out review.html
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import _init_paths  # noqa: F401

from lib.formats.coco import is_oriented, read_labels
from lib.frames.unpack import frame_reader
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal
from lib.visualization.review import BUDGET, write_review

MEGABYTE = 1_000_000


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, help="COCO-style file that tools/label_video.py --video wrote")
    parser.add_argument("--video", type=Path, required=True, help="video file, or folder of its numbered frames")
    parser.add_argument("--out", type=Path, required=True, help="the .html file to write")
    parser.add_argument(
        "--megabytes", type=float, default=BUDGET / MEGABYTE, help="of the page, at most (%(default).0f)"
    )
    parser.add_argument(
        "--exif-orientation",
        action="store_true",
        help="orient frames according to EXIF, as the labels are; those of DATASET.EXIF_ORIENTATION True record it",
    )
    args = parser.parse_args()
    if args.out.suffix != ".html":
        raise InputError(f"--out {args.out}: it has to name a .html file")
    if not args.megabytes > 0:
        raise InputError(f"--megabytes {args.megabytes}: it has to be over 0")
    claim_outputs([("--out", args.out)], [("LABELS", args.labels), ("--video", args.video)])
    labels = read_labels(args.labels)
    with TemporaryDirectory(prefix="frames-") as folder:
        read = frame_reader(args.video, Path(folder), args.exif_orientation or is_oriented(labels))
        budget = round(args.megabytes * MEGABYTE)
        write_review(labels, read, args.out, args.labels.stem, video=args.video.resolve().name, budget=budget)


if __name__ == "__main__":
    run(main)
