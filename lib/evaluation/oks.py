"""OKS AP of COCO and related data sets, equal to the results of xtcocotools (github.com/jin-s13/xtcocoapi).

The matching and the precision are COCO's own (pycocotools). Differences of the related data sets are applied to the
input.
"""

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.evaluation.aic import evaluate_aic_format
from lib.evaluation.coco_scorer import CocoScorer
from lib.evaluation.tables import format_rows, mean_row
from lib.formats import aic
from lib.formats.coco_people import WHOLEBODY_FIELDS, LabeledPeople, PredictedPeople, read_labels, read_predictions
from lib.formats.data_sets import known_data_sets
from lib.pose.skeletons import Skeleton, find_skeleton
from lib.utils.errors import InputError
from lib.utils.files import read_json

CROWDING = ("AP(E)", "AP(M)", "AP(H)")
"""CrowdPose's easy, medium and hard images: with a crowdIndex below .2, below .8, and the rest."""

WHOLEBODY_PARTS = {
    "body": slice(0, 17),
    "foot": slice(17, 23),
    "face": slice(23, 91),
    "lefthand": slice(91, 112),
    "righthand": slice(112, 133),
    "wholebody": slice(0, 133),
}
"""Joints of the parts that COCO-WholeBody scores separately."""

BOX_SHARE = 0.53
"""Area of a person as a share of the box, if no area is given (xtcocotools)."""

logger = logging.getLogger(__name__)


def evaluate_oks(
    data_set: str, gt: str | Path, pred: str | Path, sigma_scale: float = 1.0
) -> dict[str, dict[str, float]]:
    """Score a file of predictions.

    Args:
        data_set: coco, ochuman, aic, crowdpose or coco_wholebody.
        gt: Path to the ground truth, a COCO-style file; for aic also a list of images in AI Challenger's own format.
        pred: Path to the predictions, a list of {image_id, category_id, keypoints (x, y, score of each joint), score},
            or in AI Challenger's own format. In the former case, image ids count the images of ground truth in the
            latter format from 1.
        sigma_scale: Factor on the data set's sigmas; MMPose 0.6 to 0.10 used 2 for AI Challenger.

    Returns:
        `table`: values from 0 to 1 by the names of STATS (lib.evaluation.coco_scorer); −1 where nobody is labeled.
        CrowdPose has CROWDING instead of the sizes, COCO-WholeBody has the name of the part before each name, and AI
        Challenger's own format has only `mAP`.

    Raises:
        InputError: A file is missing or malformed, or a prediction is for an image that the ground truth does not list.
    """
    content, predictions = read_json(gt), read_json(pred)
    if data_set == "aic" and isinstance(content, list) and not _are_results(predictions):
        return {"table": {"mAP": evaluate_aic_format(content, gt, predictions, pred, sigma_scale)}}
    sigmas, fields = sigma_scale * np.array(_skeleton(data_set).sigmas), _fields(data_set)
    score_keys = [f"{part}_score" for part in WHOLEBODY_PARTS] if data_set == "coco_wholebody" else ()
    labeled = _read_truth(data_set, content, gt)
    predicted = read_predictions(predictions, pred, fields, score_keys)
    check_ids(labeled, predicted, gt, pred)

    use_area = data_set not in ("aic", "crowdpose")
    box_areas = labeled.boxes[:, 2] * labeled.boxes[:, 3] * BOX_SHARE
    labeled = replace(labeled, areas=np.where(np.isnan(labeled.areas) | (not use_area), box_areas, labeled.areas))
    if data_set == "crowdpose":
        return {"table": _crowdpose_table(labeled, predicted, sigmas)}
    if data_set == "coco_wholebody":
        return {"table": _wholebody_table(labeled, predicted, sigmas)}
    return {"table": CocoScorer(labeled, predicted, sigmas).table()}


def check_truth(data_set: str, gt: str | Path) -> None:
    """Check that predictions in COCO's results format can be scored by a file of ground truth.

    Args:
        data_set: coco, ochuman, aic, crowdpose or coco_wholebody.
        gt: Path to the ground truth.

    Raises:
        InputError: A key is missing or has a wrong value. The message names file, record and key.
    """
    _read_truth(data_set, read_json(gt), gt)


