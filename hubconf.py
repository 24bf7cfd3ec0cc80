"""Entry points of torch.hub: nets with weights, ready for frames and boxes or labels (docs/python_api.md)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from lib.config import load_config
from lib.core.video_predictor import VideoPredictor, build_video_predictor
from lib.evaluation.hub import EXPERIMENT, WEIGHTS, keys_of, pull
from lib.propagation.video_propagator import VideoPropagator, build_video_propagator

dependencies = ["torch", "torchvision", "yacs", "numpy", "cv2"]

_EXPERIMENTS = Path(__file__).resolve().parent / "experiments"


def predictor(
    experiment: str | Path, weights: str | Path, device: str = "cpu", settings: Mapping[str, Any] | None = None
) -> VideoPredictor:
    """Return the predictor of an experiment file.

    Args:
        experiment: Experiment file, such as experiments/posetrack18/….yaml.
        weights: Weights of its net: a checkpoint of tools/train.py, or a published file.
        device: Device to run on, such as "cuda:0".
        settings: Keys of the experiment to change, such as {"TEST.FLIP_TEST": True}.

    Raises:
        lib.utils.errors.InputError: A file is missing or of another net, or a key is unknown.
    """
    return build_video_predictor(_load(experiment, weights, settings), torch.device(device))


def propagator(
    experiment: str | Path,
    weights: str | Path,
    method: str = "warp",
    priors: Sequence[str] = (),
    device: str = "cpu",
    settings: Mapping[str, Any] | None = None,
) -> VideoPropagator:
    """Return what carries labels of some frames of a video to the others with the PoseWarper of an experiment file.

    Args:
        experiment: Experiment file with MODEL.WARP.ENABLED, such as experiments/video/posewarper.yaml.
        weights: Weights of its net: a checkpoint of tools/train.py, or a published file.
        method: Method that carries labels to other frames, as in `tools/label_video.py --method`.
        priors: Further methods, as in `tools/label_video.py --prior`.
        device: Device to run on, such as "cuda:0".
        settings: Keys of the experiment to change.

    Raises:
        lib.utils.errors.InputError: A file is missing or of another net, or a key or method is unknown.
    """
    return build_video_propagator(_load(experiment, weights, settings), torch.device(device), method, priors)


def from_pretrained(
    repository: str, revision: str | None = None, device: str = "cpu", settings: Mapping[str, Any] | None = None
) -> VideoPredictor:
    """Return the predictor of a net that tools/hub.py uploaded to the Hugging Face Hub.

    Args:
        repository: Name of the repository, OWNER/NAME.
        revision: Branch, tag, or commit; None: the main branch.
        device: Device to run on, such as "cuda:0".
        settings: Keys of its experiment to change, such as {"TEST.FLIP_TEST": True}.

    Raises:
        lib.utils.errors.InputError: The package huggingface_hub is missing, the net cannot be downloaded, or a key is
            unknown.
    """
    folder = pull(repository, revision)
    return predictor(folder / EXPERIMENT, folder / WEIGHTS, device, keys_of(folder) | dict(settings or {}))


def _load(experiment: str | Path, weights: str | Path, settings: Mapping[str, Any] | None) -> CfgNode:
    keys = [part for pair in (settings or {}).items() for part in pair]
    return load_config(experiment, [*keys, "TEST.MODEL_FILE", str(weights)])


def posewarper_w48_384x288(weights: str | Path, device: str = "cpu") -> VideoPredictor:
    """Return a PoseWarper over HRNet-W48, PoseTrack's joints: five frames, warped to the middle one."""
    name = "w48_384x288_adam_lr1e-4_PoseWarper_inference_temporal_pose_aggregation.yaml"
    return predictor(_EXPERIMENTS / "posetrack/hrnet" / name, weights, device)


def hrnet_w48_384x288(weights: str | Path, device: str = "cpu") -> VideoPredictor:
    """Return HRNet-W48 on single frames, PoseTrack's joints."""
    return predictor(_EXPERIMENTS / "posetrack/hrnet/w48_384x288_adam_lr1e-4.yaml", weights, device)


def resnet50_256x192(weights: str | Path, device: str = "cpu") -> VideoPredictor:
    """Return a ResNet-50 pose net on single frames, COCO's joints."""
    return predictor(_EXPERIMENTS / "coco/resnet/res50_256x192_d256x3_adam_lr5e-4.yaml", weights, device)
