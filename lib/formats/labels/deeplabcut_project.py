"""All labels of a DeepLabCut project: config.yaml names the scorer, whose tables are in the folders of labeled-data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.labels.deeplabcut import Column, Table, labels_of, open_table
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.model import Labels
from lib.formats.labels.yaml_files import has_keys, read_yaml
from lib.utils.errors import InputError


def read(path: str | Path) -> Labels:
    """Read the tables labeled-data/*/CollectedData_<scorer>, .h5 or else .csv, and the skeleton of config.yaml.

    Args:
        path: The project's config.yaml.

    Returns:
        The labels of all videos. The frames of a video are in the folder of its name.

    Raises:
        InputError: If there is no table, or a table is invalid or has another header than the others.
    """
    path = Path(path)
    config = read_yaml(path)
    scorer = str(config.get("scorer", ""))
    folders = sorted(folder for folder in path.parent.glob("labeled-data/*") if folder.is_dir())
    tables = [table for folder in folders if (table := _table_in(folder, scorer))]
    if not tables:
        raise InputError(
            f"{path}: no labeled-data/*/CollectedData_{scorer}.h5 or .csv beside it; label some frames first"
        )
    labels = labels_of(_join([(file, open_table(file)) for file in tables]), path)
    return replace(labels, edges=_edges(config.get("skeleton"), labels.names))


def _table_in(folder: Path, scorer: str) -> Path | None:
    """Return the scorer's table of a video; HDF5 is what DeepLabCut trains on."""
    files = (folder / f"CollectedData_{scorer}{suffix}" for suffix in (".h5", ".csv"))
    return next((file for file in files if file.is_file()), None)


def _join(tables: Sequence[tuple[Path, Table]]) -> Table:
    """Return one table with the rows of all, and NaN where a table lacks a column."""
    first, levels = tables[0][0], tables[0][1].levels
    for file, table in tables:
        if table.levels != levels:
            raise InputError(f"{file}: its header has {', '.join(table.levels)}, that of {first} {', '.join(levels)}")
    columns: list[Column] = list(dict.fromkeys(column for _, table in tables for column in table.columns))
    place = {column: index for index, column in enumerate(columns)}
    values = np.full((sum(len(table.index) for _, table in tables), len(columns)), np.nan)
    start = 0
    for file, table in tables:
        if len(set(table.columns)) < len(table.columns):
            raise InputError(f"{file}: a column is repeated; the table must have one scorer, and each body part once")
        rows = slice(start, start := start + len(table.index))
        values[rows, [place[column] for column in table.columns]] = table.values
    return Table(levels, columns, [entry for _, table in tables for entry in table.index], values)


def _edges(skeleton: Any, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the lines of config.yaml's skeleton, pairs of body parts."""
    pairs = skeleton if isinstance(skeleton, list) else []
    known = [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2 and all(end in names for end in pair)]
    return tuple((names.index(start), names.index(end)) for start, end in known)


def _recognizes(path: Path, start: bytes) -> bool:
    return has_keys(path, "Task", "scorer")


FORMAT = LabelFormat("deeplabcut-project", read, None, _recognizes)
