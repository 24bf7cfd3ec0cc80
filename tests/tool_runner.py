"""Run a tool as its command line does, without the seconds that importing PyTorch takes each time.

A server process imports what the tools import, once; each run is a fork of it. Tests of the start itself, of signals,
and of several processes start Python instead.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

_PRELOADED = ["tests.tool_modules"]


def run_tool(
    command: Sequence[str | Path], cwd: Path | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Return what a command did, as `subprocess.run(command, capture_output=True, text=True)` does.

    Args:
        command: Python, the path of a tool, and its arguments.
        cwd: Working folder of the tool.
        timeout: Seconds after which the tool is killed.

    Raises:
        subprocess.TimeoutExpired: The tool took too long.
    """
    python, *arguments = map(str, command)
    assert python == sys.executable, python
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        process = context.Process(target=_run, args=(arguments, str(cwd or Path.cwd()), dict(os.environ), outputs))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        texts = [path.read_text() for path in outputs]
        return subprocess.CompletedProcess(command, process.exitcode, *texts)


def _run(arguments: list[str], cwd: str, environment: dict[str, str], outputs: list[Path]) -> None:
    """Become the tool: its arguments, working folder, environment, and output."""
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        stream.flush()
        with open(path, "wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
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
