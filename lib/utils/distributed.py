"""One process or many: `torchrun` starts them, everything else is the same code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

PATIENCE = timedelta(days=1)
"""How long a process waits for the others. The first one writes and scores alone, on a large test set for longer than
NCCL's own ten minutes, while the others wait to train on. For one that dies nobody waits: torchrun ends the others."""


@contextmanager
def processes(device: torch.device) -> Iterator[tuple[int, int]]:
    """Joins the processes that `torchrun` started: rank and number of processes; (0, 1) without it.

    Args:
        device: this process's own; CUDA devices talk through NCCL, CPUs through Gloo.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield 0, 1
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield distributed.get_rank(), distributed.get_world_size()
    finally:
        distributed.destroy_process_group()


def local_rank() -> int:
    """Number of this process on its machine, which is the number of its GPU among those that are used."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def gather(value: Any) -> list[Any]:
    """The values of all processes, by rank, in every process."""
    if not distributed.is_initialized():
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values
