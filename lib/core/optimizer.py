"""Optimizers and learning rate schedules."""

from torch import nn, optim
from yacs.config import CfgNode

WARMUP_START = 0.001
"""Factor of the learning rate at the start of a warm-up, from MMPose's configurations."""


def build_optimizer(cfg: CfgNode, net: nn.Module) -> tuple[optim.Optimizer, optim.lr_scheduler.LRScheduler]:
    """Return the optimizer of an experiment and the schedule of its learning rate, which steps after each epoch.

    AdamW and SGD use the weight decay TRAIN.WD. Adam uses none: the experiment files of the reference implementations
    set a weight decay that their code ignored, and the published schedules depend on that. Only parameters that require
    gradients are optimized.

    Args:
        cfg: The experiment.
        net: Net whose parameters are optimized.
    """
    train = cfg.TRAIN
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer: optim.Optimizer
    if train.OPTIMIZER == "adam":
        optimizer = optim.Adam(parameters, lr=train.LR, fused=True)
    elif train.OPTIMIZER == "adamw":
        optimizer = optim.AdamW(parameters, lr=train.LR, weight_decay=train.WD, fused=True)
    else:
        optimizer = optim.SGD(
            parameters, lr=train.LR, momentum=train.MOMENTUM, weight_decay=train.WD, nesterov=train.NESTEROV
        )
    return optimizer, _build_schedule(cfg, optimizer)


def _build_schedule(cfg: CfgNode, optimizer: optim.Optimizer) -> optim.lr_scheduler.LRScheduler:
    train = cfg.TRAIN
    if train.SCHEDULE == "cosine":
        return optim.lr_scheduler.CosineAnnealingLR(optimizer, train.END_EPOCH - train.BEGIN_EPOCH)
    return optim.lr_scheduler.MultiStepLR(optimizer, train.LR_STEP, train.LR_FACTOR)


def build_warm_up(cfg: CfgNode, optimizer: optim.Optimizer) -> optim.lr_scheduler.LinearLR | None:
    """Return the linear warm-up of the learning rate, which steps after each iteration.

    It multiplies the current rate, as the schedules of `build_optimizer` do, so both can run at the same time.

    Args:
        cfg: The experiment.
        optimizer: Optimizer of the experiment.

    Returns:
        The warm-up; None if TRAIN.WARMUP_ITERATIONS is 0.
    """
    if not cfg.TRAIN.WARMUP_ITERATIONS:
        return None
    return optim.lr_scheduler.LinearLR(optimizer, WARMUP_START, total_iters=cfg.TRAIN.WARMUP_ITERATIONS)
