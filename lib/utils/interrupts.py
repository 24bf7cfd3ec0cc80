"""Ctrl-C and the signals that batch systems and containers end a process with."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; SLURM, `docker stop`, `kill`; the terminal is closed."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a run as Ctrl-C does.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def raise_on_signals() -> None:
    """Let the signals that end a process raise KeyboardInterrupt, so that it ends in good order; ignored ones stay so.

    Call it in the main thread.
    """
    for number in STOPPING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _terminate)


def ignore_signals() -> None:
    """Let nothing interrupt the end of a process."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _heard() -> list[signal.Signals]:
    """The signals that are not ignored. A handler in place of SIG_IGN would be the default for a new program."""
    return [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


@contextmanager
def defer_sigint() -> Iterator[None]:
    """Hold back signals that end the process until the block ends; processes forked inside it do not hear them.

    Python drops a KeyboardInterrupt that comes while it forks, and the run would go on. A worker process is ended by
    its parent anyway. Elsewhere than in the main thread, which alone gets interrupts, the block is as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    previous = {}
    try:
        for number in _heard():
            previous[number] = signal.signal(number, lambda number, frame: pending.append(number))
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    for number in pending[:1]:
        signal.raise_signal(number)


def call_interruptibly(command: Sequence[str]) -> int:
    """Run a command, and leave it to that to end in good order; its exit status.

    Ctrl-C reaches the command too, so that it is ignored here. SIGTERM and SIGHUP, which may be for this process alone,
    are sent on. Signals that this process ignores, as under nohup, the command ignores as well.
    """
    commands: list[subprocess.Popen] = []
    told: list[int] = []

    def tell(number: int, frame: FrameType | None) -> None:
        told.append(number)
        for running in commands:
            running.send_signal(number)

    previous = {
        number: signal.signal(number, (lambda *_: None) if number == signal.SIGINT else tell) for number in _heard()
    }
    try:
        commands.append(subprocess.Popen(command))
        for number in told:  # before it ran
            commands[0].send_signal(number)
        return commands[0].wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def forgive_broken_connections(worker: int) -> None:
    """For `DataLoader(worker_init_fn=…)`: a worker is silent about a reader that was interrupted.

    The thread that hands tensors over would print a traceback if the reader leaves in the midst of it.
    """
    report = sys.excepthook

    def forgive(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, (ConnectionError, EOFError)):
            report(kind, error, trace)

    sys.excepthook = forgive
