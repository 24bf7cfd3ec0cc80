"""Which device to use, how, and what a result was computed with."""

import logging
import os
import platform
import random
from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torchvision

logger = logging.getLogger(__name__)


def choose_device(gpus: Sequence[int], process: int = 0) -> torch.device:
    """The GPU of a process among the wanted ones that the machine has, else the CPU; says what is missing.

    Args:
        gpus: numbers of the wanted GPUs.
        process: number of the process on this machine.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = [gpu for gpu in gpus if gpu < count]
    device = torch.device("cuda", present[process % len(present)]) if present else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if len(gpus) != len(present):
        logger.info("GPUS asks for %s, the machine has %d: using %s", tuple(gpus), count, device)
    elif len(present) > 1 and "WORLD_SIZE" not in os.environ:
        logger.info("using %s; to use all of GPUS: torchrun --nproc_per_node %d tools/…", device, len(present))
    return device


def make_reproducible(seed: int, benchmark: bool, deterministic: bool, enabled: bool, allow_tf32: bool) -> None:
    """Seed every generator and set cuDNN as the keys CUDNN.* say.

    Args:
        allow_tf32: leave TF32 as PyTorch has it, in cuDNN's convolutions alone; else matrix products do without too.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries draw from the global generator)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = benchmark
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.enabled = enabled
    torch.backends.cudnn.allow_tf32 = allow_tf32
    if not allow_tf32:
        torch.backends.cuda.matmul.allow_tf32 = False


def uses_tf32(device: torch.device) -> bool:
    """Return True if PyTorch, as it is set now, computes float32 on this device in TF32: 10 bits instead of 23."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] < 8:  # Ampere brought it
        return False
    by_cudnn = torch.backends.cudnn.enabled and torch.backends.cudnn.allow_tf32
    return by_cudnn or torch.backends.cuda.matmul.allow_tf32


def describe(device: torch.device) -> dict[str, str | bool]:
    """Versions, the device and its precision, to be stored beside a result."""
    modules = (torch, torchvision, np, cv2)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or 'CPU'}"
    return {
        "python": platform.python_version(),
        "device": on,
        "tf32": uses_tf32(device),
        **{module.__name__: str(module.__version__) for module in modules},
    }
