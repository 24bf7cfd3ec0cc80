"""Published rows: their list, what this machine lacks for them, and runs that reproduce them."""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config import load_config, output_folder
from lib.config.rows import Row
from lib.evaluation.results import check_result, find_result
from lib.evaluation.tables import format_rows
from lib.utils.commands import ROOT, call, format_command
from lib.utils.download import checked_sha256
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json
from lib.utils.interrupts import STOPPING

SERVER = "the labels are not public; the benchmark's server scores the submission"


def format_list(rows: list[Row], data_dir: Path) -> str:
    """Return a line per row: its main result, and the availability of its data and weights."""
    width = max(len(row.id) for row in rows)
    lines = [f"{'row':<{width}} {'published':>15}  {'data':<5}weights"]
    for row in rows:
        figure = f"{row.headline} {row.published[row.headline]:.{row.decimals}f}"
        data = _yes(all(file.is_there for file in row.data_files(data_dir)))
        weights = _yes(row.weights_file(data_dir).is_there)
        lines.append(f"{row.id:<{width}} {figure:>15}  {data:<5}{weights}")
    lines += ["", "list --row ROW tells which file belongs where, run ROW runs one;"]
    lines.append("python tools/download.py ROW fetches weights.")
    return "\n".join(lines)


def _yes(there: bool) -> str:
    return "yes" if there else "no"


PAGE = """# Published models

Results that were published by PoseWarper's authors and in MMPose's model zoo, and what reproduces them here; none of
these figures was measured by this project yet. `python tools/download.py ROW` fetches the weights of a row,
`python tools/reproduce.py run ROW` tests them and prints the difference, `python tools/reproduce.py list --row ROW`
tells which data it needs: [reproduce.md](reproduce.md), [datasets.md](datasets.md). The files load as they are; other
files that do are told in [migrating.md](migrating.md).

This page is written by `python tools/reproduce.py list --markdown`."""


def format_page(rows: list[Row]) -> str:
    """Return the rows as a page of docs/, a section for each table, with links to experiments and weights."""
    sections = [PAGE]
    for name, own in groupby(rows, lambda row: row.id.rpartition("/")[0]):
        table = list(own)
        titles = ["row", *table[0].metrics, "experiment", "weights"]
        lines = [f"## {name}", "", f"{table[0].protocol}; {table[0].source}.", ""]
        lines += [_cells(titles), "|" + "---|" * len(titles)]
        for row in table:
            experiment = f"[yaml]({os.path.relpath(row.experiment, ROOT / 'docs')})"
            figures = [f"{value:.{row.decimals}f}" for value in row.values]
            lines.append(_cells([row.id, *figures, experiment, f"[{Path(row.weights).name}]({row.url})"]))
        notes = {row.id: [row.note, SERVER if row.scorer == "server" else ""] for row in table}
        told = [f"- {row_id}: {'; '.join(filter(None, parts))}" for row_id, parts in notes.items() if any(parts)]
        sections.append("\n".join([*lines, *([""] if told else []), *told]))
    return "\n\n".join(sections)


def _cells(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def describe_row(row: Row, data_dir: Path) -> str:
    """Return all that is known about a row: published results, files and command."""
    lines = [row.id, f"  {row.protocol}", f"  {row.source}; scorer: {row.scorer}"]
    lines += [f"  {row.note}"] if row.note else []
    lines += [f"  {line}" for line in format_rows({"published": row.published}, row.decimals).splitlines()]
    for file in (*row.data_files(data_dir), row.weights_file(data_dir)):
        lines.append(f"  {'there  ' if file.is_there else 'missing'}  {file.path}")
        lines += [] if file.is_there else [f"           from {file.source}"]
    _, command = _plan(row, data_dir, [])
    return "\n".join([*lines, f"  {shlex.join(format_command(command))}"])


def run_rows(rows: list[Row], data_dir: Path, changes: list[str]) -> None:
    """Run rows one by one, continuing after a failure.

    Args:
        rows: The rows to run.
        data_dir: Folder of the data.
        changes: Keys and values of the command line.

    Raises:
        SystemExit: At least one row failed.
    """
    failed = 0
    for row in rows:
        try:
            reproduce(row, data_dir, changes)
        except InputError as error:
            print(f"error: {row.id}: {error}", file=sys.stderr)
            failed += 1
    if failed:
        sys.exit(2)


def reproduce(row: Row, data_dir: Path, changes: list[str]) -> None:
    """Run a row and report how far its results are from the published ones.

    Args:
        row: The row to run.
        data_dir: Folder of the data.
        changes: Keys and values of the command line.

    Raises:
        InputError: Files are missing or wrong, or the run failed.
        SystemExit: The run was interrupted.
    """
    files = [*row.data_files(data_dir), row.weights_file(data_dir)]
    missing = [file for file in files if not file.is_there]
    for file in missing:
        print(f"missing: {file.path}\n         from {file.source}", file=sys.stderr)
    if missing:
        raise InputError(f"{len(missing)} of {len(files)} files and folders that it needs are missing")
    hashes = {str(file.path): checked_sha256(file.path) for file in files if file.path.is_file()}

    cfg, command = _plan(row, data_dir, changes)
    folder = output_folder(cfg, cfg.EXPERIMENT_NAME)
    kept = folder / "reproduced.json"
    check_result(kept)
    start = time.monotonic()
    status = call(command)
    if status in [128 + number for number in STOPPING]:
        sys.exit(status)
    if status:
        raise InputError("its run failed")
    path = find_result(folder, shlex.join(format_command(command)))
    result = read_json(path)
    scores = compare(row, result)
    content: dict[str, Any] = {"row": row.id, "protocol": row.protocol, "note": row.note, **scores, "sha256": hashes}
    content |= {"seconds": time.monotonic() - start, "result": str(path)}
    content |= {key: result[key] for key in ("command", "commit", "test_precision", "versions", "config")}
    write_json(kept, content, indent=True)
    print(f"\n{row.id}\n{format_rows(scores, row.decimals)}")
    if row.note:
        print(row.note)
    if row.scorer == "server":
        print(SERVER)
    print(f"kept in {kept}")


def compare(row: Row, result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the published results and, where the run was scored, the measured ones and the difference, by column.

    Args:
        row: The published row.
        result: Result of the run.

    Raises:
        InputError: Nothing was scored, or the result lacks a column.
    """
    if row.scorer == "server":
        return {"published": row.published}
    if "table" not in result:
        raise InputError("its run was not scored; what it printed tells why")
    measured = row.measured(result["table"])
    difference = {name: measured[name] - value for name, value in row.published.items()}
    return {"published": row.published, "measured": measured, "difference": difference}


def _plan(row: Row, data_dir: Path, changes: list[str]) -> tuple[CfgNode, list[str | Path]]:
    """Return a row's configuration and the command of tools/ that runs it.

    Args:
        row: The row to run.
        data_dir: Folder of the data.
        changes: Keys and values of the command line.
    """
    overrides = [str(part) for setting in row.settings(data_dir).items() for part in setting] + changes
    cfg = load_config(row.experiment, overrides)
    tool = "propagate.py" if cfg.TEST.MODE == "propagate" else "test.py"
    given: list[str | Path] = [row.weights_as, row.weights_file(data_dir).path]
    return cfg, [tool, "--cfg", row.experiment, *row.options, *given, *overrides]
