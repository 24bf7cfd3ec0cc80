"""`Training`: the complete training of an experiment, with its epochs, tests, log and files."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from lib.core.checkpointer import Checkpointer
from lib.core.curves import Curves
from lib.core.epoch_log import epoch_log, log_losses
from lib.core.origin import Origin, Resumption, resume, start
from lib.core.profile import profile
from lib.core.report import EpochReport
from lib.core.run import Run
from lib.core.step import NotFiniteError, TrainingStep, build_step, train_epoch
from lib.core.trainer import build_trainer
from lib.core.training_files import TrainingFiles, save_weights
from lib.core.training_options import TrainingOptions, build_training_options
from lib.dataset import build_skeleton, build_training_loader, build_training_set
from lib.dataset.clips import ClipDataset, Clips
from lib.dataset.samplers import EpochSampler
from lib.utils.checkpoint_files import read_checkpoint, training_of
from lib.utils.device import describe
from lib.utils.distributed import broadcast_buffers, data_parallel, gather
from lib.utils.errors import InputError
from lib.utils.files import write_json
from lib.utils.interrupts import defer_sigint
from lib.utils.precision import allow_tf32

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds after Ctrl-C during which another does not stop the training at once: torchrun repeats it."""

MAX_SHOWN = 3
"""Number of clips that a message names."""


