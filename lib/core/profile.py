"""Profiler of training iterations."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import profiler

from lib.utils.files import atomic_path

logger = logging.getLogger(__name__)

NUM_ROWS = 11
"""Rows of the table: ten entries, and the total of the iterations, ProfilerStep*."""


@contextmanager
def profile(path: Path, iterations: int) -> Iterator[profiler.profile]:
    """Profile the iterations after the first, log the ten largest entries, and write a trace for chrome://tracing.

    Args:
        path: Path to the JSON file of the trace.
        iterations: Number of iterations to profile.

    Yields:
        The profiler. Its `step` must be called after each iteration.
    """
    activities = [profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(profiler.ProfilerActivity.CUDA)

    def report(found: profiler.profile) -> None:
        with atomic_path(path) as temporary:
            found.export_chrome_trace(str(temporary))
        order = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        table = found.key_averages().table(sort_by=order, row_limit=NUM_ROWS, max_name_column_width=40)
        logger.info("profile of %d iterations, trace in %s\n%s", iterations, path, table)

    schedule = profiler.schedule(wait=0, warmup=1, active=iterations, repeat=1)
    with profiler.profile(activities=activities, schedule=schedule, on_trace_ready=report) as found:
        yield found
