"""Progress bars that suit a terminal and do not fill up a log file."""

import sys
import time
from typing import Any

from tqdm import tqdm

LOG_INTERVAL = 30.0
"""Seconds between updates if standard error is not a terminal."""


def progress_bar(total: int | None, unit: str, **options: Any) -> tqdm:
    """Return a progress bar on standard error.

    Args:
        total: Number of steps, or None if it is not known.
        unit: Name of one step, such as "person".
        **options: Additional options of tqdm.
    """
    interval = 0.1 if sys.stderr.isatty() else LOG_INTERVAL
    return tqdm(total=total, unit=unit, mininterval=interval, **options)


def format_minutes(seconds: float) -> str:
    """Return a duration in words, rounded to minutes, such as "3 minutes"."""
    minutes = round(seconds / 60)
    return "one minute" if minutes <= 1 else f"{minutes} minutes"


class Stages:
    """Report of a run's stages as they begin, with the time since the first stage.

    Args:
        count: Number of stages.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._number = 0
        self._start = time.monotonic()

    def begin(self, title: str, done: object = None) -> None:
        """Print that the next stage begins.

        Args:
            title: Description of the stage.
            done: File from an earlier run, if it already completed the stage.
        """
        self._number += 1
        minutes = (time.monotonic() - self._start) / 60
        print(f"\n[{self._number}/{self._count}] {title} ({minutes:.1f} minutes so far)", flush=True)
        if done:
            print(f"done before: {done}", flush=True)
