"""Score predictions against ground truth.

python tools/evaluate.py posetrack --gt data/posetrack18/annotations/val --pred output/…/predictions/aggregate/val
python tools/evaluate.py mpii --gt data/mpii/annot/gt_valid.mat --pred pred.mat
python tools/evaluate.py pck --gt labels.json --pred poses.json --normalizer joints
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401

from lib.evaluation.pck import NORMALIZERS, evaluate_jhmdb, evaluate_pck
from lib.evaluation.pckh import evaluate_mpii, evaluate_mpii_trb
from lib.evaluation.posetrack import evaluate_posetrack, format_table
from lib.evaluation.tables import format_rows
from lib.formats import mpii
from lib.formats.coco_poses import read_estimates, read_poses
from lib.utils.errors import run
from lib.utils.files import check_writable, write_json


def main() -> None:
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="DATASET", required=True)

    command = commands.add_parser("posetrack", help="PoseTrack17 and PoseTrack18: AP of joints, MOTA of tracks")
    command.add_argument("--gt", type=Path, required=True, help="folder of the ground truth, a .json or .mat per video")
    command.add_argument("--pred", type=Path, required=True, help="folder of the predictions, files of the same names")
    command.add_argument("--tracking", action="store_true", help="score the tracks too (MOTA, MOTP)")
    command.set_defaults(evaluate=_posetrack)

    command = commands.add_parser("mpii", help="MPII: PCKh@0.5")
    command.add_argument("--gt", type=Path, required=True, help="gt_valid.mat")
    command.add_argument("--pred", type=Path, required=True, help=".mat, .h5, .npy or .json with preds (people, 16, 2)")
    command.set_defaults(evaluate=_mpii)

    for name, text, evaluate in (
        ("mpii_trb", "MPII-TRB: PCKh@0.5 of skeleton and contour", _mpii_trb),
        ("jhmdb", "JHMDB: PCK@0.2 by box and by torso", _jhmdb),
        ("pck", "any joints: PCK, AUC and the mean error in pixels (EPE)", _pck),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--gt", type=Path, required=True, help="COCO-style file of the ground truth")
        command.add_argument("--pred", type=Path, required=True, help="list of {image_id, keypoints, annotation_id}")
        command.set_defaults(evaluate=evaluate)
    commands.choices["pck"].add_argument(
        "--normalizer", choices=NORMALIZERS, default="box", help="what distances are shares of (%(default)s)"
    )

    for command in commands.choices.values():
        command.add_argument("--out", type=Path, help="file to write all numbers to, as JSON")
    args = parser.parse_args()
    if args.out:
        check_writable(args.out.parent)
    result, table = args.evaluate(args)
    print(table)
    if args.out:
        write_json(args.out, result, indent=1)


def _posetrack(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    result = evaluate_posetrack(args.gt, args.pred, tracking=args.tracking)
    return result, format_table(result)


def _mpii(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    truth = mpii.read_truth(args.gt)
    result = evaluate_mpii(truth, mpii.read_predictions(args.pred, len(truth.points)))
    return result, format_rows({"PCKh": result["table"]})


def _mpii_trb(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    truth = read_poses(args.gt)
    result = evaluate_mpii_trb(truth, read_estimates(args.pred, truth))
    return result, format_rows({"PCKh": result["table"]})


def _jhmdb(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    truth = read_poses(args.gt)
    result = evaluate_jhmdb(truth, read_estimates(args.pred, truth))
    return result, format_rows({"box": result["table"], "torso": result["torso"]})


def _pck(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    truth = read_poses(args.gt)
    result = evaluate_pck(truth, read_estimates(args.pred, truth), args.normalizer)
    return result, format_rows({f"by {args.normalizer}": result["table"]})


if __name__ == "__main__":
    run(main)
