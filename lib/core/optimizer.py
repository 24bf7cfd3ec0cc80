"""Optimizers and learning rate schedules."""

from collections import defaultdict
from typing import Any

from torch import nn, optim
from yacs.config import CfgNode

from lib.models import PoseWarper
from lib.utils.errors import InputError

WARMUP_START = 0.001
"""Factor of the learning rate at the start of a warm-up, from MMPose's configurations."""


def build_optimizer(cfg: CfgNode, net: nn.Module) -> tuple[optim.Optimizer, optim.lr_scheduler.LRScheduler]:
    """Return the optimizer of an experiment and the schedule of its learning rate, which steps after each epoch.

    AdamW and SGD use the weight decay TRAIN.WD. Adam uses none: the experiment files of the reference implementations
    set a weight decay that their code ignored, and the published schedules depend on that. Only parameters that require
    gradients are optimized.

    With TRAIN.LAYER_DECAY below 1, the learning rate is multiplied by it once for each layer above a parameter, and
    biases, normalizations, and position embeddings have no weight decay, as in ViTPose's recipe.

    Args:
        cfg: The experiment.
        net: Net whose parameters are optimized.

    Raises:
        InputError: The pose net does not support TRAIN.LAYER_DECAY.
    """
    train = cfg.TRAIN
    parameters = _decayed_parameters(net, train) if train.LAYER_DECAY < 1 else _trained(net).values()
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


def _trained(net: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}


def _decayed_parameters(net: nn.Module, train: CfgNode) -> list[dict[str, Any]]:
    """Return the parameters in groups of the same learning rate and weight decay, the highest rate first."""
    warps = isinstance(net, PoseWarper)
    layers_above = getattr(net.pose_net if warps else net, "layers_above", None)
    if layers_above is None:
        raise InputError(f"TRAIN.LAYER_DECAY is {train.LAYER_DECAY}: the pose net has no numbered layers; set it to 1")
    groups = defaultdict(list)
    for name, parameter in _trained(net).items():
        of_head = warps and not name.startswith("pose_net.")
        depth = 0 if of_head else layers_above(name.removeprefix("pose_net."))
        is_decayed = parameter.ndim > 1 and not name.endswith("pos_embed")
        groups[depth, not is_decayed].append(parameter)
    return [
        {"params": groups[depth, exempt], "lr": train.LR * train.LAYER_DECAY**depth}
        | ({"weight_decay": 0.0} if exempt else {})
        for depth, exempt in sorted(groups)
    ]


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
