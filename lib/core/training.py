"""`Training`: the complete training of an experiment, with its epochs, tests, log and files."""

import logging
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tensorboardX import SummaryWriter
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler
from tqdm.contrib.logging import logging_redirect_tqdm
from yacs.config import CfgNode

from lib.config.changes import ignored_keys
from lib.core.origin import Origin, Resumption, resume, start
from lib.core.profile import profile
from lib.core.report import EpochReport
from lib.core.run import Run
from lib.core.step import TrainingStep, build_step, train_epoch
from lib.core.trainer import build_trainer
from lib.core.training_files import TrainingFiles, save_weights
from lib.dataset import build_skeleton, build_training_loader, build_training_set
from lib.dataset.clips import ClipDataset, Clips
from lib.utils.checkpoint_files import read_checkpoint, training_of
from lib.utils.distributed import broadcast_buffers, data_parallel
from lib.utils.errors import InputError
from lib.utils.files import write_json
from lib.utils.precision import allow_tf32
from lib.utils.progress import progress_bar

logger = logging.getLogger(__name__)

TIMED = 20
"""Number of iterations in an epoch after which the remaining time is estimated."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Length of a training, and intervals of its tests, checkpoints and log lines.

    Attributes:
        end_epoch: Epoch to stop before.
        max_iterations: Maximum number of iterations in an epoch.
        evaluate_every: Number of epochs between tests.
        checkpoint_every: Number of epochs between checkpoints.
        print_every: Number of iterations between log lines.
        compile: Compile the net with torch.compile.
        profile: Number of iterations to profile; 0 turns the profiler off.
    """

    end_epoch: int
    max_iterations: int
    evaluate_every: int = 1
    checkpoint_every: int = 1
    print_every: int = 20
    compile: bool = False
    profile: int = 0


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
        self.files = TrainingFiles(run.folder)
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
        """Train the remaining epochs, and test and save the net.

        Args:
            loader: Shuffled batches of clips, such as those of build_training_loader.
            log_dir: Path to the folder of the TensorBoard files.
            evaluate: Function that tests the net and returns `mode`, `table` and `score`; None: no tests.

        Raises:
            InputError: The loss is not finite.
        """
        trainer, options, first = self.trainer, self.options, self.trainer.epoch
        self._step.net = self._wrap(trainer.net)
        writer = SummaryWriter(str(log_dir), purge_step=first) if self.run.is_first else None
        if writer:
            self.files.write_history(trainer.history)

        def train(epoch: int) -> dict[str, Any]:
            cast(ClipDataset, loader.dataset).epoch = epoch
            cast("DistributedSampler[Clips]", loader.sampler).set_epoch(epoch)
            changed = self._origin.starts[-1]["changed"] if epoch == first else {}
            is_profiled = bool(options.profile) and epoch == first and self.run.is_first
            with profile(self.files.trace, options.profile) if is_profiled else nullcontext() as profiler:
                report = self._epoch(loader, epoch, profiler.step if profiler else None)
            broadcast_buffers(trainer.net)
            if trainer.average:
                broadcast_buffers(trainer.average)
            return report.record() | ({"changed": changed} if changed else {})

        def keep(record: dict[str, Any], *, is_best: bool, is_last: bool) -> None:
            if not writer:
                return
            _write_curves(writer, record)
            described = self._describe()
            if is_last:
                self._write_result(described)
            due = is_last or trainer.epoch % options.checkpoint_every == 0
            is_best = is_best and (due or "test" in record)
            self.files.save(trainer, described, is_best=is_best, is_last=is_last, checkpoint=due)
            values = (record[key] for key in ("epoch", "loss", "accuracy", "lr"))
            logger.info("epoch %d: loss %.6f accuracy %.3f lr %.3g", *values)

        trainer.fit(
            train,
            options.end_epoch,
            evaluate=evaluate,
            evaluate_every=options.evaluate_every,
            after_epoch=keep,
        )
        if writer:
            writer.close()
            logger.info("done: %s", self.files.final)

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

    def _epoch(
        self, loader: DataLoader[Clips], epoch: int, after_step: Callable[[], None] | None = None
    ) -> EpochReport:
        options = self.options
        iterations = min(-(-len(loader) // self._step.options.accumulate), options.max_iterations)
        bar = progress_bar(iterations, "it", desc=f"epoch {epoch}", disable=not self.run.is_first)
        rate = self.trainer.rate

        def each(iteration: int, report: EpochReport) -> None:
            nonlocal rate
            bar.update()
            if iteration % options.print_every == 0:
                _log_step(epoch, iteration, iterations, rate, report)
            rate = self.trainer.rate
            if iteration + 1 == min(TIMED, iterations):
                left = (options.end_epoch - epoch) * iterations - (iteration + 1)
                minutes = left * report.seconds / (iteration + 1) / 60
                logger.info("about %.1f minutes to the end of epoch %d, without tests", minutes, options.end_epoch - 1)
            if after_step:
                after_step()

        with bar, logging_redirect_tqdm():
            try:
                report = train_epoch(self._step, loader, iterations, each)
            except FloatingPointError as error:
                raise InputError(f"epoch {epoch}: {error}; lower TRAIN.LR, or look for damaged labels") from None
        if report.replaced:
            logger.warning("%d missing or damaged frames of clips were replaced by the nearest frame", report.replaced)
        return report


def _log_step(epoch: int, iteration: int, iterations: int, rate: float, report: EpochReport) -> None:
    logger.info(
        "Epoch: [%d][%d/%d] loss %.6f accuracy %.3f lr %.3g speed %.1f clips/s data %.3f s memory %.0f MiB",
        epoch,
        iteration,
        iterations,
        report.loss.mean,
        report.accuracy.mean,
        rate,
        report.speed,
        report.data_seconds / (iteration + 1),
        report.peak_memory,
    )


def _write_curves(writer: SummaryWriter, record: dict[str, Any]) -> None:
    for name in ("loss", "accuracy", "lr", "clips_per_second", "data_seconds", "peak_memory_mib"):
        writer.add_scalar(f"train/{name}", record[name], record["epoch"])
    table = record.get("test", {}).get("table")
    for name, value in (table or {}).items():
        curve = re.sub(r"[^-./\w]", "_", name)  # TensorBoard itself would warn about names such as "AP .5"
        writer.add_scalar(f"test/{curve}", value, record["epoch"])


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
    _check_trainable(cfg, run)
    if cfg.TRAIN.PRECISION == "tf32":
        allow_tf32()
    trainer = build_trainer(cfg, run.device)
    count = run.process[1]
    origin = resume(trainer, resumption, count) if resumption else start(cfg, trainer, count, force)
    options = TrainingOptions(
        end_epoch=cfg.TRAIN.END_EPOCH,
        max_iterations=cfg.TRAIN.ITERATIONS_PER_EPOCH,
        evaluate_every=cfg.TRAIN.EVALUATE_EVERY,
        checkpoint_every=cfg.TRAIN.CHECKPOINT_EVERY,
        print_every=cfg.PRINT_FREQ,
        compile=cfg.TRAIN.COMPILE,
        profile=cfg.TRAIN.PROFILE,
    )
    return Training(
        build_step(cfg, trainer, run.device),
        options,
        run=run,
        origin=origin,
        about={"config": cfg.dump(), "joints": list(build_skeleton(cfg).names)},
    )


def _check_trainable(cfg: CfgNode, run: Run) -> None:
    """Check that an experiment can be trained, and warn about keys without effect.

    Raises:
        InputError: There is nothing to train, or the device does not support the experiment.
    """
    if cfg.MODEL.FREEZE_POSE_NET and not cfg.MODEL.WARP.ENABLED:
        raise InputError("MODEL.FREEZE_POSE_NET True leaves nothing to train: it requires MODEL.WARP.ENABLED True")
    if cfg.TEST.MODE == "propagate" and cfg.TEST.EVALUATE:
        raise InputError("TEST.MODE propagate is not a test for training: set TEST.MODE pair, or TEST.EVALUATE False")
    if cfg.TRAIN.BEGIN_EPOCH >= cfg.TRAIN.END_EPOCH:
        raise InputError(
            f"TRAIN.BEGIN_EPOCH {cfg.TRAIN.BEGIN_EPOCH} and TRAIN.END_EPOCH {cfg.TRAIN.END_EPOCH}: "
            f"there are no epochs to train; END_EPOCH must be larger"
        )
    if cfg.TRAIN.SYNC_BN and run.device.type == "cpu" and run.process[1] > 1:
        raise InputError("TRAIN.SYNC_BN requires GPUs: PyTorch cannot synchronize processes on the CPU")
    for key, by in ignored_keys(cfg).items():
        logger.warning("%s is set, but %s ignores it", key, by)


def build_training_data(cfg: CfgNode, run: Run) -> DataLoader[Clips]:
    """Return the shuffled clips that an experiment trains on.

    Args:
        cfg: The experiment.
        run: Folder, device and processes.

    Raises:
        InputError: Annotations or frames are missing or broken, or no person is labeled.
    """
    return build_training_loader(cfg, build_training_set(cfg), run.process, cuda=run.device.type == "cuda")
