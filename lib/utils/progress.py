"""Progress bars that fit a terminal and do not fill a log file."""

import sys
from typing import Any

from tqdm import tqdm

LOG_INTERVAL = 30.0
"""Seconds between two lines of progress where standard error is not a terminal."""


def progress_bar(total: int | None, unit: str, **options: Any) -> tqdm:
    """Return a progress bar on standard error.

    Args:
        total: Number of steps; None where it is not known.
        unit: Name of one step, such as "person".
        **options: Further options of tqdm.
    """
    interval = 0.1 if sys.stderr.isatty() else LOG_INTERVAL
    return tqdm(total=total, unit=unit, mininterval=interval, **options)
