"""Batch sizes that are halved when memory runs out and doubled while a GPU has memory left."""

import logging
from collections.abc import Callable

import torch

from lib.dataset.clips import Clips
from lib.dataset.loaders import Batches
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

KEY = "TEST.BATCH_SIZE_PER_GPU"
MAX_SHARE = 0.45
"""Share of a GPU's memory up to which a batch is doubled, which leaves room for twice the memory and a reserve."""
MAX_CLIPS = 512
"""Largest batch size. Reading limits the speed well below it."""


class BatchSizer:
    """Run batches in parts that fit into memory, and remember the number of clips that fits.

    Args:
        device: Device that the batches go to.
        grows: Double the batch size while the device has enough memory.
    """

    def __init__(self, device: torch.device, *, grows: bool) -> None:
        self._device = device
        self._grows = grows
        self._size: int | None = None  # batch size that fits; None: that of the loader

    def begin(self, batches: Batches) -> None:
        """Apply the batch size that was found with earlier batches.

        Args:
            batches: Batches that are about to be read.
        """
        batches.size = self._size or batches.size

    def run(self, compute: Callable[[Clips], torch.Tensor], batch: Clips, batches: Batches) -> torch.Tensor:
        """Return the result for a batch, computed in smaller parts if memory runs out.

        Args:
            compute: Function from a batch of B clips to a tensor (B, …).
            batch: Clips to compute it for.
            batches: Batches that are being read. The size of later batches is adapted.

        Raises:
            InputError: Not even one clip fits into memory.
        """
        done: list[torch.Tensor] = []
        count, start = len(batch.frames), 0
        size = min(batches.size, count)
        while start < count:
            part = Clips(*(torch.as_tensor(column)[start : start + size] for column in batch))
            try:
                done.append(compute(part))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                out_of_memory = True
            else:
                out_of_memory = False
                start += size
            if out_of_memory:  # outside the handler, in which the error keeps the tensors alive
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
        logger.log(level, "%s: out of memory with %d clips; continuing with %d at a time", KEY, size, half)
        batches.size = self._size = half
        self._grows = False
        return half


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return True if an error reports that a GPU or the CPU is out of memory.

    Args:
        error: Error raised by PyTorch.
    """
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def memory_share(device: torch.device) -> float:
    """Return the peak share of a GPU's memory that was reserved.

    Args:
        device: The device.

    Returns:
        Share from 0 to 1; 1 for the CPU, on which larger batches are not faster.
    """
    if device.type != "cuda":
        return 1.0
    return torch.cuda.max_memory_reserved(device) / torch.cuda.get_device_properties(device).total_memory
