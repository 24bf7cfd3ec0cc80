"""Comparison of result files, with a row for each setting, over seeds, a key, or the distance from the label."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lib.config.changes import OF_PROCESS, matches
from lib.evaluation.result_files import NOTHING, Result, Summary, group_seeds, read_results, summarize
from lib.evaluation.tables import format_rows
from lib.utils.errors import InputError

SCORED = ("table", "score")
TESTED = "a scored result of tools/test.py or tools/propagate.py"

Rows = dict[str, dict[float, Summary]]
"""Summaries by setting and by value of a key or distance."""


def compare(paths: Sequence[Path]) -> str:
    """Return the table of result files as text, with a row for each setting over its seeds.

    Args:
        paths: Paths to the result files.

    Raises:
        InputError: No file is a scored result.
    """
    groups = group_seeds(_read(paths, SCORED, TESTED))
    columns = list(dict.fromkeys(column for group in groups.values() for result in group for column in _table(result)))
    rows = {}
    for name, group in groups.items():
        seeds = {"n": str(len(group))} if len(groups) < sum(map(len, groups.values())) else {}
        rows[name] = seeds | {
            column: str(summarize([_table(result).get(column) for result in group])) for column in columns
        }
    return format_rows(rows)


def by_key(paths: Sequence[Path], key: str) -> Rows:
    """Return the main score for each setting and value of a key, over seeds.

    Args:
        paths: Paths to the result files.
        key: Key with numeric values, such as DATASET.NUM_LABELED_VIDEOS.

    Raises:
        InputError: A result has no number for the key, or no file is a scored result.
    """
    results = _read(paths, SCORED, TESTED)
    for result in results:
        value = result.keys.get(key)
        if not isinstance(value, int | float):
            raise InputError(f"{result.path}: {key} is {value}, not a number")
    values = sorted({float(result.keys[key]) for result in results})
    rows: Rows = {}
    for name, group in group_seeds(results, over=key).items():
        scores = {value: [result.content["score"] for result in group if result.keys[key] == value] for value in values}
        rows[name] = {value: summarize(found) if found else NOTHING for value, found in scores.items()}
    return rows


def by_distance(paths: Sequence[Path], measure: str) -> Rows:
    """Return a measure of propagated labels by distance from the label, for each setting over its seeds.

    Args:
        paths: Paths to the result files.
        measure: AP or PCK .05.

    Returns:
        The measure by distance in frames, starting at 1.

    Raises:
        InputError: No file has results by distance, or they have no distance in common.
    """
    kind = "a scored result of tools/propagate.py, with figures by distance"
    results = _read(paths, ("ap_by_distance", "tracks_by_distance", "method"), kind)
    shared = set.intersection(*(set(_distances(result, measure)) for result in results))
    if not shared:
        raise InputError("the results have no distance from a label in common")
    return {
        name: {
            float(distance): summarize([_distances(result, measure)[distance] for result in group])
            for distance in sorted(shared, key=float)
        }
        for name, group in group_seeds(results).items()
    }


def format_over(measure: str, rows: Rows) -> str:
    """Return results as text, with a column for each value; the number n of seeds is shown if it is larger than 1.

    Args:
        measure: Name of the values.
        rows: Results by setting and value.
    """
    return format_rows(
        {
            name: {
                f"{measure} {value:g}": f"{cell} (n {cell.n})" if cell.n > 1 else str(cell)
                for value, cell in row.items()
            }
            for name, row in rows.items()
        }
    )


def _read(paths: Sequence[Path], needed: Sequence[str], kind: str) -> list[Result]:
    return read_results(paths, needed, kind, partial(matches, names=OF_PROCESS))


def _table(result: Result) -> dict[str, float | None]:
    return result.content["table"]


def _distances(result: Result, measure: str) -> dict[str, float]:
    shares = {distance: row["pck"] for distance, row in result.content["tracks_by_distance"].items()}
    figures = result.content["ap_by_distance"] if measure == "AP" else shares
    return {distance: figures[distance] for distance in figures if distance not in ("0", "1+")}


def for_plot(measures: dict[str, Rows]) -> dict[str, dict[str, dict[float, tuple[float, float]]]]:
    """Return means and standard deviations as `plot_over` expects them.

    Args:
        measures: Results by measure, setting and value.
    """
    return {
        measure: {name: {value: (cell.mean, cell.std) for value, cell in row.items()} for name, row in rows.items()}
        for measure, rows in measures.items()
    }
