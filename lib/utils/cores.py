"""Number of available CPU cores."""

import os


def num_cores() -> int:
    """Return the number of cores available to this process, which a container or a batch system can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
