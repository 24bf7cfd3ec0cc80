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


def format_rows(rows: Mapping[str, Mapping[str, float]], decimals: int = 1) -> str:
    """A line of columns' names, then a line for each row: its name and its scores.

    Args:
        rows: by name, scores by column; all rows have the columns of the first.
    """
    width = max(5, *(len(name) for name in rows)) + 1
    columns = {column: max(10, len(column) + 2) for column in next(iter(rows.values()))}
    lines = [" " * width + "".join(f"{column:>{cells}}" for column, cells in columns.items())]
    for name, row in rows.items():
        scores = "".join(f"{row[column]:{cells}.{decimals}f}" for column, cells in columns.items())
        lines.append(f"{name:<{width}}{scores}")
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