class Training:
    """Training that can be interrupted and resumed.

    Args:
        step: Step of the optimizer, whose trainer holds the net, its schedules and its history.
        options: Length and intervals.
        run: Folder, device and processes.
        origin: Origin of the weights.
        about: Description of the training that is stored with the weights, such as its configuration.
    """

    def __init__(
        self, step: TrainingStep, options: TrainingOptions, *, run: Run, origin: Origin, about: dict[str, Any]
    ) -> None:
        self.trainer = step.trainer
        self.options = options
        self.run = run
        self.files = TrainingFiles(run.folder, run.lock)
        self._origin = origin
        self._about = about
        self._step = step

    @property
    def is_done(self) -> bool:
        """True if all epochs are trained."""
        return self.trainer.epoch >= self.options.end_epoch

    def fit(
        self, loader: DataLoader[Clips], log_dir: Path, evaluate: Callable[[], dict[str, Any]] | None = None
    ) -> None:
        """Train the remaining iterations, and test and save the net.

        A signal that ends the process does so after the current iteration or test, and after a checkpoint.

        Args:
            loader: Batches of clips, as `build_training_data` returns them.
            log_dir: Path to the folder of the TensorBoard files.
            evaluate: Function that tests the net and returns `mode`, `table` and `score`; None: no tests.

        Raises:
            InputError: The loss is not finite, or the folder was removed.
            KeyboardInterrupt: A signal ended the training.
        """
        trainer, options = self.trainer, self.options
        self._step.net = self._wrap(trainer.net)
        curves = Curves(log_dir, trainer.epoch) if self.run.is_main_process else None
        if curves:
            self.files.write_history(trainer.history)
        with defer_sigint(PATIENCE) as signals:
            checkpointer = Checkpointer(
                trainer,
                self.files,
                interval=options.checkpoint_every,
                run=self.run,
                signals=signals,
                describe=self._describe,
            )

            def test() -> dict[str, Any]:
                assert evaluate
                self.files.check_folder()
                with checkpointer.interruptible():
                    return evaluate()

            def keep(record: dict[str, Any], *, is_best: bool, is_last: bool) -> None:
                if curves:
                    curves.add(record)
                    self._save_epoch(record, checkpointer, is_best, is_last)

            trainer.fit(
                partial(self._train_epoch, loader, checkpointer, trainer.epoch),
                options.end_epoch,
                evaluate=test if evaluate else None,
                evaluate_every=options.evaluate_every,
                after_epoch=keep,
            )
        if curves:
            curves.close()
            best = (
                f"; weights of the best test: {self.files.best.name}" if evaluate and self.files.best.exists() else ""
            )
            logger.info("done: %s%s", self.files.final, best)

    def _train_epoch(
        self, loader: DataLoader[Clips], checkpointer: Checkpointer, first: int, epoch: int
    ) -> dict[str, Any]:
        """Train the remaining iterations of an epoch, and return its record; the training began with epoch `first`."""
        trainer, options, rank = self.trainer, self.options, self.run.process[0]
        has_report = rank < len(trainer.reports)
        report = EpochReport.from_dict(trainer.reports[rank]) if has_report else EpochReport()
        is_profiled = bool(options.profile) and epoch == first and self.run.is_main_process
        with profile(self.files.trace, options.profile) if is_profiled else nullcontext() as profiler:
            self._iterate(loader, report, checkpointer, profiler.step if profiler else lambda: None)
        checkpointer.add_report(report)
        broadcast_buffers(trainer.net)
        if trainer.average:
            broadcast_buffers(trainer.average)
        report.replaced, report.damaged = map(sum, zip(*gather((report.replaced, report.damaged)), strict=True))
        log_losses(report)
        changes = [start["changed"] for start in self._origin.starts if start["epoch"] == epoch]
        changed = {key: values for change in changes for key, values in change.items()}
        return report.record() | ({"changed": changed} if changed else {})

    def _iterate(
        self,
        loader: DataLoader[Clips],
        report: EpochReport,
        checkpointer: Checkpointer,
        profile_iteration: Callable[[], None],
    ) -> None:
        """Train the remaining iterations of an epoch."""
        trainer, options, accumulate = self.trainer, self.options, self._step.options.accumulate
        clips, batch_size = cast(ClipDataset, loader.dataset), cast(int, loader.batch_size)
        cast(EpochSampler, loader.sampler).begin(trainer.epoch, trainer.iteration * accumulate * batch_size)
        iterations = min(-(-len(loader) // accumulate), options.max_iterations)

        def explain(error: NotFiniteError) -> str:
            shown = ", ".join(map(clips.describe, error.clips[:MAX_SHOWN]))
            more = f" and {len(error.clips) - MAX_SHOWN} more" if len(error.clips) > MAX_SHOWN else ""
            return f"epoch {trainer.epoch}, iteration {trainer.iteration}: {error}: {shown}{more}"

        def warn(error: NotFiniteError) -> None:
            if error.clips:  # the others are those of another process
                logger.warning("%s; the iteration is skipped", explain(error))

        log = epoch_log(
            trainer,
            report,
            iterations=iterations,
            end_epoch=options.end_epoch,
            print_every=options.print_every,
            show=self.run.is_main_process,
        )
        with log as log_iteration:

            def after_step() -> None:
                log_iteration()
                profile_iteration()
                checkpointer.after_iteration(report)

            try:
                train_epoch(self._step, loader, iterations, report=report, after_step=after_step, on_skip=warn)
            except NotFiniteError as error:
                raise InputError(
                    f"{explain(error)}; lower TRAIN.LR, or look for damaged labels; TRAIN.NOT_FINITE skip leaves "
                    f"single iterations out"
                ) from None

    def _save_epoch(self, record: dict[str, Any], checkpointer: Checkpointer, is_best: bool, is_last: bool) -> None:
        """Write the files of a complete epoch."""
        described = self._describe()
        self.files.check_folder()
        if is_last:
            self._write_result(described)
        due = is_last or checkpointer.is_due(is_after_epoch=True)
        is_best = is_best and (due or "test" in record)
        self.files.save_epoch(self.trainer, described, is_best=is_best, is_last=is_last, checkpoint=due)
        if due:
            checkpointer.restart()
        values = (record[key] for key in ("epoch", "loss", "accuracy", "lr"))
        logger.info("epoch %d: loss %.6f accuracy %.3f lr %.3g", *values)

    def _wrap(self, net: nn.Module) -> nn.Module:
        """Return the net, compiled if the options require it, that averages its gradients over all processes."""
        net = data_parallel(net)
        return cast(nn.Module, torch.compile(net)) if self.options.compile else net

    def finish(self) -> None:
        """Log that the training is complete, and write the final files if an earlier run had planned more epochs."""
        epoch = self.trainer.epoch
        logger.info("the training is complete: %d epochs, and TRAIN.END_EPOCH is %d", epoch, self.options.end_epoch)
        written = training_of(read_checkpoint(self.files.final)) if self.files.final.exists() else {}
        if written.get("epochs") != epoch:
            described = self._describe()
            self._write_result(described)
            save_weights(self.files.final, self.trainer.result, described)
            self.files.write_history(self.trainer.history)
            logger.info("done: %s", self.files.final)

    def _describe(self) -> dict[str, Any]:
        """Return the description of the training that is stored with the weights."""
        return self._about | {"epochs": self.trainer.epoch} | self._origin.describe()

    def _write_result(self, described: dict[str, Any]) -> None:
        record = self.run.describe()
        del record["forced"]  # recorded by the starts
        write_json(self.files.result, record | described, indent=True)


def build_training(cfg: CfgNode, run: Run, resumption: Resumption | None = None, force: bool = False) -> Training:
    """Return the training of an experiment, resumed or with its initial weights.

    Args:
        cfg: The experiment.
        run: Folder, device and processes.
        resumption: Earlier training to continue; None: start a new training.
        force: Accept weights that were trained with other settings.

    Raises:
        InputError: The weights are missing or were trained with other settings, or the weights or the checkpoint belong
            to another net.
    """
    options = build_training_options(cfg, run)
    if cfg.TRAIN.PRECISION == "tf32":
        allow_tf32()
    trainer = build_trainer(cfg, run.device)
    count = run.process[1]
    origin = resume(trainer, resumption, count) if resumption else start(cfg, trainer, count, force)
    training = Training(
        build_step(cfg, trainer, run.device, run.process[0]),
        options,
        run=run,
        origin=origin,
        about={
            "config": cfg.dump(),
            "joints": list(build_skeleton(cfg).names),
            "versions": describe(run.device),
        },
    )
    if resumption and run.is_main_process:
        training.files.remove_damaged(resumption.checkpoint)
    return training


def build_training_data(cfg: CfgNode, run: Run) -> DataLoader[Clips]:
    """Return the shuffled clips that an experiment trains on.

    Args:
        cfg: The experiment.
        run: Folder, device and processes.

    Raises:
        InputError: Annotations or frames are missing or broken, or no person is labeled.
    """
    return build_training_loader(cfg, build_training_set(cfg), run.process, cuda=run.device.type == "cuda")
