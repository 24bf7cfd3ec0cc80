"""Download published weights into models/, verified by the checksum in their names; nothing in them is executed.

python tools/download.py list
python tools/download.py posewarper/gt-boxes
python tools/download.py resnet/coco raft_large_C_T_SKHT_V2-ff5fadd5.pth

A name is a row or table of tools/reproduce.py, initial weights of a training, a detector of people, or a file name. Run
the same command again to resume an interrupted download.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401

from lib.config.rows import choose, read_weights
from lib.utils.commands import ROWS
from lib.utils.download import fetch_all, format_state
from lib.utils.errors import InputError, run


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="files, rows or tables; list: print all names")
    parser.add_argument("--all", action="store_true", help="download everything, tens of gigabytes")
    parser.add_argument("--to", type=Path, default=Path("models"), help="output folder (default: %(default)s)")
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of the published rows (default: %(default)s)")
    args = parser.parse_args()
    if bool(args.names) == args.all:
        raise InputError("expected names or --all; tools/download.py list shows the names")
    files = read_weights(args.rows)
    if args.names == ["list"]:
        print(format_state(files, args.to))
        return
    names = {file.url: [file.name, *file.users] for file in files}
    fetch_all(list(names) if args.all else choose(names, args.names), args.to)


if __name__ == "__main__":
    run(main)
