"""Commands of tools/ one after the other, for learn.py and propagate.py: what was done before is not done again."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(os.path.relpath(Path(__file__).resolve().parents[1]))  # from here, for commands that can be typed


@dataclass(frozen=True)
class Step:
    """A command of tools/, and the file that it leaves when it is done; None: it sees for itself what is left to do."""

    title: str
    arguments: list[str | Path]
    product: Path | None


def carry_out(steps: Sequence[Step]) -> None:
    """Run the steps whose product is not there; if one fails, or is interrupted, this tool ends like it."""
    start = time.monotonic()
    for number, step in enumerate(steps, start=1):
        print(f"\n[{number}/{len(steps)}] {step.title}", flush=True)
        if step.product and step.product.exists():
            print(f"done before: {step.product}", flush=True)
        else:
            _run(step.arguments)
        print(f"({(time.monotonic() - start) / 60:.1f} minutes so far)", flush=True)


def _run(arguments: list[str | Path]) -> None:
    name, *rest = arguments
    command = ["python", str(ROOT / "tools" / name), *map(str, rest)]
    print(f"$ {shlex.join(command)}", flush=True)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the command too, and that ends in good order
    status = subprocess.call([sys.executable, *command[1:]])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if status:
        sys.exit(status if status > 0 else 128 - status)
