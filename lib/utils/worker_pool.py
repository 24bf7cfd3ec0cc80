"""Processes that share tasks, and that end with the process that started them, whenever it is interrupted."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from lib.utils.errors import InputError


@contextmanager
def worker_pool(workers: int, method: str, start: Callable[[], None]) -> Iterator[ProcessPoolExecutor]:
    """Run a block with a pool of processes, which are ended if the block raises, even by a signal to all of them.

    `multiprocessing.Pool` would wait forever for the lock of a worker that a signal ended.

    Args:
        workers: Number of processes.
        method: Their start method, "fork" or "spawn".
        start: Called in each process first.

    Raises:
        InputError: A process was killed.
    """
    others = multiprocessing.active_children()
    with ProcessPoolExecutor(workers, multiprocessing.get_context(method), start) as pool:
        try:
            yield pool
        except BaseException as error:
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise InputError("a worker process was killed, perhaps because memory ran out") from None
            raise
