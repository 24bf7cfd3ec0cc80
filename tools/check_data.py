"""Check the data of an experiment: count what its annotations list, and find images that are missing or broken.

python tools/check_data.py --cfg experiments/coco/resnet/res50_256x192_d256x3_adam_lr5e-4.yaml
python tools/check_data.py --cfg experiments/posetrack/hrnet/w48_384x288_adam_lr1e-4.yaml --decode --dataDir /big

Exit status 1: an image is missing, misplaced or broken.
"""

import argparse
import logging
import sys
from collections import Counter

import _init_paths  # noqa: F401
from tqdm import tqdm

from lib.config import parse_arguments
from lib.dataset.check import PROBLEMS, Listing, build_listings, find_problems
from lib.utils.errors import run

SHOWN = 20


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decode", action="store_true", help="decode every image, not its header alone: takes long")
    cfg, _, args = parse_arguments(parser)
    listings, absent = build_listings(cfg)
    for line in absent:
        print(f"not checked: {line}")
    if sum(report(listing, args.decode) for listing in listings):
        sys.exit(1)


def report(listing: Listing, whole: bool) -> int:
    """Print what a listing holds and the first of its problems; return the number of problems."""
    counts = f"{len(listing.images)} images, {listing.people} people, {listing.joints} labeled joints"
    print(f"{listing.annotations}: {counts}", flush=True)
    problems: Counter[str] = Counter()
    for problem in tqdm(find_problems(listing, whole), total=len(listing.images), unit="image", disable=None):
        if problem:
            problems[problem.kind] += 1
            if problems.total() <= SHOWN:
                tqdm.write(f"{problem.kind:<9}  {problem.line}")
    print("  " + ", ".join(f"{problems[kind]} {kind}" for kind in PROBLEMS), flush=True)
    return problems.total()


if __name__ == "__main__":
    run(main)
