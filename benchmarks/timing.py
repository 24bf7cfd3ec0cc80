"""Time functions in turns, so that other load on the machine affects all of them; describe and save the results."""

import argparse
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, write_json

MIN_RUNS = 5


def time_in_turns(
    functions: Mapping[str, Callable[[], object]], seconds: float, finish: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Run functions in turns, for `seconds` in total and at least MIN_RUNS times each, after one warm-up run.

    Args:
        functions: Functions to time, by name.
        seconds: Time for all functions together.
        finish: Waits for work that a function has started, such as torch.cuda.synchronize on a GPU.

    Returns:
        Milliseconds of every run, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(next(iter(times.values()))) < MIN_RUNS:
        for name, function in functions.items():
            finish()
            start = time.perf_counter()
            function()
            finish()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


@contextmanager
def timed_modules(modules: nn.ModuleList, finish: Callable[[], None]) -> Iterator[list[float]]:
    """Add the milliseconds spent in modules to the last number of the list that this yields."""
    spent: list[float] = []
    started = 0.0

    def start(*_: object) -> None:
        nonlocal started
        finish()
        started = time.perf_counter()

    def stop(*_: object) -> None:
        finish()
        spent[-1] += 1e3 * (time.perf_counter() - started)

    hooks = [module.register_forward_pre_hook(start) for module in modules]
    hooks += [module.register_forward_hook(stop) for module in modules]
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


def median_and_spread(times: list[float]) -> tuple[float, float]:
    """Return the median, and half the interquartile range relative to it."""
    low, median, high = statistics.quantiles(times, n=4)
    return median, (high - low) / 2 / median


def machine() -> dict[str, str]:
    """Return what results depend on: processor, GPU, versions, date and command."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = re.findall(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE)
        processor = names[0] if names else processor
    found = {
        "processor": f"{processor}, {torch.backends.cpu.get_cpu_capability()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "command": shlex.join(["python", *sys.argv]),
    }
    for package in ("torchvision", "mmcv", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def output_file(text: str) -> Path:
    """Return the path of an output file, as the type of `--out`.

    Raises:
        argparse.ArgumentTypeError: The file exists, and no benchmark wrote it.
    """
    try:
        claim_outputs([("file", text)])
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def keep(path: Path, rows: list[dict]) -> None:
    """Write the rows, and what they depend on, as JSON."""
    write_json(path, {"machine": machine(), "rows": rows}, indent=True)
    print(f"kept in {path}")
