"""Kill tools/demo.py at random moments, run it again, and compare poses and video with those of an uninterrupted run.

python benchmarks/soak_demo.py --kills 20 --seed 0

A net of random weights estimates two people of a video in clips of five frames. The poses must be the same, and so
must the bytes of the video.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from clips import write_boxes, write_clip
from soaking import ROOT, Soak, checksums, kill_runs, run

from lib.config import load_config
from lib.models import build_model

EXPERIMENT = ROOT / "experiments/synthetic/demo/posewarper.yaml"
FRAMES = 60


def outcome(folder: Path) -> dict[str, Any]:
    """Return the poses, the drawn video and the names of the files of a complete run."""
    poses = json.loads((folder / "poses.json").read_text())
    parts = {key: poses[key] for key in ("images", "annotations", "categories")}
    return parts | checksums(folder, "poses.mp4") | {"files": sorted(path.name for path in folder.iterdir())}


def soak(work: Path, args: argparse.Namespace) -> Soak:
    """Kill runs of demo.py."""
    write_clip(work / "clip.mp4", FRAMES)
    write_boxes(work / "boxes.json", FRAMES)
    torch.manual_seed(0)
    torch.save(build_model(load_config(EXPERIMENT)).state_dict(), work / "net.pth")

    def command(folder: Path) -> list[str | Path]:
        start = [sys.executable, ROOT / "tools/demo.py", "--video", work / "clip.mp4", "--boxes", work / "boxes.json"]
        start += ["--out", folder / "poses.mp4", "--cfg", EXPERIMENT, "--force"]
        return [*start, "TEST.MODEL_FILE", work / "net.pth", "OUTPUT_DIR", folder.with_name("output")]

    return kill_runs(work, args.kills, args.seed, command=command, outcome=outcome)


if __name__ == "__main__":
    run("demo", __doc__, soak, kills=(20, "number of kills"))
