"""Shared parts of the soak_*.py scripts: commands that are killed at random moments, what differs, and the results.

Half of the kills are SIGKILL, which nothing can handle; the others are SIGTERM and Ctrl-C. Half of all go to the
processes that the command has started, too. All random choices depend on the seed.
"""

import argparse
import collections
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from timing import keep, output_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.utils.files import sha256
from lib.utils.unfinished import SUFFIX

ROOT = Path(__file__).resolve().parent.parent
STATUSES = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (130, -2)}  # or before Python is ready
SHARES = {signal.SIGKILL: 0.5, signal.SIGTERM: 0.25, signal.SIGINT: 0.25}
MESSAGES = "stderr.txt"
"""Name of the file in a run's folder that its messages on standard error are added to."""


@dataclass
class Soak:
    """Result of a soak.

    Attributes:
        kills: Number of kills by signal.
        counts: Other numbers, such as that of the runs.
        faults: Descriptions of everything that differs.
    """

    kills: collections.Counter[str] = field(default_factory=collections.Counter)
    counts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = [f"{self.kills.total()} kills"] if self.kills else []
        counts = [f"{value} {name}" for name, value in self.counts.items()]
        return ", ".join([*kills, *counts, f"{len(self.faults)} faults"])


def start(command: Sequence[str | Path], folder: Path, **options: Any) -> subprocess.Popen:
    """Start a command in its own process group.

    Args:
        command: The command.
        folder: Folder for its messages; created if necessary.
        **options: More arguments of Popen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / MESSAGES, "a") as errors:
        # A shell's background jobs ignore Ctrl-C, and their children inherit that.
        return subprocess.Popen(
            list(map(str, command)),
            **{"stdout": subprocess.DEVNULL, **options},
            stderr=errors,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def kill(process: subprocess.Popen, rng: np.random.Generator, soak: Soak) -> None:
    """Send a random signal to a process or to its group, wait for its end, and check its status."""
    number = signal.Signals(int(rng.choice(list(SHARES), p=list(SHARES.values()))))
    with suppress(ProcessLookupError):
        (os.killpg if rng.random() < 0.5 else os.kill)(process.pid, number)
    status = process.wait()
    soak.kills[number.name] += 1
    if status not in (0, *STATUSES[number]):
        soak.faults.append(f"status {status} after {number.name}")


def kill_runs(
    work: Path,
    kills: int,
    seed: int,
    *,
    command: Callable[[Path], Sequence[str | Path]],
    outcome: Callable[[Path], dict[str, Any]],
) -> Soak:
    """Kill runs of a command at random moments, continue each until it ends, and compare it with one without kills.

    Args:
        work: Folder for the runs.
        kills: Number of kills. The run after the last one is not killed.
        seed: Seed of the moments and signals.
        command: Returns the command whose results go to a folder.
        outcome: Returns the values to compare, by name, of a complete run in a folder.
    """
    rng, soak, runs = np.random.default_rng(seed), Soak(), 0
    begin = time.monotonic()
    whole = work / "whole"
    if start(command(whole), whole).wait():
        sys.exit((whole / MESSAGES).read_text())
    seconds, expected = time.monotonic() - begin, outcome(whole)
    while True:
        folder = work / f"run{runs}"
        process = start(command(folder), folder)
        is_last = soak.kills.total() == kills
        try:
            status = process.wait(None if is_last else rng.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            kill(process, rng, soak)
            continue
        if status:
            sys.exit((folder / MESSAGES).read_text())
        soak.faults += [f"{folder.name}: {fault}" for fault in [*differences(outcome(folder), expected), *left(folder)]]
        runs += 1
        soak.counts["runs"] = runs
        print(soak, flush=True)
        if is_last:
            return soak


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return the names of everything that differs or is in one of two outcomes only."""
    names = sorted({*found, *expected})
    return [f"{name} differs" for name in names if name not in found or found[name] != expected.get(name)]


def left(folder: Path) -> list[str]:
    """Return what a run must not leave: unfinished files and tracebacks."""
    faults = [f"{path.relative_to(folder)} is left" for path in folder.rglob(f".*{SUFFIX}")]
    return faults + ["a traceback on stderr"] * (folder / MESSAGES).read_text().count("Traceback")


def memory_of(process: int) -> float:
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_time(process: int) -> float:
    """Return the seconds of processor time of a process, which other load on the machine does not change much."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def checksums(folder: Path, *patterns: str) -> dict[str, str]:
    """Return the checksums of the files of a folder that fit a pattern, by their paths in it."""
    paths = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in paths}


def run(
    what: str, description: str, soak: Callable[[Path, argparse.Namespace], Soak], **numbers: tuple[int, str]
) -> None:
    """Run a soak from the command line. The exit status is 1 if anything differs.

    Args:
        what: Name of the subject.
        description: Text of `--help`.
        soak: Returns the result, given an empty folder and the arguments.
        **numbers: Default value and help of each option besides `--seed` and `--out`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, (value, text) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{text} (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    results = Path(__file__).resolve().parent / "results" / f"soak_{what}_{date.today()}.json"
    parser.add_argument("--out", type=Path, default=results, help="file for the figures (%(default)s)")
    args = parser.parse_args()
    output_file(str(args.out))
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(Path(folder), args)
    print(*result.faults, f"{what}: {result}", sep="\n")
    given = {name: value for name, value in vars(args).items() if name != "out"}
    row = {"what": what, **given, "killed": dict(result.kills), **result.counts, "faults": result.faults}
    keep(args.out, [row | {"seconds": round(time.monotonic() - begin)}])
    sys.exit(bool(result.faults))
