"""Checks of a complete configuration: ranges of values, and keys that contradict each other."""

import math
from collections.abc import Callable
from typing import Any

from yacs.config import CfgNode

from lib.config.keys import flatten
from lib.config.limits import CHOICES, MAX_VALUES, MIN_VALUES
from lib.utils.errors import InputError

STRIDE = 32  # stride of the pose nets' coarsest features


def check_config(cfg: CfgNode, blame: Callable[..., str]) -> None:
    """Reject values that no experiment can have.

    Args:
        cfg: The complete configuration.
        blame: Returns the source and name of a key, or of the one of several keys that was set last, for messages. It
            leaves out the name of the first of several keys, with which the rest of the message begins.

    Raises:
        InputError: A value is out of range, or contradicts another one.
    """
    flat = flatten(cfg)
    for key, choices in CHOICES.items():
        if flat[key] not in choices:
            raise InputError(f"{blame(key)} is {flat[key]!r}; it can be {', '.join(choices)}")
    for key, value in flat.items():
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, (int, float)):
                _check_range(blame(key), value, number, MIN_VALUES.get(key), MAX_VALUES.get(key))
    for key in ("DATASET.FRAME_DELTAS", "MODEL.WARP.DILATIONS"):
        if not flat[key]:
            raise InputError(f"{blame(key)} is empty")
    _check_model(cfg, blame)
    _check_test(cfg, blame)
    for key in ("TRAIN.PRECISION", "TEST.PRECISION"):
        if flat[key] == "tf32" and not cfg.CUDNN.ALLOW_TF32:
            where = blame(key, "CUDNN.ALLOW_TF32")
            raise InputError(f"{where}: {key} is tf32, but CUDNN.ALLOW_TF32 is False")


def _check_model(cfg: CfgNode, blame: Callable[..., str]) -> None:
    size, cells = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE
    if len(size) != 2 or any(side <= 0 or side % STRIDE for side in size):
        raise InputError(f"{blame('MODEL.IMAGE_SIZE')} is {size}; width and height must be multiples of {STRIDE}")
    if [4 * side for side in cells] != size:
        where = blame("MODEL.HEATMAP_SIZE", "MODEL.IMAGE_SIZE")
        raise InputError(f"{where}: MODEL.HEATMAP_SIZE is {cells}; it must be a quarter of MODEL.IMAGE_SIZE {size}")
    if cfg.LOSS.USE_OHKM and cfg.LOSS.TOPK > cfg.MODEL.NUM_JOINTS:
        where = blame("LOSS.TOPK", "MODEL.NUM_JOINTS", "LOSS.USE_OHKM")
        raise InputError(f"{where}: LOSS.TOPK {cfg.LOSS.TOPK} exceeds MODEL.NUM_JOINTS {cfg.MODEL.NUM_JOINTS}")


def _check_test(cfg: CfgNode, blame: Callable[..., str]) -> None:
    if cfg.TEST.SOFT_NMS and cfg.TEST.OKS_THRE == 0:
        where = blame("TEST.OKS_THRE", "TEST.SOFT_NMS")
        raise InputError(f"{where}: TEST.OKS_THRE is 0; TEST.SOFT_NMS requires a positive value")
    if cfg.TEST.POST_PROCESS_PER_AXIS and not cfg.TEST.POST_PROCESS:
        where = blame("TEST.POST_PROCESS_PER_AXIS", "TEST.POST_PROCESS")
        raise InputError(f"{where}: TEST.POST_PROCESS_PER_AXIS requires TEST.POST_PROCESS; set it to True")
    if cfg.MODEL.TARGET_TYPE == "udp" and cfg.TEST.SHIFT_HEATMAP:
        where = blame("TEST.SHIFT_HEATMAP", "MODEL.TARGET_TYPE")
        raise InputError(
            f"{where}: TEST.SHIFT_HEATMAP must be False with MODEL.TARGET_TYPE udp, whose heatmaps are already aligned"
        )
    offsets, weights = cfg.TEST.AGGREGATE.OFFSETS, cfg.TEST.AGGREGATE.WEIGHTS
    if len(offsets) != len(weights) or not offsets or offsets[0] != 0:
        where = blame("TEST.AGGREGATE.OFFSETS", "TEST.AGGREGATE.WEIGHTS")
        raise InputError(
            f"{where}: TEST.AGGREGATE.OFFSETS {offsets} and WEIGHTS {weights} must have the same length, and the first "
            f"offset must be 0 (the key frame)"
        )
    if cfg.TEST.TRACKER.MOTION == "warp" and not cfg.MODEL.WARP.ENABLED:
        where = blame("TEST.TRACKER.MOTION", "MODEL.WARP.ENABLED")
        raise InputError(f"{where}: TEST.TRACKER.MOTION warp requires a PoseWarper; set it to flow, velocity, or none")
    if cfg.TEST.MODE != "single" and not cfg.MODEL.WARP.ENABLED:
        where = blame("TEST.MODE", "MODEL.WARP.ENABLED")
        raise InputError(f"{where}: TEST.MODE {cfg.TEST.MODE} requires a PoseWarper; set MODEL.WARP.ENABLED True")


def _check_range(where: str, value: Any, number: float, minimum: float | None, maximum: float | None) -> None:
    if not math.isfinite(number):
        raise InputError(f"{where} is {value!r}; it must be a finite number")
    if minimum is not None and number < minimum:
        raise InputError(f"{where} is {value!r}; it must be at least {minimum}")
    if maximum is not None and number > maximum:
        raise InputError(f"{where} is {value!r}; it must be at most {maximum}")
