"""Optimiser and schedule of an experiment."""

from torch import nn, optim
from yacs.config import CfgNode


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
