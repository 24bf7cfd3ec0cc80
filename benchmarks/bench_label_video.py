"""Time tools/label_video.py on a synthetic video, and measure the labels against the truth.

python benchmarks/bench_label_video.py short
python benchmarks/bench_label_video.py long --methods warp dis --out long.json

short: 41 frames of 640×480 pixels, 4 people, every 15th frame labeled. long: 1,500 frames of 1024×1024 pixels, 2
people, every 50th frame labeled; the video alone takes minutes to generate. The peers are optical flow and
interpolation, which learn nothing.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from timing import keep, output_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.synthetic.presets import PRESETS, VideoSpec
from lib.synthetic.videos import make_videos

ROOT = Path(__file__).resolve().parent.parent
CALM = replace(PRESETS["default"], tempo=0.2, damage=0.0, occlusion=0.0, blur=0.1, noise=2, camera=0.2)
METHODS = {  # options of label_video.py; the first is its default
    "warp": [],
    "dis": ["--method", "dis", "--fuse", "TEST.PROPAGATE.REFINE", "0"],
    "lucas_kanade": ["--method", "lucas_kanade", "--fuse", "TEST.PROPAGATE.REFINE", "0"],
    "linear": ["--method", "linear", "TEST.PROPAGATE.REFINE", "0"],
}


@dataclass(frozen=True)
class Work:
    """A video to label.

    Attributes:
        spec: Specification of the video.
        every: Interval of the frames whose labels are given.
    """

    spec: VideoSpec
    every: int


WORKS = {
    "short": Work(replace(CALM, width=640, height=480, frames=41, people=(4, 4)), 15),
    "long": Work(replace(CALM, width=1024, height=1024, frames=1500, people=(2, 2)), 50),
}


def label(folder: Path, work: Work, method: str, seed: int, opts: list[str]) -> dict[str, object]:
    """Label a video from scratch, and return the time and the errors of the hidden labels."""
    out = folder / f"{method}.json"
    shutil.rmtree(out.with_suffix(""), ignore_errors=True)
    out.unlink(missing_ok=True)
    video, labels = (folder / kind / "val/500000_synthetic" for kind in ("images", "annotations"))
    command = [sys.executable, ROOT / "tools/label_video.py", "--video", video, "--labels", f"{labels}.json"]
    command += ["--out", out, "--every", str(work.every), *METHODS[method], "SEED", str(seed), *opts]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"label_video.py ended with status {done.returncode}")
    begins = [60 * float(minutes) for minutes in re.findall(r"\(([\d.]+) minutes so far", done.stdout)]
    (result,) = out.with_suffix("").glob("*/custom/*/posewarper/result-propagate-*.json")
    errors = json.loads(result.read_text())["tracks_by_distance"]
    announced = re.search(r"Time on this machine: about (.*)\.", done.stdout)
    return {
        "method": method,
        "seconds": round(seconds, 1),
        "stages": [round(end - begin) for begin, end in zip(begins, [*begins[1:], seconds], strict=True)],
        "announced": announced[1] if announced else None,
        "pck": errors["1+"]["pck"],
        "pixels": errors["1+"]["pixels"],
    }


def main() -> None:
    """Generate the video, label it by each method, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS, help="video to label")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="seed of the video and the training (%(default)s)")
    parser.add_argument("--videos", type=Path, help="folder to keep the video in; default: a temporary folder")
    parser.add_argument("--opts", nargs="*", default=[], metavar="KEY VALUE", help="keys of the recipe to change")
    parser.add_argument("--out", type=output_file, help="JSON file for the results")
    args = parser.parse_args()
    work = WORKS[args.work]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.videos or Path(temporary)) / f"{args.work}{args.seed}"
        make_videos(folder / "video", work.spec, {"train": 0, "val": 1}, seed=args.seed, processes=1)
        rows = []
        print(f"{'method':14}{'seconds':>9}  {'of the stages':20}{'PCK .05':>9}{'pixels':>8}")
        for method in args.methods:
            row = label(folder / "video", work, method, args.seed, args.opts)
            stages = " + ".join(map(str, row["stages"]))
            print(f"{method:14}{row['seconds']:9.0f}  {stages:20}{row['pck']:9.1f}{row['pixels']:8.1f}", flush=True)
            rows.append({"work": args.work, "seed": args.seed, "opts": args.opts, **row})
    if args.out:
        keep(args.out, rows)


if __name__ == "__main__":
    main()
