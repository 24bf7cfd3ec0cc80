"""Ctrl-C where Python would lose it."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Holds Ctrl-C back until the block ends; processes forked inside it do not hear it at all.

    Python drops a KeyboardInterrupt that comes while it forks, and the run would go on. A worker process is ended by
    its parent anyway. Elsewhere than in the main thread, which alone gets interrupts, the block is as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if pending and callable(previous):
        signal.raise_signal(signal.SIGINT)


def forgive_broken_connections(worker: int) -> None:
    """For `DataLoader(worker_init_fn=…)`: a worker is silent about a reader that was interrupted.

    The thread that hands tensors over would print a traceback if the reader leaves in the midst of it.
    """
    report = sys.excepthook

    def forgive(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, (ConnectionError, EOFError)):
            report(kind, error, trace)

    sys.excepthook = forgive
