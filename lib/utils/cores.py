"""Number of available CPU cores."""

import os


def num_cores() -> int:
    """Return the number of cores available to this process, which a container or a batch system can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def num_workers(wanted: int) -> int:
    """Return the number of worker processes to start: at most one per core, shared by the processes of `torchrun`.

    Args:
        wanted: Number to start if there are as many cores; 0: none.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(wanted, max(1, num_cores() // processes))
