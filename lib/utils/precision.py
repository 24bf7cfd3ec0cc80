"""Precision of nets: the dtype of convolutions, autocast, and TF32."""

import torch

_DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Dtype of each TRAIN.PRECISION and TEST.PRECISION in which convolutions and matrix products are computed."""


def dtype_of(precision: str) -> torch.dtype:
    """Return the dtype in which a TRAIN.PRECISION or TEST.PRECISION computes convolutions and matrix products."""
    return _DTYPES[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which convolutions and matrix products are computed in `dtype`; off for float32."""
    enabled = dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else None, enabled=enabled)


def allow_tf32() -> None:
    """Let CUDA compute float32 convolutions and matrix products in TF32 (10 bits of mantissa, not 23)."""
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
