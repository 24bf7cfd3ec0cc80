"""Convert labels of custom videos from one format to another.

python tools/convert_labels.py CollectedData_me.csv labels.json
python tools/convert_labels.py project.slp annotations.xml
python tools/convert_labels.py dense.json CollectedData_me.h5

Formats are detected by content and extension, or named: coco, posetrack18, csv, deeplabcut, cvat, sleap (read only).
Anything that the new format cannot represent is printed, one line each.
"""

import argparse
import logging
from pathlib import Path

import _init_paths  # noqa: F401

from lib.formats.labels.model import take_video
from lib.formats.labels.registry import FORMATS, read_any_labels, write_any_labels
from lib.utils.errors import run
from lib.utils.files import claim_outputs


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="IN", help="input file of labels")
    parser.add_argument("target", type=Path, metavar="OUT", help="output file")
    parser.add_argument(
        "--from", dest="source_format", choices=FORMATS, help="format of IN (default: detected by content)"
    )
    parser.add_argument(
        "--to", dest="target_format", choices=FORMATS, help="format of OUT (default: detected by suffix)"
    )
    parser.add_argument("--video", help="video to convert, if IN contains several and OUT can contain one")
    args = parser.parse_args()
    claim_outputs([("OUT", args.target)], [("IN", args.source)])
    labels = read_any_labels(args.source, args.source_format)
    if args.video is not None:
        labels = take_video(labels, args.video)
    for line in write_any_labels(args.target, labels, args.target_format):
        print(f"lost: {line}")
    print(f"{args.target}: {len(labels.frame)} poses of {len(labels.names)} joints in {len(labels.frames)} frames")


if __name__ == "__main__":
    run(main)
