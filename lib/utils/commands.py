"""Commands of tools/ that other tools run: learn.py and reproduce.py."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.utils.interrupts import call_interruptibly
from lib.utils.progress import RunProgress


def _from_here(path: Path) -> Path:
    """Return a path relative to the current folder, as typed in commands; unchanged on another drive of Windows."""
    try:
        return Path(os.path.relpath(path))
    except ValueError:
        return path


ROOT = _from_here(Path(__file__).resolve().parents[2])
ROWS = ROOT / "experiments" / "rows.yaml"


@dataclass(frozen=True)
class Step:
    """A command of tools/ and the file it leaves when done; None if the command itself finds what is left to do."""

    title: str
    arguments: list[str | Path]
    product: Path | None


def run_steps(steps: Sequence[Step]) -> None:
    """Run the steps whose product does not exist, in order.

    If a step fails or is interrupted, this tool exits in the same way.

    Args:
        steps: The steps to run.
    """
    progress = RunProgress(len(steps))
    for step in steps:
        done = step.product if step.product and step.product.exists() else None
        progress.begin(step.title, done)
        if not done and (status := call(step.arguments)):
            sys.exit(status)


def call(arguments: Sequence[str | Path]) -> int:
    """Print and run a command of tools/, and return its exit status."""
    command = format_command(arguments)
    print(f"$ {shlex.join(command)}", flush=True)
    status = call_interruptibly([sys.executable, *command[1:]])
    return status if status >= 0 else 128 - status


def format_command(arguments: Sequence[str | Path]) -> list[str]:
    """Return the words of a command of tools/ as typed in the current folder."""
    name, *rest = arguments
    return ["python", str(ROOT / "tools" / name), *map(str, rest)]
