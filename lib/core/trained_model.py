"""Nets with weights from a file, used with the settings that they were trained with."""

import logging
from pathlib import Path

import torch
from torch import nn
from yacs.config import CfgNode

from lib.config.changes import (
    Changes,
    changes_of_training,
    changes_of_weights,
    check_weights,
    crop_size,
    format_changes,
)
from lib.config.run_folder import FINAL_WEIGHTS
from lib.dataset import build_skeleton
from lib.models import build_model
from lib.models.onnx_net import OnnxNet
from lib.utils.checkpoint import load_weights
from lib.utils.errors import InputError
from lib.utils.onnx_file import ONNX

logger = logging.getLogger(__name__)


def build_weights_path(cfg: CfgNode, folder: Path) -> Path:
    """Return the path of the weights: TEST.MODEL_FILE, or the file that the training wrote.

    Args:
        cfg: The experiment.
        folder: Folder of its results.

    Raises:
        InputError: The file does not exist.
    """
    weights = Path(cfg.TEST.MODEL_FILE or folder / FINAL_WEIGHTS)
    if weights.is_dir():
        raise InputError(f"TEST.MODEL_FILE: {weights} is a folder; name the file of the weights")
    if not weights.exists():
        if cfg.TEST.MODEL_FILE:
            raise InputError(f"TEST.MODEL_FILE: {weights} does not exist")
        raise InputError(f"{weights} does not exist; train the experiment, or set TEST.MODEL_FILE to the weights")
    return weights


def build_trained_model(
    cfg: CfgNode, folder: Path, device: torch.device, force: bool = False
) -> tuple[nn.Module, Changes]:
    """Return the net of an experiment with the weights of TEST.MODEL_FILE or, by default, of its training.

    Args:
        cfg: The experiment.
        folder: Folder of its results.
        device: Device to put the net on.
        force: Accept weights that were trained with other settings.

    Returns:
        The net in evaluation mode, and the accepted differences between the settings of its training and the current
        ones.

    Raises:
        InputError: The file is missing, or its weights belong to another net or were trained with other settings.
    """
    weights = build_weights_path(cfg, folder)
    if weights.suffix == ONNX:
        return _build_onnx_net(cfg, weights, device), {}
    net = build_model(cfg).to(device).to(memory_format=torch.channels_last)
    report = load_weights(net, weights)
    logger.info("%s", report)
    report.raise_if_incomplete()
    changes = changes_of_weights(report.training, cfg, build_skeleton(cfg).names)
    check_weights(changes, weights, force)
    if changes:
        logger.warning("--force: %s was trained with other settings: %s", weights, format_changes(changes))
    if not cfg.TEST.MODEL_FILE and (other := changes_of_training(report.training, cfg)):
        logger.warning(
            "%s was trained with other settings; changing them now has no effect on the weights: %s",
            weights,
            format_changes(other),
        )
    size = crop_size(report.training)
    if size and size != cfg.MODEL.IMAGE_SIZE:
        logger.warning("%s was trained on crops of %s, and MODEL.IMAGE_SIZE is %s", weights, size, cfg.MODEL.IMAGE_SIZE)
    return net.eval(), changes


def _build_onnx_net(cfg: CfgNode, path: Path, device: torch.device) -> OnnxNet:
    """Return the net of an ONNX file, if the experiment can use it.

    Raises:
        InputError: The file cannot be read, or its net has other inputs or joints than the experiment.
    """
    net = OnnxNet(path, device)
    wanted: dict[str, tuple[object, object]] = {
        "TEST.MODE": (cfg.TEST.MODE, "single" if net.offsets == [0] else "aggregate"),
        "MODEL.IMAGE_SIZE": (list(cfg.MODEL.IMAGE_SIZE), net.image_size),
        "joints": (list(build_skeleton(cfg).names), net.joints),
    }
    if cfg.TEST.MODE == "aggregate":
        wanted["TEST.AGGREGATE.OFFSETS"] = list(cfg.TEST.AGGREGATE.OFFSETS), net.offsets
        wanted["TEST.AGGREGATE.SHARE_CROPS"] = cfg.TEST.AGGREGATE.SHARE_CROPS, False
    for key, (value, own) in wanted.items():
        if value != own:
            raise InputError(f"{path}: the net was exported for {key} {own}, and it is {value}")
    return net
