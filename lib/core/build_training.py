"""Construction of the training of an experiment, new or resumed."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from lib.config.changes import (
    OF_WARP_WEIGHTS,
    Changes,
    changes_of_run,
    changes_of_weights,
    check_resumable,
    check_weights,
    format_changes,
    ignored_keys,
    read_config,
)
from lib.core.frozen import frozen_form
from lib.core.loss import joints_loss
from lib.core.optimizer import build_optimizer, build_warm_up
from lib.core.run import Run
from lib.core.step import Loss, StepOptions, TrainingStep
from lib.core.strategies import Strategy, pair, single
from lib.core.trainer import Trainer
from lib.core.training import Training, TrainingOptions
from lib.core.training_run import Origin, TrainingRun, read_training
from lib.dataset import build_skeleton, build_training_loader, build_training_set
from lib.dataset.clips import Clips
from lib.dataset.sources import build_annotations_path
from lib.dataset.training_set import build_parts
from lib.models import PoseWarper, build_model
from lib.utils.checkpoint import load_weights
from lib.utils.distributed import num_processes
from lib.utils.errors import InputError
from lib.utils.files import sha256
from lib.utils.precision import allow_tf32, dtype_of
from lib.utils.weight_names import HEAD_LAYERS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resumption:
    """Earlier training that a run continues.

    Attributes:
        checkpoint: Path to its checkpoint.
        state: State of its trainer.
        origin: Origin of its weights.
        changes: Accepted differences between its settings and the current ones.
    """

    checkpoint: Path
    state: dict[str, Any]
    origin: Origin
    changes: Changes


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
    origin = _resume(trainer, resumption, count) if resumption else _begin(cfg, trainer, count, force)
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


def build_step(cfg: CfgNode, trainer: Trainer, device: torch.device) -> TrainingStep:
    """Return the training step of an experiment.

    Args:
        cfg: The experiment.
        trainer: Trainer of its net. A frozen pose net must have its weights already.
        device: Device of the net.
    """
    return TrainingStep(
        trainer.net,
        trainer,
        strategy=_build_strategy(cfg, trainer.net),
        loss=build_loss(cfg, device),
        device=device,
        options=StepOptions(dtype_of(cfg.TRAIN.PRECISION), cfg.TRAIN.ACCUMULATE, cfg.TRAIN.CLIP_GRADIENT),
    )


def build_trainer(cfg: CfgNode, device: torch.device) -> Trainer:
    """Return the trainer of an experiment, with a net of random weights.

    Args:
        cfg: The experiment.
        device: Device of the net.
    """
    net = build_model(cfg)
    if cfg.TRAIN.SYNC_BN:
        _synchronize_batch_norm(net, cfg.MODEL.FREEZE_POSE_NET)
    net.to(device).to(memory_format=torch.channels_last)
    optimizer, schedule = build_optimizer(cfg, net)
    return Trainer(
        net,
        optimizer,
        schedule,
        warm_up=build_warm_up(cfg, optimizer),
        scaler=torch.amp.GradScaler(device.type) if cfg.TRAIN.PRECISION == "fp16" else None,
        ema_decay=cfg.TRAIN.EMA,
        epoch=cfg.TRAIN.BEGIN_EPOCH,
    )


def _synchronize_batch_norm(net: nn.Module, freeze_pose_net: bool) -> None:
    """Convert trained BatchNorm layers so that they compute statistics over the batches of all processes."""
    for name, child in net.named_children():
        if not (freeze_pose_net and name == "pose_net"):
            # PyTorch does not annotate the conversion.
            setattr(net, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]


def _build_strategy(cfg: CfgNode, net: nn.Module) -> Strategy:
    if not isinstance(net, PoseWarper):
        return single
    if not net.freeze_pose_net:
        return pair
    return partial(pair, pose_net=frozen_form(net.pose_net, dtype_of(cfg.TRAIN.PRECISION)))


def build_training_data(cfg: CfgNode, run: Run) -> DataLoader[Clips]:
    """Return the shuffled clips that an experiment trains on.

    Args:
        cfg: The experiment.
        run: Folder, device and processes.

    Raises:
        InputError: Annotations or frames are missing or broken, or no person is labeled.
    """
    return build_training_loader(cfg, build_training_set(cfg), run.process, cuda=run.device.type == "cuda")


def _check_trainable(cfg: CfgNode, run: Run) -> None:
    """Check that an experiment can be trained, and warn about keys without effect.

    Raises:
        InputError: There is nothing to train, or the device does not support the experiment.
    """
    if cfg.MODEL.FREEZE_POSE_NET and not cfg.MODEL.WARP.ENABLED:
        raise InputError("MODEL.FREEZE_POSE_NET leaves nothing to train: it needs MODEL.WARP.ENABLED")
    if cfg.TEST.MODE == "propagate" and cfg.TEST.EVALUATE:
        raise InputError(
            "TEST.MODE propagate cannot test a net during training: set TEST.MODE pair, or TEST.EVALUATE False"
        )
    if cfg.TRAIN.BEGIN_EPOCH >= cfg.TRAIN.END_EPOCH:
        raise InputError(
            f"TRAIN.BEGIN_EPOCH is {cfg.TRAIN.BEGIN_EPOCH} and TRAIN.END_EPOCH {cfg.TRAIN.END_EPOCH}: "
            f"there is no epoch between them"
        )
    if cfg.TRAIN.SYNC_BN and run.device.type == "cpu" and run.process[1] > 1:
        raise InputError("TRAIN.SYNC_BN needs GPUs: PyTorch has no such layer for several processes on the CPU")
    for key, by in ignored_keys(cfg).items():
        logger.warning("%s is set, but %s ignores it", key, by)


def build_resumption(cfg: CfgNode, files: TrainingRun, checkpoint: Path, force: bool = False) -> Resumption:
    """Return the training of a checkpoint if the experiment can continue it.

    Args:
        cfg: The experiment.
        files: Folder of its results.
        checkpoint: Checkpoint to resume from, in this folder or another.
        force: Accept a checkpoint with other settings.

    Raises:
        InputError: The checkpoint cannot be read or has other settings.
    """
    state, training = read_training(checkpoint)
    origin = Origin(training["starts"], training["pretrained"], training["seconds"], training.get("annotations", []))
    earlier = read_config(training["config"])
    changes = changes_of_run(training["config"], cfg)
    given, was_given = cfg.TRAIN.CHECKPOINT, earlier["TRAIN.CHECKPOINT"]
    if given not in ("", was_given) and files.is_own(checkpoint) and not files.is_own(given):
        changes["TRAIN.CHECKPOINT"] = was_given, given
    annotations = _build_annotation_digests(cfg)
    changes |= origin.changes(earlier["MODEL.PRETRAINED"], cfg.MODEL.PRETRAINED, num_processes(), annotations)
    check_resumable(changes, checkpoint, force)
    origin.annotations = annotations
    return Resumption(checkpoint, state, origin, changes)


def _resume(trainer: Trainer, resumption: Resumption, count: int) -> Origin:
    """Load the state of an earlier training; `count` is the number of processes."""
    checkpoint, changes = resumption.checkpoint, resumption.changes
    try:
        trainer.load_state_dict(resumption.state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{checkpoint}: cannot be resumed by this experiment ({line}); begin a new run (EXPERIMENT_NAME …)"
        ) from None
    logger.info("%s: resuming with epoch %d", checkpoint, trainer.epoch)
    if changes:
        logger.warning("--force: from epoch %d on %s", trainer.epoch, format_changes(changes))
    resumption.origin.add_start(trainer.epoch, count, changes)
    return resumption.origin


def _begin(cfg: CfgNode, trainer: Trainer, count: int, force: bool) -> Origin:
    """Begin a new training, with pretrained weights if MODEL.PRETRAINED is set."""
    changes: Changes = {}
    if cfg.MODEL.PRETRAINED:
        changes = _load_pretrained(cfg, trainer.net, Path(cfg.MODEL.PRETRAINED), force)
    elif cfg.MODEL.FREEZE_POSE_NET:
        logger.warning("MODEL.PRETRAINED is not set: the frozen pose net has random weights")
    else:
        logger.warning("MODEL.PRETRAINED is not set: the net begins with random weights")
    origin = Origin(
        pretrained=sha256(Path(cfg.MODEL.PRETRAINED)) if cfg.MODEL.PRETRAINED else None,
        annotations=_build_annotation_digests(cfg),
    )
    origin.add_start(trainer.epoch, count, changes)
    return origin


def _build_annotation_digests(cfg: CfgNode) -> list[str]:
    """Return the SHA-256 of the annotations of each training data set."""
    return [sha256(cast(Path, build_annotations_path(part, train=True))) for part in build_parts(cfg)]


def _load_pretrained(cfg: CfgNode, net: nn.Module, path: Path, force: bool) -> Changes:
    """Load pretrained weights into the net; those of a frozen pose net must have been trained with these settings."""
    if path.is_dir():
        raise InputError(f"MODEL.PRETRAINED: {path} is a folder; name the file of the weights")
    if not path.exists():
        raise InputError(
            f"MODEL.PRETRAINED: {path} does not exist; docs/training.md describes where to get such files, and "
            f"MODEL.PRETRAINED '' begins with random weights"
        )
    report = load_weights(net, path, cfg.MODEL.EXTRA.get("PRETRAINED_LAYERS"))
    logger.info("%s", report)
    if cfg.MODEL.FREEZE_POSE_NET and any(name.partition(".")[0] in HEAD_LAYERS for name in report.initial):
        logger.warning("%s lacks part of the frozen pose net, which has random weights there", path)
    changes = changes_of_weights(report.training, cfg, build_skeleton(cfg).names)
    frozen: Changes = {}
    if cfg.MODEL.FREEZE_POSE_NET:  # but not the head
        frozen = {key: pair for key, pair in changes.items() if key not in OF_WARP_WEIGHTS}
        check_weights(frozen, path, force)
    if trained := {key: pair for key, pair in changes.items() if key not in frozen}:
        logger.warning("%s was trained with other settings: %s", path, format_changes(trained))
    return frozen


def build_loss(cfg: CfgNode, device: torch.device) -> Loss:
    """Return the loss of an experiment.

    Args:
        cfg: The experiment.
        device: Device of the heatmaps.
    """
    joint_weights = torch.ones(cfg.MODEL.NUM_JOINTS, 1, device=device)
    if cfg.LOSS.USE_DIFFERENT_JOINTS_WEIGHT:
        joint_weights = torch.tensor(build_skeleton(cfg).joint_weights, device=device)[:, None]
    hardest = cfg.LOSS.TOPK if cfg.LOSS.USE_OHKM else None

    def loss(heatmaps: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        used = weights * joint_weights if cfg.LOSS.USE_TARGET_WEIGHT else None
        return joints_loss(heatmaps, targets, used, hardest)

    return loss
