"""Choice and setup of the device, and a record of the environment of a result."""

import functools
import importlib.metadata
import logging
import os
import platform
import random
import sys
from collections.abc import Sequence

import cv2
import numpy as np
import torch

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)


@functools.cache  # a command may choose its device several times
def _warn_once(message: str) -> None:
    logger.warning("%s", message)


def choose_device(gpus: Sequence[int], process: int = 0) -> torch.device:
    """Return the GPU for a process among the requested GPUs that exist, or the CPU; log what is missing.

    Args:
        gpus: Numbers of the requested GPUs.
        process: Number of the process on this machine.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = [gpu for gpu in gpus if gpu < count]
    device = torch.device("cuda", present[process % len(present)]) if present else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if len(gpus) != len(present):
        found = f"GPUS is {tuple(gpus)}, but this machine has {count}" if count else "no GPU was found"
        _warn_once(f"{found}: using {device}")
    elif len(present) > 1 and "WORLD_SIZE" not in os.environ:
        logger.info("using %s; to use all of GPUS: torchrun --nproc_per_node %d tools/…", device, len(present))
    return device


def make_reproducible(seed: int, *, benchmark: bool, deterministic: bool, enabled: bool, allow_tf32: bool) -> None:
    """Seed all random number generators and configure cuDNN as given by the keys CUDNN.*.

    Args:
        seed: Seed of the generators.
        benchmark: Let cuDNN benchmark algorithms and choose the fastest.
        deterministic: Use only deterministic algorithms in cuDNN.
        enabled: Use cuDNN.
        allow_tf32: If True, keep PyTorch's default, where only cuDNN's convolutions use TF32. If False, disable TF32
            in convolutions and matrix products.
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
    """Return True if PyTorch's current settings compute float32 on this device in TF32 (10 bits instead of 23).

    Args:
        device: Device to check.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] < 8:  # introduced with Ampere
        return False
    by_cudnn = torch.backends.cudnn.enabled and torch.backends.cudnn.allow_tf32
    return by_cudnn or torch.backends.cuda.matmul.allow_tf32


def peak_memory(device: torch.device) -> float:
    """Return the peak memory of this process in MiB: of the GPU's allocations, or the resident memory for a CPU.

    Args:
        device: Device to measure.

    Returns:
        MiB; 0 for a CPU on Windows, where Python does not measure it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes on macOS, KiB elsewhere


def describe(device: torch.device) -> dict[str, str | bool]:
    """Return the versions of packages, the device, and its precision, to be stored with a result.

    Args:
        device: Device that the result was computed on.
    """
    modules = (torch, np, cv2)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or 'CPU'}"
    return {
        "python": platform.python_version(),
        "device": on,
        "tf32": uses_tf32(device),
        **{module.__name__: str(module.__version__) for module in modules},
        "torchvision": importlib.metadata.version("torchvision"),  # its import takes seconds
    }
