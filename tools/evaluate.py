"""Score predictions against ground truth.

python tools/evaluate.py posetrack --gt data/posetrack18/annotations/val --pred output/…/predictions/aggregate/val
python tools/evaluate.py coco --gt data/coco/annotations/person_keypoints_val2017.json --pred predictions.json
python tools/evaluate.py mpii --gt data/mpii/annot/gt_valid.mat --pred pred.mat
python tools/evaluate.py aic --gt data/aic/annotations/aic_val.json --pred predictions.json --sigma-scale 2
python tools/evaluate.py pck --gt labels.json --pred poses.json --normalizer joints
"""

import argparse
import logging
import math
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401

from lib.evaluation.pck import NORMALIZERS
from lib.evaluation.posetrack_metrics import evaluate_posetrack, format_table
from lib.evaluation.registry import SCORERS, Scorer, pck_scorer
from lib.utils.errors import run
from lib.utils.files import claim_outputs, refuse_inside, write_json


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="DATASET", required=True)

    command = commands.add_parser("posetrack", help="PoseTrack17 and PoseTrack18: AP of joints, MOTA of tracks")
    command.add_argument(
        "--gt", type=Path, required=True, help="folder of the ground truth, a .json or .mat file per video"
    )
    command.add_argument("--pred", type=Path, required=True, help="folder of the predictions, with the same file names")
    command.add_argument("--tracking", action="store_true", help="also score the tracks (MOTA, MOTP, IDF1, HOTA)")
    command.set_defaults(evaluate=_posetrack)

    for name, scorer in (SCORERS | {"pck": pck_scorer("box")}).items():
        command = commands.add_parser(name, help=scorer.help, description=scorer.help)
        command.add_argument("--gt", type=Path, required=True, help=scorer.gt)
        command.add_argument("--pred", type=Path, required=True, help=scorer.pred)
        command.set_defaults(evaluate=_files, scorer=scorer)
        if scorer.ranked:
            command.add_argument(
                "--sigma-scale", type=_factor, default=1.0, help="factor on the sigmas of OKS (default: %(default)s)"
            )
    commands.choices["pck"].add_argument(
        "--normalizer",
        choices=NORMALIZERS,
        default="box",
        help="size that distances are relative to (default: %(default)s)",
    )

    for command in commands.choices.values():
        command.add_argument("--out", type=Path, help="output JSON file with all numbers")
    args = parser.parse_args()
    read = [("--gt", args.gt), ("--pred", args.pred)]
    claim_outputs([("--out", args.out)], read)
    for option, path in read:
        if path.is_dir() and args.out and args.out.suffix in (".json", ".mat"):
            refuse_inside([("--out", args.out)], path, f"it would be read as one of the files of {option}")
    result, table = args.evaluate(args)
    print(table)
    if args.out:
        from lib.utils.provenance import describe_command  # imports PyTorch, which takes seconds

        write_json(args.out, result | describe_command(), indent=True)


def _factor(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number greater than 0")
    return value


def _posetrack(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    result = evaluate_posetrack(args.gt, args.pred, tracking=args.tracking)
    return result, format_table(result)


def _files(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    scorer: Scorer = pck_scorer(args.normalizer) if "normalizer" in args else args.scorer
    options = {"sigma_scale": args.sigma_scale} if scorer.ranked else {}
    result = scorer.evaluate(args.gt, args.pred, **options)
    return result, scorer.format(result)


if __name__ == "__main__":
    run(main)
