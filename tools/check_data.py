"""Check the data of an experiment: count what its annotations list, and find missing or broken images.

python tools/check_data.py --cfg experiments/coco/resnet/res50_256x192_d256x3_adam_lr5e-4.yaml
python tools/check_data.py --cfg experiments/posetrack/hrnet/w48_384x288_adam_lr1e-4.yaml --decode --dataDir /big

Exit status 1: an image is missing, misplaced or broken.
"""

import argparse
import logging
import sys

import _init_paths  # noqa: F401

from lib.config import parse_arguments
from lib.utils.errors import run


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decode", action="store_true", help="decode every image, not only its header (slow)")
    cfg, _, args = parse_arguments(parser)

    from lib.dataset.check import build_listings, print_problems  # after the arguments: PyTorch takes seconds

    listings, absent = build_listings(cfg)
    for line in absent:
        print(f"not checked: {line}")
    if sum(print_problems(listing, args.decode) for listing in listings):
        sys.exit(1)


if __name__ == "__main__":
    run(main)
