"""Handling of Ctrl-C and of the signals that batch systems and containers use to stop a process."""

import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn

STOPPING: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals of Ctrl-C; of SLURM, `docker stop`, and `kill`; and of a closed terminal (not on Windows)."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a run in the same way as Ctrl-C.

    Attributes:
        number: Number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def raise_on_signals() -> None:
    """Raise KeyboardInterrupt for signals that end the process, so that it can clean up; ignored signals stay ignored.

    Call this in the main thread.
    """
    for number in STOPPING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _terminate)


def ignore_signals() -> None:
    """Ignore all stopping signals, so that nothing interrupts the end of the process."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _heard() -> list[signal.Signals]:
    """The signals that are not ignored. A handler in place of SIG_IGN would be the default for a new program."""
    return [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]


def interrupt(number: int) -> NoReturn:
    """Raise the exception of a signal that ends the process.

    Args:
        number: Number of the signal.

    Raises:
        KeyboardInterrupt: Always; `Terminated` unless the signal is SIGINT.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if sys.platform != "win32" and threading.current_thread() is threading.main_thread():
        # A signal to the whole group also ends the workers of a DataLoader, and PyTorch would raise a RuntimeError.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    raise Terminated(number)


def _terminate(number: int, frame: FrameType | None) -> None:
    interrupt(number)


class HeldSignals:
    """Signals that end the process, and that are held until the process is ready.

    Args:
        patience: Seconds after the first signal during which others are held too. A later one ends the process at once.

    Attributes:
        number: Number of the first signal; 0: none was received.
    """

    def __init__(self, patience: float = math.inf) -> None:
        self.number = 0
        self._patience = patience
        self._received = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    def hold(self) -> None:
        """Hold signals from now on. Only the main thread receives signals, so in other threads this does nothing."""
        if threading.current_thread() is threading.main_thread():
            for number in _heard():
                self._previous[number] = signal.signal(number, self._receive)

    def let_go(self) -> None:
        """Handle later signals as before `hold`."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let a signal that was held or that is received in the block end the process at once."""
        self.let_go()
        try:
            if self.number:
                signal.raise_signal(self.number)
            yield
        finally:
            self.hold()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._received = number, now
        elif now - self._received > self._patience:
            self.let_go()
            signal.raise_signal(number)


@contextmanager
def defer_sigint(patience: float = math.inf) -> Iterator[HeldSignals]:
    """Defer signals that end the process until the block completes; processes forked in the block do not receive them.

    Python loses a KeyboardInterrupt raised during a fork, and the run would continue. Worker processes are ended by
    their parent anyway.

    Args:
        patience: Seconds after the first signal during which others are held too. A later one ends the process at once.

    Yields:
        The held signals.
    """
    signals = HeldSignals(patience)
    try:
        signals.hold()
        yield signals
    finally:
        signals.let_go()
    if signals.number:
        signal.raise_signal(signals.number)


def call_interruptibly(command: Sequence[str]) -> int:
    """Run a command and let it handle interrupts itself.

    Ctrl-C reaches the command directly, so it is ignored here. SIGTERM and SIGHUP, which may be sent to this process
    only, are forwarded. Signals that this process ignores, as under nohup, are ignored by the command as well.

    Args:
        command: Command and arguments.

    Returns:
        Exit status of the command.
    """
    commands: list[subprocess.Popen] = []
    received: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for running in commands:
            running.send_signal(number)

    previous = {
        number: signal.signal(number, (lambda *_: None) if number == signal.SIGINT else forward) for number in _heard()
    }
    try:
        commands.append(subprocess.Popen(command))
        for number in received:  # before the command was started
            commands[0].send_signal(number)
        return commands[0].wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def forgive_broken_connections(worker: int) -> None:
    """Suppress the traceback of a worker whose reader was interrupted; for `DataLoader(worker_init_fn=…)`.

    The thread that transfers tensors would print a traceback if the reader exits during the transfer.

    Args:
        worker: Number of the worker.
    """
    report = sys.excepthook

    def forgive(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, (ConnectionError, EOFError)):
            report(kind, error, trace)

    sys.excepthook = forgive


@contextmanager
def block_signals() -> Iterator[None]:
    """Block signals that end the process; workers that are started in the block get them in `outlive_signal`.

    Between the start of a worker and `worker_init_fn`, PyTorch's own handler would end the worker. Windows has no group
    of processes that gets a signal, and nothing is blocked there.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def outlive_signal(worker: int) -> None:
    """Let a worker outlive one signal to the process group, for a reader that defers it; for a DataLoader.

    PyTorch's own handler would end the worker, and with it the reader. Start the workers in `block_signals`.

    Args:
        worker: Number of the worker.
    """
    forgive_broken_connections(worker)
    for number in _heard():
        signal.signal(number, lambda number, frame: signal.signal(number, signal.SIG_DFL))
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
