"""Optimiser and schedules of an experiment."""

from collections.abc import Mapping
from typing import Any

from torch import nn, optim
from yacs.config import CfgNode

from lib.utils.errors import InputError

WARMUP_START = 0.001
"""Share of the learning rate that a warm-up begins with (MMPose's recipes)."""

FIXED_KEYS = ("OPTIMIZER", "LR", "LR_FACTOR", "LR_STEP", "WARMUP_ITERATIONS")
FIXED_KEYS_OF_SGD = ("MOMENTUM", "WD", "NESTEROV")
"""Keys of TRAIN that the state of an optimiser or of a schedule holds: a checkpoint restores them as they were."""


def build_optimizer(cfg: CfgNode, net: nn.Module) -> tuple[optim.Optimizer, optim.lr_scheduler.LRScheduler]:
    """Adam without weight decay, or SGD with TRAIN.WD; the rate drops by TRAIN.LR_FACTOR at the epochs TRAIN.LR_STEP.

    The first implementations' files give Adam a weight decay that their code ignored; the published schedules need
    that. Only what has gradients is trained.
    """
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if cfg.TRAIN.OPTIMIZER == "adam":
        optimizer: optim.Optimizer = optim.Adam(parameters, lr=cfg.TRAIN.LR, fused=True)
    else:
        optimizer = optim.SGD(
            parameters,
            lr=cfg.TRAIN.LR,
            momentum=cfg.TRAIN.MOMENTUM,
            weight_decay=cfg.TRAIN.WD,
            nesterov=cfg.TRAIN.NESTEROV,
        )
    return optimizer, optim.lr_scheduler.MultiStepLR(optimizer, cfg.TRAIN.LR_STEP, cfg.TRAIN.LR_FACTOR)


def build_warm_up(cfg: CfgNode, optimizer: optim.Optimizer) -> optim.lr_scheduler.LinearLR | None:
    """What raises the rate over the first TRAIN.WARMUP_ITERATIONS, one `step` after each; None if there is no warm-up.

    It multiplies the rate that it finds, as the schedule of `build_optimizer` does: both may run at the same time.
    """
    if not cfg.TRAIN.WARMUP_ITERATIONS:
        return None
    return optim.lr_scheduler.LinearLR(optimizer, WARMUP_START, total_iters=cfg.TRAIN.WARMUP_ITERATIONS)


def check_unchanged(train: Mapping[str, Any], earlier: Mapping[str, Any], where: object) -> None:
    """Refuse to go on with a training whose rates would not be those that TRAIN now asks for.

    Args:
        train: keys of TRAIN; earlier: those that the checkpoint was made with, `where` it is.
    Raises:
        InputError: a key that is restored with the checkpoint has another value now.
    """
    for key in FIXED_KEYS + (FIXED_KEYS_OF_SGD if train["OPTIMIZER"] == "sgd" else ()):
        if key in earlier and earlier[key] != train[key]:
            change = f"TRAIN.{key} was {earlier[key]} and is {train[key]}"
            raise InputError(f"{where}: {change}: set it as it was to go on, or move the file away to begin anew")
