"""The training of an experiment: what it starts from, its epochs, and what it leaves in its folder."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tensorboardX import SummaryWriter
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm.contrib.logging import logging_redirect_tqdm
from yacs.config import CfgNode

from lib.config.changes import (
    Changes,
    changes_of_run,
    changes_of_weights,
    check_resumable,
    check_weights,
    format_changes,
    ignored_by_optimizer,
    read_config,
)
from lib.core.loss import joints_loss
from lib.core.optimizer import build_optimizer, build_warm_up
from lib.core.run import Run
from lib.core.strategies import Strategy, pair, single
from lib.core.train import EpochReport, Loss, train_epoch
from lib.core.trainer import Trainer
from lib.core.training_run import Origin, TrainingRun, read_training, save_weights
from lib.dataset import build_skeleton, build_training_loader, build_training_set
from lib.models import build_model
from lib.utils.checkpoint import load_weights, read_checkpoint, training_of
from lib.utils.errors import InputError
from lib.utils.files import sha256, write_json
from lib.utils.progress import progress_bar

logger = logging.getLogger(__name__)

TIMED = 20
"""Iterations of an epoch after which the remaining time is estimated."""


@dataclass(frozen=True)
class TrainingOptions:
    """How long a training takes, and how often it is tested, saved and logged.

    Attributes:
        end_epoch: The epoch to stop before.
        max_iterations: Iterations of an epoch, at most.
        evaluate_every: Epochs from one test to the next.
        checkpoint_every: Epochs from one checkpoint to the next.
        print_every: Iterations between two lines of the log.
    """

    end_epoch: int
    max_iterations: int
    evaluate_every: int = 1
    checkpoint_every: int = 1
    print_every: int = 20


class Training:
    """A training that can be interrupted and resumed.

    Args:
        trainer: The net and what trains it.
        options: How long, and how often.
        run: Folder, device and processes.
        origin: Where the net comes from.
        about: What the net is trained for; it goes with the weights.
        strategy: Turns clips into heatmaps.
        loss: Compares heatmaps with targets.
    """

    def __init__(
        self,
        trainer: Trainer,
        options: TrainingOptions,
        *,
        run: Run,
        origin: Origin,
        about: dict[str, Any],
        strategy: Strategy,
        loss: Loss,
    ) -> None:
        self.trainer = trainer
        self.options = options
        self.run = run
        self.files = TrainingRun(run.folder)
        self._origin = origin
        self._about = about
        self._strategy = strategy
        self._loss = loss

    @property
    def is_done(self) -> bool:
        """Return whether no epoch is left to train."""
        return self.trainer.epoch >= self.options.end_epoch

    def fit(self, loader: DataLoader, log_dir: Path, evaluate: Callable[[], dict[str, Any]] | None = None) -> None:
        """Train all epochs that are left, each with its test, checkpoint and record.

        Args:
            loader: Shuffled batches of clips, as of build_training_loader.
            log_dir: Folder of tensorboard files.
            evaluate: Tests the net; the result has `mode`, `table` and `score`.

        Raises:
            InputError: The loss is not finite.
        """
        trainer, options, first = self.trainer, self.options, self.trainer.epoch
        net = DistributedDataParallel(trainer.net) if self.run.process[1] > 1 else trainer.net
        writer = SummaryWriter(str(log_dir), purge_step=first) if self.run.is_first else None
        if writer:
            self.files.write_history(trainer.history)

        def train(epoch: int) -> dict[str, Any]:
            loader.dataset.epoch = epoch
            loader.sampler.set_epoch(epoch)
            changed = self._origin.starts[-1]["changed"] if epoch == first else {}
            return self._epoch(net, loader, epoch).record() | ({"changed": changed} if changed else {})

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

    def finish(self) -> None:
        """Say that the training is complete; write its last weights if it was to have more epochs before."""
        epoch = self.trainer.epoch
        logger.info(
            "nothing left to train: %d epochs are done, and TRAIN.END_EPOCH is %d", epoch, self.options.end_epoch
        )
        written = training_of(read_checkpoint(self.files.final)) if self.files.final.exists() else {}
        if written.get("epochs") != epoch:
            described = self._describe()
            self._write_result(described)
            save_weights(self.files.final, self.trainer.net, described)
            logger.info("done: %s", self.files.final)

    def _describe(self) -> dict[str, Any]:
        return self._about | {"epochs": self.trainer.epoch} | self._origin.describe()

    def _write_result(self, described: dict[str, Any]) -> None:
        record = self.run.describe()
        del record["forced"]  # the starts tell it
        write_json(self.files.result, record | described, indent=True)

    def _epoch(self, net: nn.Module, loader: DataLoader, epoch: int) -> EpochReport:
        trainer, options = self.trainer, self.options
        iterations = min(len(loader), options.max_iterations)
        bar = progress_bar(iterations, "it", desc=f"epoch {epoch}", disable=not self.run.is_first)

        def each(iteration: int, report: EpochReport) -> None:
            bar.update()
            rate = trainer.rate
            if trainer.warm_up:
                trainer.warm_up.step()
            if iteration % options.print_every == 0:
                logger.info(
                    "Epoch: [%d][%d/%d] loss %.6f accuracy %.3f lr %.3g speed %.1f samples/s data %.3f s",
                    epoch,
                    iteration,
                    iterations,
                    report.loss.mean,
                    report.accuracy.mean,
                    rate,
                    report.speed,
                    report.data_seconds / (iteration + 1),
                )
            if iteration + 1 == min(TIMED, iterations):
                left = (options.end_epoch - epoch) * iterations - (iteration + 1)
                minutes = left * report.seconds / (iteration + 1) / 60
                logger.info("about %.1f minutes to the end of epoch %d, tests aside", minutes, options.end_epoch - 1)

        with bar, logging_redirect_tqdm():
            try:
                report = train_epoch(
                    net, loader, self._strategy, self._loss, trainer.optimizer, self.run.device, iterations, each
                )
            except FloatingPointError as error:
                raise InputError(f"epoch {epoch}: {error}; lower TRAIN.LR, or look for damaged labels") from None
        if report.replaced:
            logger.warning(
                "%d times the nearest frame took the place of a missing or damaged frame of a clip", report.replaced
            )
        return report


def _write_curves(writer: SummaryWriter, record: dict[str, Any]) -> None:
    for name in ("loss", "accuracy", "lr"):
        writer.add_scalar(f"train/{name}", record[name], record["epoch"])
    table = record.get("test", {}).get("table")
    for name, value in (table or {}).items():
        curve = re.sub(r"[^-./\w]", "_", name)  # what tensorboard makes of "AP .5", with a warning for each
        writer.add_scalar(f"test/{curve}", value, record["epoch"])


def build_training(cfg: CfgNode, run: Run, checkpoint: Path | None, force: bool = False) -> Training:
    """Return the training of an experiment, resumed or with the weights that it starts from.

    Args:
        cfg: The experiment.
        run: Folder, device and processes.
        checkpoint: Checkpoint to resume from; None: a new training.
        force: Accept a checkpoint or weights of other settings.

    Raises:
        InputError: The checkpoint or the weights are missing, are not of this net, or have other settings.
    """
    _check_trainable(cfg)
    net = build_model(cfg).to(run.device, memory_format=torch.channels_last)
    optimizer, schedule = build_optimizer(cfg, net)
    warm_up = build_warm_up(cfg, optimizer)
    trainer = Trainer(net, optimizer, schedule, warm_up=warm_up, epoch=cfg.TRAIN.BEGIN_EPOCH)
    if checkpoint:
        origin = _resume(cfg, trainer, TrainingRun(run.folder), checkpoint, run.process[1], force)
    else:
        origin = _begin(cfg, trainer, run.process[1], force)
    options = TrainingOptions(
        end_epoch=cfg.TRAIN.END_EPOCH,
        max_iterations=cfg.TRAIN.ITERATIONS_PER_EPOCH,
        evaluate_every=cfg.TRAIN.EVALUATE_EVERY,
        checkpoint_every=cfg.TRAIN.CHECKPOINT_EVERY,
        print_every=cfg.PRINT_FREQ,
    )
    return Training(
        trainer,
        options,
        run=run,
        origin=origin,
        about={"config": cfg.dump(), "joints": list(build_skeleton(cfg).names)},
        strategy=pair if cfg.MODEL.WARP.ENABLED else single,
        loss=build_loss(cfg, run.device),
    )


def build_training_data(cfg: CfgNode, run: Run) -> DataLoader:
    """Return the shuffled clips that an experiment trains on.

    Raises:
        InputError: Annotations or frames are missing or broken, or nobody is labeled.
    """
    return build_training_loader(cfg, build_training_set(cfg), run.process, cuda=run.device.type == "cuda")


def _check_trainable(cfg: CfgNode) -> None:
    """Refuse experiments that no training can follow; warn of keys without effect.

    Raises:
        InputError: There is nothing to train.
    """
    if cfg.MODEL.FREEZE_POSE_NET and not cfg.MODEL.WARP.ENABLED:
        raise InputError("MODEL.FREEZE_POSE_NET leaves nothing to train: it needs MODEL.WARP.ENABLED")
    if cfg.TEST.MODE == "propagate" and cfg.TEST.EVALUATE:
        raise InputError("TEST.MODE propagate is no test after an epoch: set TEST.MODE pair, or TEST.EVALUATE False")
    if cfg.TRAIN.BEGIN_EPOCH >= cfg.TRAIN.END_EPOCH:
        raise InputError(
            f"TRAIN.BEGIN_EPOCH is {cfg.TRAIN.BEGIN_EPOCH} and TRAIN.END_EPOCH {cfg.TRAIN.END_EPOCH}: "
            f"there is no epoch between them"
        )
    for key in ignored_by_optimizer(cfg):
        logger.warning("%s is set, but TRAIN.OPTIMIZER %s ignores it", key, cfg.TRAIN.OPTIMIZER)


def _resume(cfg: CfgNode, trainer: Trainer, files: TrainingRun, checkpoint: Path, count: int, force: bool) -> Origin:
    """Take up an earlier training; `count` is the number of processes."""
    state, training = read_training(checkpoint)
    origin = Origin(list(training["starts"]), training["pretrained"], training["seconds"])
    earlier = read_config(training["config"])
    changes = changes_of_run(training["config"], cfg)
    given, was_given = cfg.TRAIN.CHECKPOINT, earlier["TRAIN.CHECKPOINT"]
    if given not in ("", was_given) and files.is_own(checkpoint) and not files.is_own(given):
        changes["TRAIN.CHECKPOINT"] = was_given, given
    changes |= origin.changes(earlier["MODEL.PRETRAINED"], cfg.MODEL.PRETRAINED, count)
    check_resumable(changes, checkpoint, force)
    try:
        trainer.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{checkpoint}: cannot be resumed by this experiment ({line}); begin a new run (EXPERIMENT_NAME …)"
        ) from None
    logger.info("%s: going on with epoch %d", checkpoint, trainer.epoch)
    if changes:
        logger.warning("--force: from epoch %d on %s", trainer.epoch, format_changes(changes))
    origin.add_start(trainer.epoch, count, changes)
    return origin


def _begin(cfg: CfgNode, trainer: Trainer, count: int, force: bool) -> Origin:
    """Begin a new training, with pretrained weights if the experiment names some."""
    changes: Changes = {}
    if cfg.MODEL.PRETRAINED:
        changes = _load_pretrained(cfg, trainer.net, Path(cfg.MODEL.PRETRAINED), force)
    elif cfg.MODEL.FREEZE_POSE_NET:
        logger.warning("MODEL.PRETRAINED is not set: the frozen pose net has random weights")
    else:
        logger.warning("MODEL.PRETRAINED is not set: the net begins with random weights")
    origin = Origin(pretrained=sha256(Path(cfg.MODEL.PRETRAINED)) if cfg.MODEL.PRETRAINED else None)
    origin.add_start(trainer.epoch, count, changes)
    return origin


def _load_pretrained(cfg: CfgNode, net: nn.Module, path: Path, force: bool) -> Changes:
    """Copy weights into the net; a frozen pose net must be used as it was trained."""
    if not path.exists():
        raise InputError(
            f"MODEL.PRETRAINED: {path} is not there; docs/training.md tells where such files come from, and "
            f"MODEL.PRETRAINED '' begins with random weights"
        )
    report = load_weights(net, path, cfg.MODEL.EXTRA.get("PRETRAINED_LAYERS"))
    logger.info("%s", report)
    if cfg.MODEL.FREEZE_POSE_NET and any(
        name.startswith(("deconv_layers.", "final_layer.")) for name in report.initial
    ):
        logger.warning("%s has not all of the pose net: what it lacks is random, and frozen", path)
    changes = changes_of_weights(report.training, cfg, build_skeleton(cfg).names)
    if cfg.MODEL.FREEZE_POSE_NET:
        changes.pop("MODEL.WARP.DILATIONS", None)  # the head is not frozen
        check_weights(changes, path, force)
        return changes
    if changes:
        logger.warning("%s: in its training %s", path, format_changes(changes))
    return {}


def build_loss(cfg: CfgNode, device: torch.device) -> Loss:
    """Return the loss of an experiment."""
    joint_weights = torch.ones(cfg.MODEL.NUM_JOINTS, 1, device=device)
    if cfg.LOSS.USE_DIFFERENT_JOINTS_WEIGHT:
        joint_weights = torch.tensor(build_skeleton(cfg).joint_weights, device=device)[:, None]
    hardest = cfg.LOSS.TOPK if cfg.LOSS.USE_OHKM else None

    def loss(heatmaps: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        weights = weights * joint_weights if cfg.LOSS.USE_TARGET_WEIGHT else None
        return joints_loss(heatmaps, targets, weights, hardest)

    return loss
