"""Optimiser and schedules of an experiment."""

from torch import nn, optim
from yacs.config import CfgNode

WARMUP_START = 0.001
"""Share of the learning rate that a warm-up begins with (MMPose's recipes)."""


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
