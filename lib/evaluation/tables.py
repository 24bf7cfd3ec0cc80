"""Scores as text."""

from collections.abc import Mapping, Sequence

LIMBS = {
    "Shoulder": ("left_shoulder", "right_shoulder"),
    "Elbow": ("left_elbow", "right_elbow"),
    "Wrist": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ankle": ("left_ankle", "right_ankle"),
}
"""The columns of PoseTrack's and JHMDB's tables after `Head`, and the joints that each is the mean of."""


def format_rows(rows: Mapping[str, Mapping[str, float | str]], decimals: int = 1) -> str:
    """A line of columns' names, then a line for each row: its name and its scores.

    Args:
        rows: by name, scores by column, text as it is; all rows have the columns of the first.
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
    """The mean of each column."""
    return {column: sum(row[column] for row in rows) / len(rows) for column in rows[0]}


def joint_columns(joints: Mapping[str, float], columns: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The mean of each column's joints, such as left and right; NaN if one of them is.

    Args:
        joints: scores by joint name.
        columns: by name, the joints of each.
    """
    return {column: sum(joints[name] for name in names) / len(names) for column, names in columns.items()}
