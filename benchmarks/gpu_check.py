"""Check and time everything that needs a GPU, and write the outcome to benchmarks/results/<device>.json.

python benchmarks/gpu_check.py
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from timing import keep

ROOT = Path(__file__).resolve().parent.parent
MAX_SECONDS = 20 * 60  # of all steps together


def build_steps(folder: Path) -> dict[str, list[str]]:
    """Return the commands by name, in order.

    Args:
        folder: Folder of what they write.
    """
    python = sys.executable
    sanitizer = shutil.which("compute-sanitizer") or "compute-sanitizer"
    benches = {
        name: [python, f"benchmarks/{name}.py", "--out", str(folder / f"{name}.json")]
        for name in ("bench_deform_conv", "bench_nms", "bench_engine")
    }
    learn = [python, "tools/learn.py", "--experiment", "w32_256x192", "--out", str(folder / "learn")]
    return {
        "GPU tests": [python, "-m", "pytest", "-q", "-m", "gpu", "tests"],
        "compute-sanitizer": [sanitizer, "--error-exitcode", "1", python, "benchmarks/sanitize_deform_conv.py"],
        **benches,
        "both stages of HRNet-W32": [*learn, "--train", "40", "--val", "5", "TRAIN.END_EPOCH", "5"],
    }


def run_step(name: str, command: list[str], seconds: float) -> dict[str, object]:
    """Run a command and return its row: `step`, `passed`, `seconds`, and its last lines if it failed.

    Args:
        name: Name of the step.
        command: Program and arguments.
        seconds: Time after which the command is stopped.
    """
    print(f"{name}: {' '.join(command)}", flush=True)
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=ROOT, timeout=max(1, seconds), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        passed, output = done.returncode == 0, done.stdout
    except subprocess.TimeoutExpired:
        passed, output = False, f"stopped: all steps together may take {MAX_SECONDS // 60} minutes"
    except FileNotFoundError:
        passed, output = False, f"{command[0]} is not installed"
    row: dict[str, object] = {"step": name, "passed": passed, "seconds": round(time.perf_counter() - start, 1)}
    if not passed:
        row["output"] = output[-2000:]
    print(f"{name}: {'passed' if passed else 'FAILED'}\n{output[-2000:]}", flush=True)
    return row


def main() -> None:
    """Run the checks; exit with status 1 if one failed, and with 2 without a GPU."""
    if not torch.cuda.is_available():
        print("error: make gpu-check needs a CUDA GPU, and PyTorch finds none", file=sys.stderr)
        sys.exit(2)
    stop = time.perf_counter() + MAX_SECONDS
    with tempfile.TemporaryDirectory() as folder:
        steps = build_steps(Path(folder))
        rows = [run_step(name, command, stop - time.perf_counter()) for name, command in steps.items()]
        for row in rows:
            measured = Path(folder) / f"{row['step']}.json"
            if measured.exists():
                row["rows"] = json.loads(measured.read_text())["rows"]
    device = re.sub(r"\W+", "_", torch.cuda.get_device_name().lower())
    keep(ROOT / "benchmarks" / "results" / f"{device}.json", rows)
    if failed := [str(row["step"]) for row in rows if not row["passed"]]:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
