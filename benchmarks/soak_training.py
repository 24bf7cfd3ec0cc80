"""Kill trainings at random moments, resume them, and compare their ends with that of one without interruption.

python benchmarks/soak_training.py --kills 100 --seed 0

A tiny net learns from synthetic videos, with two reading processes. Weights and the history must be the same to the
bit.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from soaking import ROOT, Soak, kill_runs, run

from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos

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
OF_EPOCH = ("epoch", "loss", "accuracy", "lr", "samples", "test")


def outcome(folder: Path) -> dict[str, Any]:
    """Return the weights, the history and the names of the files of a complete training."""
    (trained,) = (folder / "output").glob("*/*/*")
    weights = {
        f"{name}:{key}": tensor.numpy().tobytes()
        for name in ("final_state.pth", "model_best.pth")
        for key, tensor in torch.load(trained / name, weights_only=True).items()
    }
    records = map(json.loads, (trained / "history.jsonl").read_text().splitlines())
    names = sorted(str(path.relative_to(trained)) for path in trained.rglob("*") if path.suffix != ".log")
    return weights | {"history": [{key: record[key] for key in OF_EPOCH} for record in records], "files": names}


def soak(work: Path, args: argparse.Namespace) -> Soak:
    """Kill trainings."""
    make_videos(work / "videos", VIDEOS, {"train": 4, "val": 1}, processes=1)

    def command(folder: Path) -> list[str | Path]:
        keys = KEYS | {"DATASET.ROOT": work / "videos", "OUTPUT_DIR": folder / "output", "LOG_DIR": folder / "log"}
        start = [sys.executable, ROOT / "tools/train.py", "--cfg", ROOT / "experiments/synthetic/demo/single.yaml"]
        return start + [str(part) for pair in keys.items() for part in pair]

    return kill_runs(work, args.kills, args.seed, command=command, outcome=outcome)


if __name__ == "__main__":
    run("training", __doc__, soak, kills=(100, "number of kills"))
