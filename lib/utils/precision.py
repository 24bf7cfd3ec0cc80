"""Precision of nets: the dtype of convolutions, autocast, and TF32."""

import logging

import torch

logger = logging.getLogger(__name__)

_DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Dtype of each TRAIN.PRECISION and TEST.PRECISION in which convolutions and matrix products are computed."""


def dtype_of(precision: str) -> torch.dtype:
    """Return the dtype in which a TRAIN.PRECISION or TEST.PRECISION computes convolutions and matrix products."""
    return _DTYPES[precision]


def choose_precision(key: str, precision: str, device: torch.device) -> str:
    """Return the precision that a device computes in: `auto` is bf16 where the hardware supports it, else fp32.

    Args:
        key: TEST.PRECISION or TRAIN.PRECISION, for the log.
        precision: Value of the key.
        device: The device.
    """
    if precision != "auto":
        return precision
    chosen = "bf16" if has_native_bf16(device) else "fp32"
    logger.info("%s auto: %s", key, chosen)
    return chosen


def has_native_bf16(device: torch.device) -> bool:
    """Return True if a device multiplies bfloat16 in hardware.

    This is the case for GPUs since Ampere and for CPUs with AVX-512 BF16 or AMX.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which convolutions and matrix products are computed in `dtype`; off for float32."""
    enabled = dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else None, enabled=enabled)


def allow_tf32() -> None:
    """Let CUDA compute float32 convolutions and matrix products in TF32 (10 bits of mantissa, not 23)."""
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
