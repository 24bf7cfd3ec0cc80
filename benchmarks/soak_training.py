"""Kill trainings at random moments, resume them, and compare their ends with those of one without interruption.

python benchmarks/soak_training.py --kills 100 --seed 0 --out soak.json

A tiny net learns from synthetic videos, with two reading processes. Half of the kills are SIGKILL, which nothing can
handle; the others are SIGTERM and Ctrl-C. Half of all go to the reading processes, too. The exit status is 1 if
anything differs.
"""

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from timing import keep, output_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos

ROOT = Path(__file__).resolve().parent.parent
VIDEOS = replace(PRESETS["default"], width=160, height=120, frames=6, people=(2, 2))
KEYS = {
    "WORKERS": 2,
    "MODEL.IMAGE_SIZE": [64, 96],
    "TRAIN.END_EPOCH": 4,
    "TRAIN.BATCH_SIZE_PER_GPU": 4,
    "TRAIN.WARMUP_ITERATIONS": 10,
    "TRAIN.EMA": 0.9,
    "TRAIN.CHECKPOINT_EVERY": "2it",
}
STATUSES = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (130, -2)}  # or before Python is ready
SHARES = {signal.SIGKILL: 0.5, signal.SIGTERM: 0.25, signal.SIGINT: 0.25}
OF_EPOCH = ("epoch", "loss", "accuracy", "lr", "samples", "test")


@dataclass
class Soak:
    """Counts of a soak.

    Attributes:
        kills: Number of kills by signal.
        trainings: Number of trainings that were killed and ended.
        faults: Descriptions of everything that differs.
    """

    kills: collections.Counter = field(default_factory=collections.Counter)
    trainings: int = 0
    faults: list[str] = field(default_factory=list)


def start(folder: Path, videos: Path) -> subprocess.Popen:
    """Start or resume a training in its own process group."""
    keys = KEYS | {"DATASET.ROOT": videos, "OUTPUT_DIR": folder / "output", "LOG_DIR": folder / "log"}
    command = [sys.executable, ROOT / "tools/train.py", "--cfg", ROOT / "experiments/synthetic/demo/single.yaml"]
    command += [str(part) for pair in keys.items() for part in pair]
    folder.mkdir(exist_ok=True)
    with open(folder / "stderr.txt", "a") as errors:
        # A shell's background jobs ignore Ctrl-C, and their children inherit that.
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def outcome(folder: Path) -> tuple[dict[str, torch.Tensor], list[dict], set[str]]:
    """Return the weights, the history and the names of the files of a complete training."""
    (run,) = (folder / "output").glob("*/*/*")
    weights = {
        f"{name}:{key}": tensor
        for name in ("final_state.pth", "model_best.pth")
        for key, tensor in torch.load(run / name, weights_only=True).items()
    }
    records = map(json.loads, (run / "history.jsonl").read_text().splitlines())
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.suffix != ".log"}
    return weights, [{key: record[key] for key in OF_EPOCH} for record in records], names


def compare(folder: Path, expected: Path) -> list[str]:
    """Return what differs between two complete trainings."""
    (weights, history, names), (other_weights, other_history, other_names) = outcome(folder), outcome(expected)
    faults = [f"{folder.name}: {key} differs" for key, one in weights.items() if not one.equal(other_weights[key])]
    faults += [f"{folder.name}: the histories differ"] if history != other_history else []
    faults += [f"{folder.name}: {name} is left or missing" for name in sorted(names ^ other_names)]
    text = (folder / "stderr.txt").read_text()
    return faults + [f"{folder.name}: a traceback in stderr"] * text.count("Traceback")


def soak(work: Path, kills: int, seed: int) -> Soak:
    """Kill trainings until there are enough kills and the last one ended."""
    rng, result = np.random.default_rng(seed), Soak()
    make_videos(work / "videos", VIDEOS, {"train": 4, "val": 1}, processes=1)
    begin = time.monotonic()
    whole = start(work / "whole", work / "videos")
    if whole.wait():
        sys.exit((work / "whole/stderr.txt").read_text())
    seconds = time.monotonic() - begin
    while True:
        folder = work / f"killed{result.trainings}"
        process = start(folder, work / "videos")
        is_last = result.kills.total() == kills
        try:
            status = process.wait(None if is_last else rng.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            number = int(rng.choice(list(SHARES), p=list(SHARES.values())))
            (os.killpg if rng.random() < 0.5 else os.kill)(process.pid, number)
            status = process.wait()
            result.kills[signal.Signals(number).name] += 1
            if status not in STATUSES[number] and status != 0:
                result.faults.append(f"{folder.name}: status {status} after {signal.Signals(number).name}")
            continue
        if status:
            sys.exit((folder / "stderr.txt").read_text())
        result.faults += compare(folder, work / "whole")
        result.trainings += 1
        print(f"{result.kills.total()} kills, {result.trainings} trainings, {len(result.faults)} faults", flush=True)
        if is_last:
            return result


def main() -> None:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=output_file, help="file for the counts")
    args = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(Path(folder), args.kills, args.seed)
    print(*result.faults, sep="\n")
    if args.out:
        row = {"what": "training", "seed": args.seed, "kills": dict(result.kills), "trainings": result.trainings}
        keep(args.out, [row | {"faults": result.faults, "seconds": round(time.monotonic() - begin)}])
    sys.exit(bool(result.faults))


if __name__ == "__main__":
    main()
