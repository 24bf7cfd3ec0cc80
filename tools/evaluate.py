"""Score predictions against ground truth.

python tools/evaluate.py posetrack --gt data/posetrack18/annotations/val --pred output/…/predictions/aggregate/val
python tools/evaluate.py coco --gt data/coco/annotations/person_keypoints_val2017.json --pred predictions.json
"""

import argparse
import logging
from functools import partial
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401

from lib.evaluation.oks import evaluate_oks
from lib.evaluation.oks import format_table as format_oks_table
from lib.evaluation.posetrack import evaluate_posetrack, format_table
from lib.utils.errors import run
from lib.utils.files import check_writable, write_json

OKS = {
    "coco": "COCO, 17 joints: AP and AR",
    "ochuman": "OCHuman: the same of people who hide one another",
    "aic": "AI Challenger: the same of 14 joints, or of files in its own form its own mAP",
    "crowdpose": "CrowdPose: the same of 14 joints, and AP of easy, medium and hard images",
    "coco_wholebody": "COCO-WholeBody, 133 joints: AP and AR of body, foot, face, hands and the whole",
}


def main() -> None:
    logging.basicConfig(format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="DATASET", required=True)

    command = commands.add_parser("posetrack", help="PoseTrack17 and PoseTrack18: AP of joints, MOTA of tracks")
    command.add_argument("--gt", type=Path, required=True, help="folder of the ground truth, one .json per video")
    command.add_argument("--pred", type=Path, required=True, help="folder of the predictions, files of the same names")
    command.add_argument("--tracking", action="store_true", help="score the tracks too (MOTA, MOTP)")
    command.set_defaults(evaluate=_posetrack)

    for name, text in OKS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--gt", type=Path, required=True, help="file of the ground truth, COCO-style")
        command.add_argument("--pred", type=Path, required=True, help="file of the predictions, in COCO's results form")
        command.set_defaults(evaluate=partial(_oks, name))

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


def _oks(data_set: str, args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    result = evaluate_oks(data_set, args.gt, args.pred)
    return result, format_oks_table(result)


if __name__ == "__main__":
    run(main)
