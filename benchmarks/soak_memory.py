"""Measure the memory of tools/demo.py over many frames, and of tools/train.py over many iterations; it must not grow.

python benchmarks/soak_memory.py --frames 10000 --iterations 1000

The resident memory is compared between the beginning, when the first frames or the first epoch are done, and the end.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from clips import write_boxes, write_clip
from soaking import MESSAGES, ROOT, Soak, left, memory_of, run, start

from lib.config import load_config
from lib.models import build_model
from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos

EXPERIMENTS = ROOT / "experiments/synthetic/demo"
VIDEOS = replace(PRESETS["default"], width=160, height=120, frames=10, people=(2, 2))
BATCH_SIZE = 4
MAX_GROWTH = 1.05
"""Largest ratio of the memory at the end to that at the beginning."""


def measure(command: Sequence[str | Path], folder: Path, begun: Callable[[], bool]) -> list[float]:
    """Return the memory of a command in MB from a moment on until its end, every fifth of a second."""
    process, values = start(command, folder), []
    while process.poll() is None:
        time.sleep(0.2)
        if begun() and process.poll() is None:
            values.append(memory_of(process.pid))
    if process.returncode:
        sys.exit((folder / MESSAGES).read_text())
    return values[:-1]  # without a moment in which it ends


def judge(what: str, values: list[float], result: Soak) -> None:
    """Add the memory at the beginning and the end to a result."""
    part = max(1, len(values) // 10)
    first, last = (round(statistics.median(ends), 1) for ends in (values[:part], values[-part:]))
    result.counts |= {f"MB at the beginning of {what}": first, f"MB at the end of {what}": last}
    if last > MAX_GROWTH * first:
        result.faults.append(f"{what}: memory grows from {first} to {last} MB")


def soak(work: Path, args: argparse.Namespace) -> Soak:
    """Run both tools."""
    result = Soak(counts={"frames": args.frames, "iterations": args.iterations})
    write_clip(work / "clip.mp4", args.frames)
    write_boxes(work / "boxes.json", args.frames)
    torch.manual_seed(args.seed)
    torch.save(build_model(load_config(EXPERIMENTS / "posewarper.yaml")).state_dict(), work / "net.pth")
    demo: list[str | Path] = [sys.executable, ROOT / "tools/demo.py", "--video", work / "clip.mp4", "--force"]
    demo += ["--boxes", work / "boxes.json", "--json", work / "poses.json", "--cfg", EXPERIMENTS / "posewarper.yaml"]
    demo += ["TEST.MODEL_FILE", work / "net.pth", "OUTPUT_DIR", work / "output", "MODEL.IMAGE_SIZE", "[64,64]"]
    part = work / "poses.json.part"
    judge("demo", measure(demo, work, lambda: part.exists() and part.stat().st_size > 100_000), result)

    make_videos(work / "videos", VIDEOS, {"train": 10, "val": 1}, processes=1)
    train: list[str | Path] = [sys.executable, ROOT / "tools/train.py", "--cfg", EXPERIMENTS / "single.yaml"]
    keys = {"DATASET.ROOT": work / "videos", "OUTPUT_DIR": work / "output", "LOG_DIR": work / "log", "WORKERS": 0}
    keys |= {"MODEL.IMAGE_SIZE": [64, 64], "TRAIN.BATCH_SIZE_PER_GPU": BATCH_SIZE, "TRAIN.EMA": 0.9}
    keys |= {"TRAIN.END_EPOCH": 10, "DATASET.REPEAT": max(1, args.iterations // 50), "TEST.EVALUATE": False}
    train += [str(part) for pair in keys.items() for part in pair]
    history = "output/*/*/*/history.jsonl"
    values = measure(train, work, lambda: any(path.stat().st_size for path in work.glob(history)))
    judge("training", values, result)
    result.faults += left(work)
    return result


if __name__ == "__main__":
    numbers = {"frames": (10_000, "number of frames"), "iterations": (1000, "number of iterations")}
    run("memory", __doc__, soak, **numbers)