def _skeleton(data_set: str) -> Skeleton:
    return find_skeleton(known_data_sets()[data_set].joints)


def _fields(data_set: str) -> dict[str, int]:
    """Return the number of joints by the keys that contain them."""
    return WHOLEBODY_FIELDS if data_set == "coco_wholebody" else {"keypoints": _skeleton(data_set).num_joints}


def _are_results(predictions: Any) -> bool:
    """Return True if predictions are in COCO's results format, and not in AI Challenger's."""
    return isinstance(predictions, list) and any(isinstance(one, dict) and "keypoints" in one for one in predictions)


def _read_truth(data_set: str, content: Any, gt: str | Path) -> LabeledPeople:
    if data_set == "aic" and isinstance(content, list):
        content = aic.to_coco(content, gt, _skeleton(data_set).names)
    labeled = read_labels(content, gt, _fields(data_set))
    unknown = np.isnan(labeled.crowd_indices)
    if data_set == "crowdpose" and unknown.any():
        raise InputError(f"{gt}: images[{unknown.argmax()}]: no 'crowdIndex', which says how hard an image is")
    return labeled


def format_table(result: dict[str, dict[str, float]]) -> str:
    """Return the table as text, times 100; for COCO-WholeBody with a row for each part and for the mean of the hands.

    Args:
        result: Result of `evaluate_oks`.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, value in result["table"].items():
        part, _, column = name.partition(" ") if name.split()[0] in WHOLEBODY_PARTS else ("", "", name)
        rows.setdefault(part, {})[column] = 100 * value if value >= 0 else math.nan
    if "lefthand" in rows:
        rows["hand"] = mean_row([rows["lefthand"], rows["righthand"]])
    return format_rows(rows)


def check_ids(labeled: LabeledPeople, predicted: PredictedPeople, gt: str | Path, pred: str | Path) -> None:
    """Check the image ids of predictions, and warn of predictions whose category the ground truth does not list.

    Args:
        labeled: Ground truth.
        predicted: Predictions.
        gt: Path to the ground truth, for messages.
        pred: Path to the predictions, for messages.

    Raises:
        InputError: A prediction is for an image that the ground truth does not list.
    """
    known = np.isin(predicted.images, labeled.image_ids)
    if not known.all():
        bad = int((~known).argmax())
        raise InputError(f"{pred}: predictions[{bad}]: image_id {predicted.images[bad]} is not in {gt}")
    others = int(np.count_nonzero(~np.isin(predicted.categories, labeled.category_ids)))
    if others:
        logger.warning("%s: %d predictions do not count: %s does not list their category_id", pred, others, gt)


def score_people(labeled: LabeledPeople, predicted: PredictedPeople, sigmas: np.ndarray) -> dict[str, float]:
    """Return COCO's AP and AR for people of all sizes, from 0 to 1; −1 where nobody is labeled.

    Args:
        labeled: Ground truth, with all boxes and areas.
        predicted: Predictions.
        sigmas: (J,) constants of OKS.
    """
    return CocoScorer(labeled, predicted, sigmas, sizes=False).table()


def _crowdpose_table(labeled: LabeledPeople, predicted: PredictedPeople, sigmas: np.ndarray) -> dict[str, float]:
    scorer = CocoScorer(labeled, predicted, sigmas, counted=labeled.num_keypoints, sizes=False)
    table = scorer.table()
    crowding = np.digitize(labeled.crowd_indices, (0.2, 0.8))
    for index, name in enumerate(CROWDING):
        scorer.score(labeled.image_ids[crowding == index].tolist())
        table[name] = round(float(scorer.eval["precision"].mean()), 4)
    return table


def _wholebody_table(labeled: LabeledPeople, predicted: PredictedPeople, sigmas: np.ndarray) -> dict[str, float]:
    table: dict[str, float] = {}
    for part, joints in WHOLEBODY_PARTS.items():
        own = replace(labeled, keypoints=labeled.keypoints[:, joints])
        key = "score" if part == "body" else f"{part}_score"
        found = replace(predicted, keypoints=predicted.keypoints[:, joints], scores={"score": predicted.scores[key]})
        stats = CocoScorer(own, found, sigmas[joints]).table()
        table |= {f"{part} {name}": value for name, value in stats.items()}
    return table
