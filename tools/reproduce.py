"""Published rows: list them, report what this machine lacks for them, and run them with one command.

python tools/reproduce.py list
python tools/reproduce.py list --row posewarper/gt-boxes/w48-384x288
python tools/reproduce.py list --markdown > docs/model_zoo.md
python tools/reproduce.py run posewarper/gt-boxes/w48-384x288
python tools/reproduce.py run posewarper/propagation --set GPUS "(0,)" --set TEST.BATCH_SIZE_PER_GPU 4

The name of a table selects all of its rows. run prints the published and measured results and their difference, and
writes these, the configuration, versions and the sha256 of the files to reproduced.json in the row's results folder.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401

from lib.config.rows import choose, read_rows
from lib.evaluation.reproduction import describe_row, format_list, format_page, run_rows
from lib.utils.commands import ROWS
from lib.utils.errors import run


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    command = commands.add_parser("list", help="print all rows, and which of their files exist")
    command.add_argument("--row", action="append", metavar="ROW", help="print the details of this row or table")
    command.add_argument("--markdown", action="store_true", help="print the page docs/model_zoo.md")
    command = commands.add_parser("run", help="run rows")
    command.add_argument("row", nargs="+", metavar="ROW", help="name of a row or a table")
    command.add_argument(
        "--set",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="change a key for this machine: GPUS, WORKERS, TEST.BATCH_SIZE_PER_GPU, OUTPUT_DIR",
    )
    for command in commands.choices.values():
        command.add_argument(
            "--dataDir",
            type=_folder,
            default=Path(),
            help="folder that contains data/ and models/ (default: the current one)",
        )
        command.add_argument("--rows", type=Path, default=ROWS, help="file of the rows (default: %(default)s)")
    args = parser.parse_args()
    rows = {row.id: row for row in read_rows(args.rows)}
    chosen = [rows[name] for name in choose({name: [name] for name in rows}, args.row or list(rows))]
    if args.command == "run":
        run_rows(chosen, args.dataDir, [part for pair in args.set for part in pair])
    elif args.markdown:
        print(format_page(chosen))
    elif args.row:
        print("\n\n".join(describe_row(row, args.dataDir) for row in chosen))
    else:
        print(format_list(chosen, args.dataDir))


def _folder(text: str) -> Path:
    return Path(text).absolute()  # DATA_DIR is prepended to relative paths


if __name__ == "__main__":
    run(main)
