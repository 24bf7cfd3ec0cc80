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
    """Train on each clip once, or on as many clips as `iterations` steps take.

    Args:
        step: Step of the optimizer.
        loader: Batches of labeled clips. Each step takes `step.options.accumulate` of them, and the last step takes the
            remaining ones.
        iterations: Maximum number of steps.
        after_step: Called after each step with its number and the current report.

    Returns:
        Report of the epoch.

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
