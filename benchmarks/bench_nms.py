"""Time pose suppression against its NumPy version, and box suppression against torchvision.

python benchmarks/bench_nms.py
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from timing import keep, median_and_spread, output_file, time_in_turns

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lib.nms.suppression as suppression
from lib.nms import nms, oks_nms, reference
from lib.pose.skeletons import POSETRACK


def oks_nms_in_numpy(*arguments: object) -> list[int]:
    """Run `oks_nms` with the NumPy reference kernels."""
    kernels, suppression.kernels = suppression.kernels, reference
    try:
        return oks_nms(*arguments)
    finally:
        suppression.kernels = kernels


def pose_case(num_poses: int) -> dict[str, Callable[[], object]]:
    """Return the functions to time on poses in clusters of about four, with overlaps from none to nearly complete."""
    rng = np.random.default_rng(0)
    centers = rng.uniform(0, 500, (num_poses // 4, 17, 2))[rng.integers(0, num_poses // 4, num_poses)]
    poses = centers + rng.normal(0, 1, (num_poses, 17, 2)) * rng.choice([1, 5, 20], (num_poses, 1, 1))
    arguments = poses, rng.random(num_poses), rng.uniform(2000, 40000, num_poses), np.array(POSETRACK.sigmas), 0.9
    return {"ours": lambda: oks_nms(*arguments), "NumPy": lambda: oks_nms_in_numpy(*arguments)}


def box_case(num_boxes: int) -> dict[str, Callable[[], object]]:
    """Return the functions to time on random boxes."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 800, (num_boxes, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(30, 200, (num_boxes, 2)), rng.random((num_boxes, 1))], 1)
    theirs, scores = torch.from_numpy(boxes[:, :4].copy()), torch.from_numpy(boxes[:, 4].copy())
    return {"ours": lambda: nms(boxes, 0.5), "torchvision": lambda: torchvision.ops.nms(theirs, scores, 0.5)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each line")
    parser.add_argument("--out", type=output_file, help="keep the figures in this JSON file")
    args = parser.parse_args()
    rows = []
    for what, make_case, sizes in (("poses", pose_case, (30, 100, 300)), ("boxes", box_case, (300, 1000, 5000))):
        for size in sizes:
            times = time_in_turns(make_case(size), args.seconds)
            (ours, spread), (other, other_spread) = (median_and_spread(of) for of in times.values())
            peer = list(times)[1]
            rows.append({"what": what, "size": size, "ms": ours, "spread": spread})
            rows[-1] |= {"peer": peer, "peer_ms": other, "peer_spread": other_spread, "ratio": other / ours}
            figures = f"{ours:8.3f} ±{spread:4.0%} ms  {peer} {other:8.3f} ±{other_spread:4.0%} ms"
            print(f"{size:>6} {what}  {figures}  {other / ours:5.1f}x", flush=True)
    if args.out:
        keep(args.out, rows)


if __name__ == "__main__":
    main()
