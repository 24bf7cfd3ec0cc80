"""Tables of scores as text."""

from collections.abc import Mapping, Sequence

LIMBS = {
    "Shoulder": ("left_shoulder", "right_shoulder"),
    "Elbow": ("left_elbow", "right_elbow"),
    "Wrist": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ankle": ("left_ankle", "right_ankle"),
}
"""Columns of PoseTrack's and JHMDB's tables after `Head`, each with the joints that it is the mean of."""


def format_rows(rows: Mapping[str, Mapping[str, float | str]], decimals: int = 1) -> str:
    """Return a table as text: a line with the names of the columns, then a line for each row.

    Args:
        rows: Scores by name of the row and of the column; strings are used as they are. All rows have the same columns.
        decimals: Number of decimals of the scores.
    """
    cells = {
        name: {column: cell if isinstance(cell, str) else f"{cell:.{decimals}f}" for column, cell in row.items()}
        for name, row in rows.items()
    }
    width = max(5, *map(len, cells)) + 1
    columns = {
        column: max(10, *(len(text) + 2 for text in (column, *(row[column] for row in cells.values()))))
        for column in next(iter(cells.values()))
    }
    lines = [" " * width + "".join(f"{column:>{size}}" for column, size in columns.items())]
    for name, row in cells.items():
        lines.append(f"{name:<{width}}" + "".join(f"{row[column]:>{size}}" for column, size in columns.items()))
    return "\n".join(lines)


def mean_row(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each column.

    Args:
        rows: Scores by column; all rows have the same columns.
    """
    return {column: sum(row[column] for row in rows) / len(rows) for column in rows[0]}


def joint_columns(joints: Mapping[str, float], columns: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the mean of each column's joints, such as left and right; NaN if one of them is NaN.

    Args:
        joints: Scores by joint name.
        columns: Names of the joints by column.
    """
    return {column: sum(joints[name] for name in names) / len(names) for column, names in columns.items()}
