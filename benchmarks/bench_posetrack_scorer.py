"""Time the PoseTrack scorer, from process start to the table, on a synthetic set of PoseTrack18's size.

python benchmarks/bench_posetrack_scorer.py --runs 7
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_posetrack_set import make_set

TOOL = Path(__file__).resolve().parent.parent / "tools" / "evaluate.py"


def time_once(folder: Path, *options: str) -> tuple[float, float]:
    """Return the wall-clock seconds of a new process and the peak MiB of the largest of it and its workers."""
    command = [
        sys.executable,
        str(TOOL),
        "posetrack",
        "--gt",
        str(folder / "gt"),
        "--pred",
        str(folder / "pred"),
        *options,
    ]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_truth, num_predicted = make_set(folder, videos=74, frames=50, persons=5.7, regions=0.5, seed=0)
        print(f"74 videos, 3700 frames, {num_truth} ground-truth and {num_predicted} predicted persons")
        for label, options in (("load, AP", ()), ("load, AP, MOTA", ("--tracking",))):
            runs = [time_once(folder, *options) for _ in range(args.runs)]
            seconds = sorted(run[0] for run in runs)
            peak = max(run[1] for run in runs)
            figures = f"min {seconds[0]:.2f}  median {statistics.median(seconds):.2f}  max {seconds[-1]:.2f} s"
            print(f"{label:<15} {figures}, largest process {peak:.0f} MiB")


if __name__ == "__main__":
    main()
