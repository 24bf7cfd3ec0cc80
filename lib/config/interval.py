"""Intervals in epochs, iterations or minutes."""

import re
from dataclasses import dataclass

_UNITS = {"it": "iterations", "m": "minutes"}
_FORM = re.compile(rf"([1-9]\d*)({'|'.join(_UNITS)})")


@dataclass(frozen=True)
class Interval:
    """Interval of a training.

    Attributes:
        count: Number of units.
        unit: epochs, iterations or minutes.
    """

    count: int
    unit: str = "epochs"


def is_interval(text: str) -> bool:
    """Return True if a text is an interval in another unit than epochs.

    Args:
        text: Value of a key.
    """
    return bool(_FORM.fullmatch(text))


def read_interval(value: int | str) -> Interval:
    """Return the interval of a key.

    Args:
        value: Number of epochs, or a text for which `is_interval` returns True.
    """
    if isinstance(value, int):
        return Interval(value)
    form = _FORM.fullmatch(value)
    assert form  # checked when the configuration was loaded
    return Interval(int(form[1]), _UNITS[form[2]])
