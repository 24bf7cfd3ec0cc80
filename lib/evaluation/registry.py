"""Scorers of whole data sets by name: a file of ground truth and a file of predictions in, a table out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lib.evaluation.assignment import assign_poses
from lib.evaluation.custom import check_custom, evaluate_custom
from lib.evaluation.oks import check_truth, evaluate_oks
from lib.evaluation.oks import format_table as format_oks
from lib.evaluation.pck import evaluate_jhmdb, evaluate_pck
from lib.evaluation.pckh import evaluate_mpii, evaluate_mpii_trb
from lib.evaluation.tables import format_rows
from lib.formats import mpii
from lib.formats.coco_people import LabeledPeople, read_labels, read_predictions
from lib.formats.data_sets import DECLARATIONS, DataSet, known_data_sets
from lib.utils.errors import InputError
from lib.utils.files import read_json

POSES = "list of {image_id, keypoints, annotation_id}"


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scorer of a data set.

    Attributes:
        help: One-line description.
        gt: Description of the file of ground truth.
        pred: Description of the file of predictions.
        check: Takes the path to the ground truth and a number of people; raises InputError if it cannot be used to
            score predictions for them.
        evaluate: Takes the paths to both files, and for OKS a factor on the sigmas, `sigma_scale`; returns a result
            with `table`.
        format: Takes a result and returns text.
        headline: Column of the table to compare trainings by.
        ranked: True if people are scored by OKS and ranked by their scores; False if each person has one pose.
    """

    help: str
    gt: str
    pred: str
    check: Callable[[Path, int], object]
    evaluate: Callable[..., dict[str, Any]]
    format: Callable[[dict[str, Any]], str]
    headline: str
    ranked: bool = False


def _oks(headline: str, data_set: DataSet) -> Scorer:
    return Scorer(
        help=f"{data_set.description}: AP and AR by OKS",
        gt="COCO-style file of the ground truth",
        pred="file of the predictions, in COCO's results format",
        check=lambda gt, _: check_truth(data_set.name, gt),
        evaluate=partial(evaluate_oks, data_set.name),
        format=format_oks,
        headline=headline,
        ranked=True,
    )


def _of_poses(
    text: str, evaluate: Callable[..., dict[str, Any]], headline: str, rows: dict[str, str], **options: str
) -> Scorer:
    def score(gt: Path, pred: Path) -> dict[str, Any]:
        truth = _read_truth(gt)
        predicted = read_predictions(read_json(pred), pred, {"keypoints": len(truth.names)}, ranked=False)
        return evaluate(truth, assign_poses(truth, predicted, pred), **options)

    def write(result: dict[str, Any]) -> str:
        return format_rows({name: result[key] for name, key in rows.items()})

    def check(gt: Path, _: int) -> None:
        truth = _read_truth(gt)
        evaluate(truth, truth.joints, **options)

    return Scorer(
        help=text,
        gt="COCO-style file of the ground truth",
        pred=POSES,
        check=check,
        evaluate=score,
        format=write,
        headline=headline,
    )


def find_scorer(data_set: str) -> Scorer:
    """Return the scorer of a data set.

    Args:
        data_set: Name of the data set.

    Raises:
        InputError: There is no scorer of this name.
    """
    if data_set not in SCORERS:
        known = ", ".join(SCORERS)
        raise InputError(
            f"DATASET.DATASET {data_set}: there is no scorer of this name, only {known}; "
            f"set TEST.EVALUATE False to predict without scoring"
        )
    return SCORERS[data_set]


def _read_truth(gt: Path) -> LabeledPeople:
    truth = read_labels(read_json(gt), gt)
    if not truth.labeled.any():
        raise InputError(f"{gt}: no annotation has a labeled joint: there is nothing to score")
    return truth


def _check_mpii(gt: Path, num_people: int) -> None:
    count = len(mpii.read_truth(gt).joints)
    if count != num_people:
        raise InputError(
            f"{gt}: {count} people, but the annotations list {num_people}: this is another split; "
            f"set TEST.EVALUATE False to predict without scoring"
        )


def _mpii(gt: Path, pred: Path) -> dict[str, Any]:
    truth = mpii.read_truth(gt)
    return evaluate_mpii(truth, mpii.read_predictions(pred, len(truth.joints)))


def pck_scorer(normalizer: str) -> Scorer:
    """Return the scorer for any joints.

    Args:
        normalizer: Size that errors are relative to, one of lib.evaluation.pck.NORMALIZERS.
    """
    text = "any joints: PCK, AUC and the mean error in pixels (EPE)"
    return _of_poses(text, evaluate_pck, "PCK@0.2", {f"by {normalizer}": "table"}, normalizer=normalizer)


def _mpii_scorer(data_set: DataSet) -> Scorer:
    return Scorer(
        help=f"{data_set.description}: PCKh@0.5",
        gt="gt_valid.mat",
        pred=".mat, .h5, .npy or .json with preds (people, 16, 2)",
        check=_check_mpii,
        evaluate=_mpii,
        format=lambda result: format_rows({"PCKh": result["table"]}),
        headline="Mean",
    )


def _custom_scorer(data_set: DataSet) -> Scorer:
    return Scorer(
        help="custom data, any joints: AP and AR by OKS, PCK, AUC and the mean error in pixels (EPE)",
        gt="COCO-style file of the ground truth; its category may have `sigmas`, the OKS constants of the joints",
        pred="file of the predictions, in COCO's results format; PCK requires the id of each pose's annotation",
        check=lambda gt, _: check_custom(gt),
        evaluate=evaluate_custom,
        format=lambda result: format_rows({"": result["table"]}),
        headline="AP",
        ranked=True,
    )


def _trb_scorer(data_set: DataSet) -> Scorer:
    return _of_poses(f"{data_set.description}: PCKh@0.5", evaluate_mpii_trb, "Mean", {"PCKh": "table"})


def _jhmdb_scorer(data_set: DataSet) -> Scorer:
    text = f"{data_set.description}: PCK@0.2 by box and by torso"
    return _of_poses(text, evaluate_jhmdb, "Mean", {"box": "table", "torso": "torso"})


RULES: dict[str, Callable[[DataSet], Scorer]] = {
    "oks": partial(_oks, "AP"),
    "oks_wholebody": partial(_oks, "wholebody AP"),
    "pckh_mpii": _mpii_scorer,
    "pckh_trb": _trb_scorer,
    "pck_jhmdb": _jhmdb_scorer,
    "pck": lambda _: pck_scorer("box"),
    "custom": _custom_scorer,
}
"""Rules of scoring by the name that a data set's declaration gives as its `scorer`."""


def _build_scorers() -> dict[str, Scorer]:
    scored = {name: data_set for name, data_set in known_data_sets().items() if data_set.scorer}
    for name, data_set in scored.items():
        if data_set.scorer not in RULES:
            raise InputError(f"{DECLARATIONS}: {name}: scorer is {data_set.scorer}; it can be {', '.join(RULES)}")
    return {name: RULES[data_set.scorer](data_set) for name, data_set in scored.items()}


SCORERS = _build_scorers()
"""Scorers by data set."""
