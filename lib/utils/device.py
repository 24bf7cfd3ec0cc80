"""Which device to use, how, and what a result was computed with."""

import logging
import platform
import random
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch

logger = logging.getLogger(__name__)


def choose_device(gpus: Sequence[int]) -> torch.device:
    """The first of the wanted GPUs that the machine has, else the CPU; says what is missing."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = [gpu for gpu in gpus if gpu < count]
    device = torch.device("cuda", present[0]) if present else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if tuple(gpus) != tuple(present[:1]):
        logger.info("GPUS asks for %s, the machine has %d: using %s", tuple(gpus), count, device)
    return device


def make_reproducible(seed: int, benchmark: bool, deterministic: bool, enabled: bool) -> None:
    """Seed every generator and set cuDNN as the keys CUDNN.* say."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries draw from the global generator)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = benchmark
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.enabled = enabled


def describe(device: torch.device) -> dict[str, str]:
    """Versions and the device, to be stored beside a result."""
    names = ("torch", "torchvision", "numpy", "opencv-python-headless")
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or 'CPU'}"
    return {"python": platform.python_version(), "device": on, **{name: version(name) for name in names}}
