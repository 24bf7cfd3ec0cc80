"""Columns of numbers out of lists of JSON objects.

All numbers of a key are converted at once, as there are millions; a bad one is looked for only after a failure.
"""

from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np

from lib.formats.posetrack import whole_number
from lib.utils.errors import InputError


def number_column(
    records: Sequence[dict[str, Any]], key: str, width: int, where: str, absent: float | None = None
) -> np.ndarray:
    """The `width` numbers under `key` of every record, (N, width) float64.

    Args:
        where: the file and the name of the list, as an error message names them.
        absent: what stands where the key is absent or empty; None: it has to be there.

    Raises:
        InputError: another number of values, or one that is not a finite number; names the record.
    """
    rows = [record.get(key) for record in records]
    given = [absent is None or (row is not None and row != []) for row in rows]
    try:
        numbers = np.array([*compress(rows, given)], dtype=np.float64).reshape(-1, width)
    except (TypeError, ValueError):
        numbers = np.empty((0, width))
    if len(numbers) != sum(given) or not np.isfinite(numbers).all():
        bad = next((index for index, row in enumerate(rows) if given[index] and not is_row(row, width)), None)
        if bad is not None:
            wanted = f"{width} finite numbers" if width > 1 else "a finite number"
            found = f", not {len(rows[bad])}" if isinstance(rows[bad], list) and len(rows[bad]) != width else ""
            raise InputError(f"{where}[{bad}]: '{key}' has to hold {wanted}{found}")
        numbers = np.array([np.ravel(row) for row in compress(rows, given)], dtype=np.float64)  # lists in some of them
    if len(numbers) == len(rows):
        return numbers
    column = np.full((len(rows), width), absent)
    column[given] = numbers
    return column


def is_row(row: Any, width: int) -> bool:
    """Whether it is `width` finite numbers."""
    try:
        numbers = np.array(row, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.size == width and bool(np.isfinite(numbers).all())


def id_column(records: Sequence[dict[str, Any]], key: str, where: str, absent: int | None = None) -> np.ndarray:
    """The whole number under `key` of every record, (N,) int64.

    Args:
        absent: what stands where the key is absent; None: it has to be there.

    Raises:
        InputError: it is none; names the record.
    """
    values = [record.get(key) for record in records]
    ids = [absent if value is None else whole_number(value) for value in values]
    if None in ids:
        bad = ids.index(None)
        raise InputError(f"{where}[{bad}]: '{key}' has to be a whole number, not {values[bad]!r}")
    return np.array(ids, dtype=np.int64)
