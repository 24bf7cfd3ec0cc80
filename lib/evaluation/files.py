"""Scorers of whole data sets by name: a file of ground truth and a file of predictions in, a table out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lib.evaluation.custom import check_custom, evaluate_custom
from lib.evaluation.matching import match_poses
from lib.evaluation.oks import check_truth, evaluate_oks
from lib.evaluation.oks import format_table as format_oks
from lib.evaluation.pck import evaluate_jhmdb, evaluate_pck
from lib.evaluation.pckh import evaluate_mpii, evaluate_mpii_trb
from lib.evaluation.tables import format_rows
from lib.formats import mpii
from lib.formats.coco_people import LabeledPeople, read_labels, read_predictions
from lib.utils.errors import InputError
from lib.utils.files import read_json

POSES = "list of {image_id, keypoints, annotation_id}"


@dataclass(frozen=True)
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


def _oks(name: str, text: str, headline: str = "AP") -> Scorer:
    files = "file of the ground truth, COCO-style", "file of the predictions, in COCO's results form"
    return Scorer(
        text,
        *files,
        lambda gt, _: check_truth(name, gt),
        partial(evaluate_oks, name),
        format_oks,
        headline,
        ranked=True,
    )


def _of_poses(
    text: str, evaluate: Callable[..., dict[str, Any]], headline: str, rows: dict[str, str], **options: str
) -> Scorer:
    def score(gt: Path, pred: Path) -> dict[str, Any]:
        truth = _read_truth(gt)
        predicted = read_predictions(read_json(pred), pred, {"keypoints": len(truth.names)}, ranked=False)
        return evaluate(truth, match_poses(truth, predicted, pred), **options)

    def write(result: dict[str, Any]) -> str:
        return format_rows({name: result[key] for name, key in rows.items()})

    def check(gt: Path, _: int) -> None:
        truth = _read_truth(gt)
        evaluate(truth, truth.joints, **options)

    return Scorer(text, "COCO-style file of the ground truth", POSES, check, score, write, headline)


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


SCORERS = {
    "coco": _oks("coco", "COCO, 17 joints: AP and AR"),
    "ochuman": _oks("ochuman", "OCHuman, people who occlude each other: AP and AR"),
    "aic": _oks("aic", "AI Challenger, 14 joints: AP and AR, or the challenge's own mAP for files in its own form"),
    "crowdpose": _oks("crowdpose", "CrowdPose, 14 joints: AP and AR, and AP of easy, medium and hard images"),
    "coco_wholebody": _oks(
        "coco_wholebody",
        "COCO-WholeBody, 133 joints: AP and AR of body, foot, face, hands and whole body",
        "wholebody AP",
    ),
    "mpii": Scorer(
        "MPII: PCKh@0.5",
        "gt_valid.mat",
        ".mat, .h5, .npy or .json with preds (people, 16, 2)",
        _check_mpii,
        _mpii,
        lambda result: format_rows({"PCKh": result["table"]}),
        "Mean",
    ),
    "mpii_trb": _of_poses("MPII-TRB: PCKh@0.5 of skeleton and contour", evaluate_mpii_trb, "Mean", {"PCKh": "table"}),
    "jhmdb": _of_poses(
        "JHMDB: PCK@0.2 by box and by torso", evaluate_jhmdb, "Mean", {"box": "table", "torso": "torso"}
    ),
    "custom": Scorer(
        "custom data, any joints: AP and AR by OKS, PCK, AUC and the mean error in pixels (EPE)",
        "COCO-style file of the ground truth; its category may have `sigmas`, the OKS constants of the joints",
        "file of the predictions, in COCO's results form; PCK needs the id of each pose's annotation",
        lambda gt, _: check_custom(gt),
        evaluate_custom,
        lambda result: format_rows({"": result["table"]}),
        "AP",
        ranked=True,
    ),
}
