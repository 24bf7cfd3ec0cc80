"""Kill tools/label_video.py at random moments, run it again, and compare the labels with those of an uninterrupted run.

python benchmarks/soak_labeling.py --kills 50 --seed 0

A video file of two people is unpacked, both nets learn from the labels of three of its frames, and the labels are
propagated to the others. Labels and nets must be the same to the bit.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from clips import write_clip
from soaking import ROOT, Soak, checksums, kill_runs, run

FRAMES, LABELED = 24, (0, 11, 23)
KEYS = {
    "WORKERS": 1,
    "MODEL.IMAGE_SIZE": [64, 64],
    "TRAIN.END_EPOCH": 2,
    "DATASET.REPEAT": 4,
    "TRAIN.CHECKPOINT_EVERY": "2it",
}


def outcome(folder: Path) -> dict[str, Any]:
    """Return the labels, the weights and the names of the files of a complete run."""
    dense = json.loads((folder / "dense.json").read_text())
    weights = {
        f"{path.parent.name}:{key}": tensor.numpy().tobytes()
        for path in folder.glob("dense/*/custom/*/*/final_state.pth")
        for key, tensor in torch.load(path, weights_only=True).items()
    }
    labels = {key: dense[key] for key in ("images", "annotations", "categories")}
    names = sorted(path.name for path in folder.rglob("*") if path.suffix in (".pth", ".json", ".jpg", ".html"))
    return weights | labels | checksums(folder, "dense/frames/*.jpg") | {"files": names}


def soak(work: Path, args: argparse.Namespace) -> Soak:
    """Kill runs of label_video.py."""
    write_clip(work / "clip.mp4", FRAMES, work / "labels.json", LABELED)

    def command(folder: Path) -> list[str | Path]:
        start = [sys.executable, ROOT / "tools/label_video.py", "--video", work / "clip.mp4"]
        start += ["--labels", work / "labels.json", "--out", folder / "dense.json", "--review", folder / "review.html"]
        return start + [str(part) for pair in KEYS.items() for part in pair]

    return kill_runs(work, args.kills, args.seed, command=command, outcome=outcome)


if __name__ == "__main__":
    run("labeling", __doc__, soak, kills=(50, "number of kills"))
