"""Validated fields of JSON files written by people and programs; errors name the record.

All numbers under a key are converted at once, since a file may have millions. A bad value is located only after the
conversion fails.
"""

import math
from collections.abc import Sequence
from itertools import compress
from typing import Any, TypeGuard

import numpy as np

from lib.utils.errors import InputError


def whole_number(value: Any) -> int | None:
    """Return an id that is written as 7, 7.0 or "7"; None for any other value."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def is_true(value: Any) -> bool:
    """Return True if a flag is set: true, 1, "1" or "true"."""
    return str(value).strip().lower() in ("true", "1", "1.0")


def records(content: dict[str, Any], key: str, where: object) -> list[dict[str, Any]]:
    """Return `content[key]`, which must be a list of JSON objects.

    Args:
        content: A JSON object.
        key: Key of the list.
        where: The file, and the record unless it is the top level of the file, for error messages.

    Returns:
        The list.

    Raises:
        InputError: If the key is missing or has an invalid value.
    """
    value = content.get(key)
    if not isinstance(value, list) or set(map(type, value)) - {dict}:
        raise InputError(f"{where}: '{key}' must be a list of objects")
    return value


def number_column(
    records: Sequence[dict[str, Any]], key: str, width: int, where: str, absent: float | None = None
) -> np.ndarray:
    """Return the numbers under `key` of every record, (N, width) float64.

    Args:
        records: N JSON objects.
        key: Key of the numbers.
        width: How many numbers each record has.
        where: The file and the name of the list, for error messages.
        absent: Fill value for records in which the key is missing or empty. If None, the key is required.

    Returns:
        (N, width) float64.

    Raises:
        InputError: If a record has another number of values, or a value is not a finite number. The message names the
            record.
    """
    rows: list[Any] = [record.get(key) for record in records]
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
            raise InputError(f"{where}[{bad}]: '{key}' must contain {wanted}{found}")
        numbers = np.array([np.ravel(row) for row in compress(rows, given)], dtype=np.float64)  # some rows are lists
    if len(numbers) == len(rows):
        return numbers
    column = np.full((len(rows), width), absent)
    column[given] = numbers
    return column


def is_number(value: Any) -> TypeGuard[float]:
    """Return True if a value is a finite number, and not a flag or text."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_row(row: Any, width: int) -> bool:
    """Return True if `row` holds exactly `width` finite numbers."""
    try:
        numbers = np.array(row, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.size == width and bool(np.isfinite(numbers).all())


def id_column(records: Sequence[dict[str, Any]], key: str, where: str, absent: int | None = None) -> np.ndarray:
    """Return the whole number under `key` of every record, (N,) int64.

    Args:
        records: N JSON objects.
        key: Key of the number.
        where: The file and the name of the list, for error messages.
        absent: Fill value for records in which the key is missing. If None, the key is required.

    Returns:
        (N,) int64.

    Raises:
        InputError: If a value is not a whole number. The message names the record.
    """
    values = [record.get(key) for record in records]
    ids = [absent if value is None else whole_number(value) for value in values]
    if None in ids:
        bad = ids.index(None)
        raise InputError(f"{where}[{bad}]: '{key}' must be a whole number, not {values[bad]!r}")
    return np.array(ids, dtype=np.int64)
