"""Origin of a result: the command, the code, the machine, and the configuration."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_ROOT = Path(__file__).resolve().parents[2]
_START = time.monotonic()


def describe_run(device: torch.device, config: str) -> dict[str, Any]:
    """Return the record stored in every result file: `describe_command`, `versions`, and `config`.

    Args:
        device: Device that the net ran on.
        config: Complete configuration as YAML text.
    """
    from lib.utils.device import describe  # PyTorch takes seconds, and tools without a net do not need it

    return describe_command() | {"versions": describe(device), "config": config}


def describe_command() -> dict[str, Any]:
    """Return the `command`, the `commit` of the code, and the `seconds` since the tool was started."""
    return {"command": command_line(), "commit": commit(), "seconds": round(seconds(), 3)}


def log_header(config: str) -> str:
    """Return the first lines of a log file: command and commit as comments, followed by the configuration as YAML.

    Args:
        config: Complete configuration as YAML text.
    """
    return f"# {command_line()}\n# commit {commit()}\n{config}"


def command_line() -> str:
    """Return the command of this process as it was typed, with torchrun if it was used, and no passwords of URLs."""
    processes = os.environ.get("LOCAL_WORLD_SIZE")
    start = ["torchrun", "--nproc_per_node", processes] if processes else ["python"]
    return re.sub(r"://[^/@\s]*@", "://", shlex.join([*start, *sys.argv]))


@cache
def commit(root: Path = _ROOT) -> str | None:
    """Return the commit of the code at the first call, with the suffix "-dirty" if files have been changed since.

    Args:
        root: Folder of the code.

    Returns:
        40 hexadecimal digits, or None outside a git checkout or without git.
    """
    if not (root / ".git").exists():  # a copy inside another project's checkout has no commit of its own
        return None
    command = [
        "git",
        "--no-optional-locks",
        "-C",
        str(root),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def seconds() -> float:
    """Return the seconds since the tool was started."""
    return time.monotonic() - _START
