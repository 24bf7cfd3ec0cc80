"""Download published weights into models/, verified by the checksum in their names; nothing in them is executed.

python tools/download.py list
python tools/download.py posewarper/gt-boxes
python tools/download.py resnet/coco raft_large_C_T_SKHT_V2-ff5fadd5.pth

A name is a row or table of tools/reproduce.py, the start of a training, or a file name. An interrupted download
resumes when the same command is given again.
"""

import argparse
import sys
from pathlib import Path

import _init_paths  # noqa: F401

from lib.config.rows import choose, read_weights
from lib.utils.commands import ROWS
from lib.utils.download import fetch, file_name, partial_path
from lib.utils.errors import InputError, run


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch; or list: show what there is")
    parser.add_argument("--all", action="store_true", help="fetch everything, tens of gigabytes")
    parser.add_argument("--to", type=Path, default=Path("models"), help="folder for the files (%(default)s)")
    parser.add_argument("--rows", type=Path, default=ROWS, help="file that names them (%(default)s)")
    args = parser.parse_args()
    if bool(args.names) == args.all:
        raise InputError("name what to fetch, or give --all; list shows what there is")
    users = read_weights(args.rows)
    if args.names == ["list"]:
        show(users, args.to)
        return
    names = {url: [file_name(url), *own] for url, own in users.items()}
    fetch_all(list(users) if args.all else choose(names, args.names), args.to)


def show(users: dict[str, list[str]], folder: Path) -> None:
    """Print the state and the users of every file."""
    for url, rows in users.items():
        name = file_name(url)
        states = {"there": folder / name, "begun": partial_path(folder / name)}
        state = next((word for word, path in states.items() if path.exists()), "-")
        print(f"{state:<6} {name}\n       {', '.join(rows)}")


def fetch_all(urls: list[str], folder: Path) -> None:
    """Download files one by one, continuing after a failure.

    Args:
        urls: URLs of the files.
        folder: Folder to write them to.

    Raises:
        SystemExit: At least one download failed.
    """
    failed = 0
    for url in urls:
        try:
            print(fetch(url, folder), flush=True)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    if failed:
        sys.exit(2)


if __name__ == "__main__":
    run(main)
