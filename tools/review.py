"""Write a page to check propagated labels, correct them, and save them to propagate again.

python tools/review.py dense.json --video clip.mp4 --out review.html
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import _init_paths  # noqa: F401

from lib.formats.coco import is_oriented, read_labels
from lib.formats.labels.registry import read_any_labels
from lib.frames.unpack import frame_reader, open_frames
from lib.labeling.label_checks import summarize_labels
from lib.labeling.video_match import check_images, check_video
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal
from lib.visualization.review import BUDGET, write_review

MEGABYTE = 1_000_000


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, nargs="?", help="COCO-style file that tools/label_video.py --video wrote")
    parser.add_argument("--video", type=Path, help="video file, or folder of its numbered frames")
    parser.add_argument("--out", type=Path, required=True, help="output .html file")
    parser.add_argument(
        "--megabytes", type=float, default=BUDGET / MEGABYTE, help="maximum size of the page (default: %(default).0f)"
    )
    parser.add_argument(
        "--exif-orientation",
        action="store_true",
        help="rotate frames according to EXIF (default: as recorded in the labels)",
    )
    args = parser.parse_args()
    if args.labels is None:
        raise InputError("the file of labels is missing: python tools/review.py LABELS --video VIDEO --out PAGE")
    if args.video is None:
        raise InputError(f"--video is missing: it names the video, or the folder of frames, that {args.labels} labels")
    if args.out.suffix != ".html":
        raise InputError(f"--out {args.out}: expected a .html file")
    if not args.megabytes > 0:
        raise InputError(f"--megabytes {args.megabytes}: it must be greater than 0")
    claim_outputs([("--out", args.out)], [("LABELS", args.labels), ("--video", args.video)])
    labels, named = read_labels(args.labels), read_any_labels(args.labels)
    oriented = args.exif_orientation or is_oriented(labels)
    check_video(named, args.labels, args.video, oriented)
    print("\n".join(summarize_labels(named, args.labels)))
    with TemporaryDirectory(prefix="frames-") as folder:
        frames, _ = open_frames(args.video, Path(folder), oriented)
        check_images(named, args.labels, args.video, frames, oriented)
        read = frame_reader(args.video, Path(folder), oriented)
        budget = round(args.megabytes * MEGABYTE)
        write_review(labels, read, args.out, args.labels.stem, video=args.video.resolve().name, budget=budget)


if __name__ == "__main__":
    run(main)
