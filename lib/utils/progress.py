"""Progress bars that suit a terminal and do not fill up a log file, and the progress of a run through its stages."""

import os
import sys
import time
from collections.abc import MutableMapping, Sequence
from typing import Any

from tqdm import tqdm

LOG_INTERVAL = 30.0
"""Seconds between updates if standard error is not a terminal."""
MIN_SECONDS = 5.0
"""Minimum expected duration of a stage whose actual duration shows how fast the machine is."""


class RunProgress:
    """Progress of a run, whose stages are printed as they begin with the time so far and left; a context manager.

    While the stages run, progress bars show the number of the stage and the time left of the whole run.

    Args:
        count: Number of stages.
    """

    current: "RunProgress | None" = None
    """RunProgress of the run in this process; None if it has none."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._number = 0
        self._start = self._stage_start = time.monotonic()
        self._expected: dict[int, float] = {}  # seconds by number
        self._timed = [0.0, 0.0]  # actual and expected seconds of past stages

    @property
    def prefix(self) -> str:
        """Number of the current stage, such as "[2/3] "."""
        return f"[{self._number}/{self._count}] "

    @property
    def left(self) -> float | None:
        """Seconds left of the whole run, by the machine's speed in past stages; None if unknown."""
        numbers = range(max(self._number, 1), self._count + 1)
        if not all(number in self._expected for number in numbers):
            return None
        actual, expected = self._timed
        seconds = [self._expected[number] * (actual / expected if expected else 1) for number in numbers]
        return max(0.0, seconds[0] - (time.monotonic() - self._stage_start)) + sum(seconds[1:])

    def expect(self, seconds: Sequence[float]) -> None:
        """Set the expected durations of the stages that have not begun, in order.

        Args:
            seconds: Seconds of each stage.
        """
        self._expected |= dict(enumerate(seconds, start=self._number + 1))

    def begin(self, title: str, done: object = None) -> None:
        """Print that the next stage begins.

        Args:
            title: Description of the stage.
            done: File from an earlier run, if it already completed the stage.
        """
        now = time.monotonic()
        if (expected := self._expected.get(self._number, 0.0)) >= MIN_SECONDS:
            self._timed = [self._timed[0] + now - self._stage_start, self._timed[1] + expected]
        self._number += 1
        self._stage_start = now
        RunProgress.current = self
        time_so_far = f"{(now - self._start) / 60:.1f} minutes so far"
        if self.left is not None:
            time_so_far += f", about {format_minutes(self.left)} left"
        print(f"\n{self.prefix}{title} ({time_so_far})", flush=True)
        if done:
            print(f"already done: {done}", flush=True)

    def __enter__(self) -> "RunProgress":
        return self

    def __exit__(self, *exception: object) -> None:
        RunProgress.current = None


class _Bar(tqdm):
    """Progress bar that also shows the time left of the whole run."""

    @property
    def format_dict(self) -> MutableMapping[str, Any]:
        values: MutableMapping[str, Any] = super().format_dict
        if RunProgress.current and (left := RunProgress.current.left) is not None:
            values["postfix"] = f"whole run: {format_minutes(left)} left"
        return values


def progress_bar(total: int | None, unit: str, *, desc: str = "", **options: Any) -> tqdm:
    """Return a progress bar on standard error; processes other than the first show none.

    Args:
        total: Number of steps, or None if it is not known.
        unit: Name of one step, such as "person".
        desc: Description of the work; the number of the run's stage is put before it.
        **options: Additional options of tqdm.
    """
    options.setdefault("disable", os.environ.get("LOCAL_RANK", "0") != "0")
    interval = 0.1 if sys.stderr.isatty() else LOG_INTERVAL
    prefix = RunProgress.current.prefix if RunProgress.current else ""
    return _Bar(total=total, unit=unit, mininterval=interval, desc=f"{prefix}{desc}" or None, **options)


def format_minutes(seconds: float) -> str:
    """Return a duration in words, rounded to minutes, such as "3 minutes"."""
    minutes = round(seconds / 60)
    return "one minute" if minutes <= 1 else f"{minutes} minutes"
