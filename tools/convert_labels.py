"""Convert labels of custom videos from one format to another.

python tools/convert_labels.py CollectedData_me.csv labels.json
python tools/convert_labels.py project.slp annotations.xml
python tools/convert_labels.py dense.json CollectedData_me.h5
python tools/convert_labels.py deeplabcut-project dataset/data.yaml --size 1280x720

Formats are detected by content and name, or named by --from and --to (docs/labels.md): COCO, PoseTrack, CSV, DeepLabCut
and its projects (read only), SLEAP, CVAT, Label Studio, YOLO-pose, NWB, PoseMark. IN may be a folder with the YAML
file of a DeepLabCut project or a YOLO data set.
Anything that the new format cannot represent is printed, one line each.
"""

import argparse
import logging
import re
from pathlib import Path

import _init_paths  # noqa: F401

from lib.formats.labels.model import take_video, with_size
from lib.formats.labels.registry import FORMATS, read_any_labels, write_any_labels
from lib.utils.errors import run
from lib.utils.files import claim_outputs


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="IN", help="input file or folder of labels")
    parser.add_argument("target", type=Path, metavar="OUT", help="output file")
    parser.add_argument(
        "--from", dest="source_format", choices=FORMATS, help="format of IN (default: detected by content)"
    )
    parser.add_argument(
        "--to", dest="target_format", choices=FORMATS, help="format of OUT (default: detected by suffix)"
    )
    parser.add_argument("--video", help="video to convert, if IN contains several and OUT can contain one")
    parser.add_argument("--size", type=_size, metavar="WIDTHxHEIGHT", help="size of frames for which IN has none")
    args = parser.parse_args()
    claim_outputs([("OUT", args.target)], [("IN", args.source)])
    labels = read_any_labels(args.source, args.source_format)
    if args.video is not None:
        labels = take_video(labels, args.video)
    if args.size:
        labels = with_size(labels, *args.size)
    for line in write_any_labels(args.target, labels, args.target_format):
        print(f"lost: {line}")
    print(f"{args.target}: {len(labels.frame)} poses of {len(labels.names)} joints in {len(labels.frames)} frames")


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if not found:
        raise argparse.ArgumentTypeError("must be two whole numbers, such as 640x480")
    return int(found[1]), int(found[2])


if __name__ == "__main__":
    run(main)
