"""Scores as text."""

from collections.abc import Mapping, Sequence


def format_rows(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A line of columns' names, then a line for each row: its name and its scores, with one decimal.

    Args:
        rows: by name, scores by column; all rows have the columns of the first.
    """
    width = max(5, *(len(name) for name in rows)) + 1
    columns = list(next(iter(rows.values())))
    lines = [" " * width + "".join(f"{column:>10}" for column in columns)]
    lines += [f"{name:<{width}}" + "".join(f"{row[column]:10.1f}" for column in columns) for name, row in rows.items()]
    return "\n".join(lines)


def mean_row(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each column."""
    return {column: sum(row[column] for row in rows) / len(rows) for column in rows[0]}
