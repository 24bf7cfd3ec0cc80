"""`Checkpointer`: checkpoints of a training at intervals, and when a signal ends the process."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from lib.config.interval import Interval
from lib.core.report import EpochReport
from lib.core.run import Run
from lib.core.trainer import Trainer
from lib.core.training_files import TrainingFiles
from lib.utils.distributed import gather, highest
from lib.utils.interrupts import HeldSignals, defer_sigint, interrupt

logger = logging.getLogger(__name__)


class Checkpointer:
    """Checkpoints of a training, which the first process writes.

    Args:
        trainer: Trainer of the net.
        files: Files of the training.
        interval: Interval between checkpoints.
        run: Device and processes.
        signals: Signals that are held during the training.
        describe: Returns the description of the training that is stored with the weights.
    """

    def __init__(
        self,
        trainer: Trainer,
        files: TrainingFiles,
        *,
        interval: Interval,
        run: Run,
        signals: HeldSignals,
        describe: Callable[[], dict[str, Any]],
    ) -> None:
        self._trainer = trainer
        self._files = files
        self._interval = interval
        self._run = run
        self._signals = signals
        self._describe = describe
        self._iterations, self._time = 0, time.monotonic()  # number since the last checkpoint, and its time

    def after_iteration(self, report: EpochReport) -> None:
        """Write a checkpoint if one is due, or if a process received a signal, which then ends all processes.

        Args:
            report: Report of the epoch so far in this process.

        Raises:
            KeyboardInterrupt: A process received a signal.
            InputError: The folder was removed.
            OSError: The disk is full, or the folder cannot be written to.
        """
        self._iterations += 1
        is_due, number = highest([self.is_due(), self._signals.number], self._run.device)
        if is_due or number:
            self.add_report(report)
            self._save()
        if number:
            gather(None)  # torchrun ends the others as soon as one process ends
            self._log_interruption()
            interrupt(number)

    def add_report(self, report: EpochReport) -> None:
        """Add the report of each process to the state of the training; call this in all processes.

        Args:
            report: Report of the epoch so far in this process.
        """
        self._trainer.reports = gather(asdict(report))

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Write a checkpoint if a signal ends the block, which must not change the state of the training."""
        try:
            with self._signals.released():
                yield
        except KeyboardInterrupt:
            self._save()
            self._log_interruption()
            raise

    def is_due(self, is_after_epoch: bool = False) -> bool:
        """Return True in the first process if the interval has passed since the last checkpoint.

        Args:
            is_after_epoch: True between two epochs.
        """
        if not self._run.is_main_process:
            return False
        if self._interval.unit == "epochs":
            return is_after_epoch and self._trainer.epoch % self._interval.count == 0
        minutes = (time.monotonic() - self._time) / 60
        return (self._iterations if self._interval.unit == "iterations" else minutes) >= self._interval.count

    def restart(self) -> None:
        """Begin the next interval."""
        self._iterations, self._time = 0, time.monotonic()

    def _save(self) -> None:
        if self._run.is_main_process:
            with defer_sigint():
                self._files.save_checkpoint(self._trainer, self._describe())
        self.restart()

    def _log_interruption(self) -> None:
        if self._run.is_main_process:
            logger.warning(
                "interrupted in epoch %d after %d iterations, and saved in %s: the same command with AUTO_RESUME True "
                "continues",
                self._trainer.epoch,
                self._trainer.iteration,
                self._files.checkpoint,
            )
