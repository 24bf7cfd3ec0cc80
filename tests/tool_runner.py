"""Run a tool as its command line does, without the seconds that importing PyTorch takes each time.

A server process imports what the tools import, once; each run is a fork of it, and so is each tool that learn.py and
reproduce.py run. Tests of the start itself and of torchrun start Python instead.
"""

import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

from lib.utils import interrupts

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.tool_modules"])


class RunningTool:
    """A tool that has been started, with the part of `subprocess.Popen(…, stdout=PIPE, text=True)` that tests use.

    Args:
        command: Python, the path of a tool, and its arguments.
        cwd: Working folder of the tool.
        new_session: Make the tool the leader of a group of processes.
        one_output: Write errors where the output goes, as with `stderr=STDOUT`.

    Attributes:
        pid: Number of the process.
        stdout: What the tool prints.
        stderr: Its errors and log; with `one_output`, the same stream as `stdout`.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        cwd: Path | None = None,
        *,
        new_session: bool = False,
        one_output: bool = False,
    ) -> None:
        pipes = [_SERVER.Pipe(duplex=False) for _ in range(1 if one_output else 2)]
        outputs = [output for _, output in pipes]
        self._process = _start(command, cwd, [outputs[0], outputs[-1]], new_session=new_session)
        self.pid = self._process.pid
        for output in outputs:
            output.close()
        streams = [os.fdopen(os.dup(stream.fileno()), errors="replace") for stream, _ in pipes]
        self.stdout, self.stderr = streams[0], streams[-1]

    def __enter__(self) -> "RunningTool":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        self.wait()
        self.stdout.close()
        self.stderr.close()

    @property
    def returncode(self) -> int | None:
        """Exit status; None while the tool runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status, or None while the tool runs."""
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        """Return the exit status, when the tool has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)


def run_tool(
    command: Sequence[str | Path], cwd: Path | None = None, timeout: float = 600, *, max_file_size: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Return what a command did, as `subprocess.run(command, capture_output=True, text=True)` does.

    Args:
        command: Python, the path of a tool, and its arguments.
        cwd: Working folder of the tool.
        timeout: Seconds after which the tool is killed.
        max_file_size: Bytes that the tool may write to a file.

    Raises:
        subprocess.TimeoutExpired: The tool took too long.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = [Path(folder, name) for name in ("stdout", "stderr")]
        outputs = [Connection(os.open(path, os.O_WRONLY | os.O_CREAT), readable=False) for path in paths]
        for output in outputs:
            stack.enter_context(output)
        process = _start(command, cwd, outputs, max_file_size=max_file_size)
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, process.exitcode, *(path.read_text() for path in paths))


def _start(
    command: Sequence[str | Path],
    cwd: Path | None,
    outputs: list[Connection],
    *,
    new_session: bool = False,
    max_file_size: int | None = None,
) -> multiprocessing.Process:
    """Start a tool whose stdout and stderr are these files."""
    python, *arguments = map(str, command)
    assert python == sys.executable, python
    settings = (str(cwd or Path.cwd()), dict(os.environ), outputs, new_session, max_file_size)
    process = _SERVER.Process(target=_prepare, args=(arguments, *settings))
    process.start()
    return process


def _prepare(
    arguments: list[str],
    cwd: str,
    environment: dict[str, str],
    outputs: list[Connection],
    new_session: bool,
    max_file_size: int | None,
) -> None:
    """Become the tool, with its own working folder, environment, output, and limit."""
    if new_session:
        os.setsid()
    for number, output in zip((1, 2), outputs, strict=True):
        os.dup2(output.fileno(), number)
    for output in outputs:
        output.close()
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering) for number, buffering in ((1, -1), (2, 1)))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # of tests in the background it is ignored
    if max_file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_size, max_file_size))
    _run(arguments)


class _Fork:
    """A command of a tool that runs others, in place of the `subprocess.Popen` of lib/utils/interrupts.py."""

    def __init__(self, command: Sequence[str]) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=(command[1:],))
        self._process.start()

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode


def _run(arguments: list[str]) -> None:
    """Become the tool."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in a new process; this tool may have set handlers
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    interrupts.subprocess = SimpleNamespace(Popen=_Fork)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).parent)
    code = 0
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for child in multiprocessing.active_children():
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads end with the process, as in Python's own end
