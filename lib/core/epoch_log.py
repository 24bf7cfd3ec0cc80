"""Progress bar and log lines of an epoch."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lib.core.report import EpochReport
from lib.core.trainer import Trainer
from lib.utils.logging import detail_level
from lib.utils.progress import format_minutes, progress_bar

logger = logging.getLogger(__name__)

TIMED = 20
"""Number of iterations after which the remaining time is estimated."""
MIN_LEFT = 60.0
"""Smallest remaining time that is logged, in seconds."""


@contextmanager
def epoch_log(
    trainer: Trainer, report: EpochReport, *, iterations: int, end_epoch: int, print_every: int, show: bool
) -> Iterator[Callable[[], None]]:
    """Show a progress bar of the current epoch, and log its iterations.

    Args:
        trainer: Trainer of the net.
        report: Report of the epoch, which grows with each iteration.
        iterations: Number of iterations of the epoch, of which the trainer may have done some.
        end_epoch: Epoch that the training stops before.
        print_every: Number of iterations between log lines.
        show: Show the progress bar.

    Yields:
        Function to call after each iteration.
    """
    rate, timed = trainer.rate, min(trainer.iteration + TIMED, iterations)
    bar = progress_bar(iterations, "it", initial=trainer.iteration, desc=f"epoch {trainer.epoch}", disable=not show)

    def after_iteration() -> None:
        nonlocal rate
        done = trainer.iteration
        bar.update()
        if (done - 1) % print_every == 0:
            _log_iteration(trainer, iterations, rate, report)
            bar.set_postfix(loss=f"{report.loss.mean:.3g}", refresh=False)
        rate = trainer.rate
        if done == timed:
            left = (end_epoch - trainer.epoch) * iterations - done
            seconds = left * report.seconds / done
            if seconds >= MIN_LEFT:
                told = format_minutes(seconds)
                logger.info("about %s to the end of epoch %d, without tests", told, end_epoch - 1)

    with bar:
        yield after_iteration


def _log_iteration(trainer: Trainer, iterations: int, rate: float, report: EpochReport) -> None:
    logger.log(
        detail_level(),
        "Epoch: [%d][%d/%d] loss %.6f accuracy %.3f lr %.3g speed %.1f clips/s data %.3f s memory %.0f MiB",
        trainer.epoch,
        trainer.iteration - 1,
        iterations,
        report.loss.mean,
        report.accuracy.mean,
        rate,
        report.speed,
        report.data_seconds / trainer.iteration,
        report.peak_memory,
    )


def log_losses(report: EpochReport) -> None:
    """Warn about frames, clips and iterations of an epoch that were replaced or skipped.

    Args:
        report: Report of the epoch.
    """
    if report.replaced:
        logger.warning("%d missing or damaged frames of clips were replaced by the nearest frame", report.replaced)
    if report.damaged:
        logger.warning("%d clips were left out because their image is damaged; others took their place", report.damaged)
    if report.skipped:
        logger.warning("%d iterations were skipped because their loss was not finite", report.skipped)
