"""Write a model card of a trained net: its data, labels, training, and results, with gaps for what only you know.

python tools/card.py output/posetrack18/pose_hrnet/posewarper --out model_card.md
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401

from lib.evaluation.model_card import format_card
from lib.utils.errors import run
from lib.utils.files import atomic_path, claim_outputs


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the run, with result-train.json")
    parser.add_argument("--out", type=Path, required=True, help="output .md file")
    args = parser.parse_args()
    claim_outputs([("--out", args.out)], [("FOLDER", args.folder / "result-train.json")])
    card = format_card(args.folder)
    with atomic_path(args.out) as path:
        path.write_text(card, encoding="utf-8")
    print(f"{args.out}: complete the parts in brackets before you share the weights")


if __name__ == "__main__":
    run(main)
