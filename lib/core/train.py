"""One epoch of training."""

import time
from collections.abc import Callable, Iterable
from itertools import islice

from lib.core.report import EpochReport
from lib.core.step import TrainingStep
from lib.dataset.clips import Clips
from lib.utils.device import peak_memory


def train_epoch(
    step: TrainingStep,
    loader: Iterable[Clips],
    iterations: int,
    after_step: Callable[[int, EpochReport], None],
) -> EpochReport:
    """Train on every clip once, or on as many as `iterations` allows.

    Args:
        step: Step of the optimizer.
        loader: Batches of clips with labels; each step takes `step.options.accumulate` of them, the last one the rest.
        iterations: Maximum number of steps.
        after_step: Called after each step with its number and the report so far.

    Returns:
        The report of the whole epoch.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    step.net.train()
    report, start = EpochReport(), time.perf_counter()
    waiting, batches = start, iter(loader)
    for iteration in range(iterations):
        clips = list(islice(batches, step.options.accumulate))
        if not clips:
            break
        report.data_seconds += time.perf_counter() - waiting
        step(clips, report)
        report.seconds = time.perf_counter() - start
        report.peak_memory = peak_memory(step.device)
        after_step(iteration, report)
        waiting = time.perf_counter()
    return report
