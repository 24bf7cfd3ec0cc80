"""How many cores there are to use."""

import os


def num_cores() -> int:
    """Cores that this process may run on, which a container or a batch system can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
