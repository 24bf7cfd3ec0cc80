"""Helpers that let the same code run in one process or in many processes started by `torchrun`."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from lib.utils.errors import InputError

PATIENCE = timedelta(days=1)
"""Time that a process waits for the others. Only the first process writes and scores results while the others wait to
continue training. On a large test set this takes longer than NCCL's default of ten minutes. If a process dies,
torchrun stops the others, so they do not wait for it."""


@contextmanager
def processes(device: torch.device) -> Iterator[tuple[int, int]]:
    """Join the processes started by `torchrun` for the duration of the block.

    Args:
        device: Device of this process. CUDA devices communicate through NCCL, CPUs through Gloo.

    Yields:
        Rank of this process and number of processes; (0, 1) without `torchrun`.

    Raises:
        InputError: Another process ended while this one waited for it, or did not answer in time.
    """
    if num_processes() == 1:
        yield 0, 1
        return
    _join("nccl" if device.type == "cuda" else "gloo")
    try:
        yield distributed.get_rank(), distributed.get_world_size()
    except RuntimeError as error:
        if "gloo/transport" not in str(error):
            raise
        late = "timed out" in str(error).lower()
        what = "did not answer in time" if late else "ended, as its own message says"
        raise InputError(f"another process of this run {what}") from None
    finally:
        distributed.destroy_process_group()


def _join(backend: str) -> None:
    """Join the processes that `torchrun` started at the same time.

    After a restart (`torchrun --max-restarts`), its store still holds the addresses of the processes before, so each
    restart has keys of its own.
    """
    if not int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)):
        distributed.init_process_group(backend, timeout=PATIENCE)
        return
    store, rank, count = next(distributed.rendezvous("env://", timeout=PATIENCE))
    own = distributed.PrefixStore(f"restart_{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    distributed.init_process_group(backend, store=own, rank=rank, world_size=count, timeout=PATIENCE)


def num_processes() -> int:
    """Return the number of processes started by `torchrun`, or 1."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def work_alone() -> None:
    """Make this process independent of the others that `torchrun` started, which share its work in another way."""
    os.environ["WORLD_SIZE"] = "1"


def data_parallel(net: nn.Module) -> nn.Module:
    """Return a wrapper of a net that averages gradients over all processes, or the net itself in a single process.

    Buffers, such as BatchNorm's statistics, stay those of each process until `broadcast_buffers`: to exchange them
    before each iteration, as DistributedDataParallel does by default, has no effect on the first process.

    Args:
        net: Net that is the same in all processes.
    """
    if not distributed.is_initialized():
        return net
    with warnings.catch_warnings():
        # PyTorch's new name of the option is not in all versions that are supported.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        return DistributedDataParallel(net, broadcast_buffers=False, gradient_as_bucket_view=True)


def broadcast_buffers(net: nn.Module) -> None:
    """Copy the buffers of the first process to all processes.

    Args:
        net: Net that has the same buffers in all processes.
    """
    if distributed.is_initialized():
        for buffer in net.buffers():
            distributed.broadcast(buffer, 0)


def highest(values: Sequence[int], device: torch.device) -> list[int]:
    """Return the highest of all processes' values at each position, the same in every process.

    Args:
        values: Values of this process.
        device: Device of this process.
    """
    if not distributed.is_initialized():
        return list(values)
    tensor = torch.tensor(values, dtype=torch.int64, device=device)
    distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
    return [int(value) for value in tensor.tolist()]


def local_rank() -> int:
    """Return the number of this process on its machine, which is also its index in the list of GPUs."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def gather(value: Any) -> list[Any]:
    """Return the values of all processes, ordered by rank, in every process.

    Args:
        value: Value of this process.
    """
    if not distributed.is_initialized():
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values
