"""Time OKS AP, from process start to the table, against pycocotools on synthetic files of COCO val's size.

python benchmarks/bench_oks_scorer.py --runs 5
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TOOL = Path(__file__).resolve().parent.parent / "tools" / "evaluate.py"
PLAIN = """
import sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
truth = COCO(sys.argv[1])
scorer = COCOeval(truth, truth.loadRes(sys.argv[2]), "keypoints")
scorer.evaluate()
scorer.accumulate()
scorer.summarize()
"""


def make_files(gt: Path, pred: Path, images: int, people: float, predictions: int, seed: int) -> tuple[int, int]:
    """Write ground truth and predictions, most of them near a person; return the number of each."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for image in range(1, images + 1):
        count = rng.poisson(people)
        corners, sizes = rng.uniform(0, 400, (count, 2)), rng.uniform(20, 300, (count, 2))
        truths = corners[:, None] + sizes[:, None] * rng.random((count, 17, 2))
        labeled = np.where(rng.random((count, 17, 1)) < 0.7, 2, 0)
        for person in range(count):
            record = {"id": len(truth) + 1, "image_id": image, "category_id": 1, "iscrowd": 0}
            record |= {"bbox": [*corners[person], *sizes[person]], "area": 0.5 * sizes[person].prod()}
            record |= {"num_keypoints": int((labeled[person] > 0).sum())}
            truth.append(record | {"keypoints": np.hstack([truths[person], labeled[person]]).ravel().tolist()})
        for _ in range(predictions):
            near = truths[rng.integers(count)] if count else rng.uniform(0, 640, (17, 2))
            joints = near + rng.normal(0, rng.choice([2, 8, 40]), (17, 2))
            keypoints = np.hstack([joints, rng.random((17, 1))]).round(3).ravel().tolist()
            found.append({"image_id": image, "category_id": 1, "keypoints": keypoints, "score": rng.random()})
    listed = [{"id": image} for image in range(1, images + 1)]
    gt.write_text(json.dumps({"images": listed, "annotations": truth, "categories": [{"id": 1}]}))
    pred.write_text(json.dumps(found))
    return len(truth), len(found)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        gt, pred = Path(name, "gt.json"), Path(name, "pred.json")
        num_truth, num_found = make_files(gt, pred, images=5000, people=2.2, predictions=20, seed=0)
        print(f"5000 images, {num_truth} people, {num_found} predictions")
        commands = {
            "ours": [sys.executable, str(TOOL), "coco", "--gt", str(gt), "--pred", str(pred)],
            "pycocotools": [sys.executable, "-c", PLAIN, str(gt), str(pred)],
        }
        seconds: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(args.runs):
            for label, command in commands.items():  # in turn, so that other work on the machine falls on both
                start = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                seconds[label].append(time.perf_counter() - start)
        medians = {label: statistics.median(runs) for label, runs in seconds.items()}
        for label, runs in seconds.items():
            print(f"{label:<12} min {min(runs):.2f}  median {medians[label]:.2f}  max {max(runs):.2f} s")
        print(f"ratio        {medians['pycocotools'] / medians['ours']:.2f}")


if __name__ == "__main__":
    main()
