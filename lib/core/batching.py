"""Sizes of batches: halved where memory runs out, and grown on a GPU until its memory is nearly full."""

import logging
from collections.abc import Callable

import torch

from lib.dataset.clips import Clips
from lib.dataset.loaders import Batches
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

KEY = "TEST.BATCH_SIZE_PER_GPU"
MAX_SHARE = 0.45
"""Share of a GPU's memory up to which a batch is doubled: twice the memory, and some to spare."""
MAX_CLIPS = 512
"""Largest batch. Reading takes longer than waiting for the GPU long before."""


class BatchSizer:
    """Runs batches in parts that fit into memory, and keeps in mind how many clips fit.

    Args:
        device: Device that the batches go to.
        grows: Double the size of batches while the device has the memory for it.
    """

    def __init__(self, device: torch.device, *, grows: bool) -> None:
        self._device = device
        self._grows = grows
        self._size: int | None = None  # clips of a batch that fits; None: those of the loader

    def begin(self, batches: Batches) -> None:
        """Take up the size that earlier batches were found to fit with.

        Args:
            batches: Batches about to be read.
        """
        batches.size = self._size or batches.size

    def run(self, compute: Callable[[Clips], torch.Tensor], batch: Clips, batches: Batches) -> torch.Tensor:
        """Return what is computed from a batch, in smaller parts where memory runs out.

        Args:
            compute: From a batch of B clips to a tensor (B, …).
            batch: The clips.
            batches: Batches that are read; the size of those to come is changed.

        Raises:
            InputError: Not even one clip fits into memory.
        """
        done: list[torch.Tensor] = []
        count, start = len(batch.index), 0
        size = min(batches.size, count)
        while start < count:
            part = Clips(*(column[start : start + size] for column in batch))
            try:
                done.append(compute(part))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                out_of_memory = True
            else:
                out_of_memory = False
                start += size
            if out_of_memory:  # not in the handler, where the error keeps the tensors alive
                size = self._halve(size, batches)
        if self._grows and count == batches.size and memory_share(self._device) < MAX_SHARE:
            batches.size = self._size = min(2 * batches.size, MAX_CLIPS)
        return done[0] if len(done) == 1 else torch.cat(done)

    def _halve(self, size: int, batches: Batches) -> int:
        if size == 1:
            raise InputError(f"{KEY}: not even one clip fits into the memory of {self._device}")
        half = size // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        level = logging.INFO if self._grows else logging.WARNING
        logger.log(level, "%s: out of memory with %d clips; going on with %d at a time", KEY, size, half)
        batches.size = self._size = half
        self._grows = False
        return half


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return True if an error says that there is no memory left on a GPU or on the CPU.

    Args:
        error: Error that PyTorch raised.
    """
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def memory_share(device: torch.device) -> float:
    """Return the share of a GPU's memory that was in use at most; 1 of the CPU, where larger batches gain nothing.

    Args:
        device: The device.
    """
    if device.type != "cuda":
        return 1.0
    return torch.cuda.max_memory_reserved(device) / torch.cuda.get_device_properties(device).total_memory
