"""Length of a training, and intervals in it."""

import logging
from dataclasses import dataclass, field

from yacs.config import CfgNode

from lib.config.changes import ignored_keys
from lib.config.interval import Interval, read_interval
from lib.core.run import Run
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingOptions:
    """Length of a training, and intervals of its tests, checkpoints and log lines.

    Attributes:
        end_epoch: Epoch to stop before.
        max_iterations: Maximum number of iterations in an epoch.
        evaluate_every: Number of epochs between tests.
        checkpoint_every: Interval between checkpoints.
        print_every: Number of iterations between log lines.
        compile: Compile the net with torch.compile.
        profile: Number of iterations to profile; 0 turns the profiler off.
    """

    end_epoch: int
    max_iterations: int
    evaluate_every: int = 1
    checkpoint_every: Interval = field(default_factory=lambda: Interval(1))
    print_every: int = 20
    compile: bool = False
    profile: int = 0


def build_training_options(cfg: CfgNode, run: Run) -> TrainingOptions:
    """Return the options of an experiment that can be trained, and warn about keys without effect.

    Args:
        cfg: The experiment.
        run: Device and processes.

    Raises:
        InputError: There is nothing to train, or the device does not support the experiment.
    """
    _check_trainable(cfg, run)
    return TrainingOptions(
        end_epoch=cfg.TRAIN.END_EPOCH,
        max_iterations=cfg.TRAIN.ITERATIONS_PER_EPOCH,
        evaluate_every=cfg.TRAIN.EVALUATE_EVERY,
        checkpoint_every=read_interval(cfg.TRAIN.CHECKPOINT_EVERY),
        print_every=cfg.PRINT_FREQ,
        compile=cfg.TRAIN.COMPILE,
        profile=cfg.TRAIN.PROFILE,
    )


def _check_trainable(cfg: CfgNode, run: Run) -> None:
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
    _warn_of_small_batches(cfg, run.process[1])
    for key, by in ignored_keys(cfg).items():
        logger.warning("%s is set, but %s ignores it", key, by)


def _warn_of_small_batches(cfg: CfgNode, processes: int) -> None:
    """Warn if an iteration has fewer clips than with a process for each of GPUS, as in the original code."""
    size, planned = cfg.TRAIN.BATCH_SIZE_PER_GPU, len(cfg.GPUS)
    combined = size * processes * cfg.TRAIN.ACCUMULATE
    if combined < size * planned:
        logger.warning(
            "an iteration has %d clips, but GPUS lists %d GPUs, on which it would have %d; start %d processes with "
            "torchrun, or set TRAIN.ACCUMULATE %d",
            combined,
            planned,
            size * planned,
            planned,
            -(-planned // processes),
        )
