"""OKS AP of COCO and related data sets, equal to the results of xtcocotools (github.com/jin-s13/xtcocoapi).

The matching and the precision are COCO's own (pycocotools). Differences of the related data sets are applied to the
input.
"""

import io
import logging
import math
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lib.evaluation.aic import evaluate_own_form
from lib.evaluation.tables import format_rows, mean_row
from lib.formats import aic
from lib.formats.coco_people import WHOLEBODY_FIELDS, LabeledPeople, PredictedPeople, read_labels, read_predictions
from lib.formats.data_sets import known_data_sets
from lib.pose.skeletons import Skeleton, find_skeleton
from lib.utils.errors import InputError
from lib.utils.files import read_json

STATS = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")
"""COCO's measures of keypoints: means over OKS thresholds .5 to .95, at two of them, and of medium and large people."""

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
        gt: Path to the ground truth, a COCO-style file; for aic also a list of images in AI Challenger's own form.
        pred: Path to the predictions, a list of {image_id, category_id, keypoints (x, y, score of each joint), score},
            or in AI Challenger's own form. In the former case, image ids count the images of ground truth in that form
            from 1.
        sigma_scale: Factor on the data set's sigmas; MMPose 0.6 to 0.10 used 2 for AI Challenger.

    Returns:
        `table`: values from 0 to 1 by the names of STATS; −1 where nobody is labeled. CrowdPose has CROWDING instead of
        the sizes, COCO-WholeBody has the name of the part before each name, and AI Challenger's own form has only
        `mAP`.

    Raises:
        InputError: A file is missing or malformed, or a prediction is for an image that the ground truth does not list.
    """
    content, predictions = read_json(gt), read_json(pred)
    if data_set == "aic" and isinstance(content, list) and not _are_results(predictions):
        return {"table": {"mAP": evaluate_own_form(content, gt, predictions, pred, sigma_scale)}}
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
    return {"table": _Scorer(labeled, predicted, sigmas).table()}


def check_truth(data_set: str, gt: str | Path) -> None:
    """Check that predictions in COCO's results form can be scored by a file of ground truth.

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
    """Return True if predictions are in COCO's results form, and not in AI Challenger's."""
    return isinstance(predictions, list) and any(isinstance(one, dict) and "keypoints" in one for one in predictions)


def _read_truth(data_set: str, content: Any, gt: str | Path) -> LabeledPeople:
    if data_set == "aic" and isinstance(content, list):
        content = aic.to_coco(content, gt, _skeleton(data_set).names)
    labeled = read_labels(content, gt, _fields(data_set))
    unknown = np.isnan(labeled.crowd_indices)
    if data_set == "crowdpose" and unknown.any():
        raise InputError(f"{gt}: images[{unknown.argmax()}]: no 'crowdIndex', by which images count as easy or hard")
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
    return _Scorer(labeled, predicted, sigmas, sizes=False).table()


def _crowdpose_table(labeled: LabeledPeople, predicted: PredictedPeople, sigmas: np.ndarray) -> dict[str, float]:
    scorer = _Scorer(labeled, predicted, sigmas, counted=labeled.num_keypoints, sizes=False)
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
        stats = _Scorer(own, found, sigmas[joints]).table()
        table |= {f"{part} {name}": value for name, value in stats.items()}
    return table


class _Scorer(COCOeval):
    """COCO's keypoint evaluation on arrays.

    Like xtcocotools and unlike pycocotools, it leaves out predictions whose joints all have scores of 0 or less, and it
    ignores people without labeled joints, regardless of the counts in the file.

    Args:
        labeled: Ground truth, with all areas.
        predicted: Predictions.
        sigmas: (J,) constants of OKS.
        counted: (P,) numbers of joints in the file; people with 0 are ignored, and for NaN, joints with v > 0 are
            counted.
        sizes: Score medium and large people separately.
    """

    def __init__(
        self,
        labeled: LabeledPeople,
        predicted: PredictedPeople,
        sigmas: np.ndarray,
        counted: np.ndarray | None = None,
        sizes: bool = True,
    ) -> None:
        images, categories = ([{"id": n} for n in ids.tolist()] for ids in (labeled.image_ids, labeled.category_ids))
        truth, found = _label_records(labeled, counted), _prediction_records(predicted)
        with redirect_stdout(io.StringIO()):
            super().__init__(_coco(images, categories, truth), _coco(images, categories, found), "keypoints")
        self.params.kpt_oks_sigmas = sigmas
        if not sizes:
            self.params.areaRng, self.params.areaRngLbl = self.params.areaRng[:1], self.params.areaRngLbl[:1]
        self.score(self.params.imgIds)

    def score(self, image_ids: list[int]) -> None:
        """Set `eval` to the evaluation of some images.

        Args:
            image_ids: Ids of the images.
        """
        self.params.imgIds = image_ids
        with redirect_stdout(io.StringIO()):
            self.evaluate()
            self.accumulate()

    def table(self) -> dict[str, float]:
        """Return COCO's ten measures by name, without those of sizes if they are not scored."""
        with redirect_stdout(io.StringIO()):
            self.summarize()
        table = dict(zip(STATS, self.stats.tolist(), strict=True))
        sizes = len(self.params.areaRng) > 1
        return {name: value for name, value in table.items() if sizes or not name.endswith(")")}

    def computeOks(self, image: int, category: int) -> np.ndarray | list:  # noqa: N802 (the name is pycocotools')
        """Return the OKS of an image's best predictions (rows) with its labeled people (columns); [] without either.

        COCOeval computes the pairs one by one, which takes most of its time. The sums here are in the same order, so
        the bits are equal.

        Args:
            image: Id of the image.
            category: Id of the category.
        """
        truth = self._gts[image, category]
        found = sorted(self._dts[image, category], key=lambda person: -person["score"])[: self.params.maxDets[-1]]
        if not truth or not found:
            return []
        joints = np.stack([person["keypoints"] for person in found])[:, :, :2]  # (D, J, 2)
        variances = (2 * self.params.kpt_oks_sigmas) ** 2
        similarities = np.empty((len(found), len(truth)))
        for column, person in enumerate(truth):
            labeled = person["keypoints"][:, 2] > 0
            if labeled.any():
                offsets = joints - person["keypoints"][:, :2]
            else:  # ignored: the distance to its box, grown by its size on each side
                corner, size = np.split(np.array(person["bbox"]), 2)
                offsets = np.maximum(0, corner - size - joints) + np.maximum(0, joints - (corner + 2 * size))
                labeled = ~labeled
            errors = (offsets**2).sum(axis=2) / variances / (person["area"] + np.spacing(1)) / 2  # (D, J)
            similarities[:, column] = np.exp(-np.compress(labeled, errors, axis=1)).sum(axis=1) / labeled.sum()
        return similarities


def _label_records(labeled: LabeledPeople, counted: np.ndarray | None) -> list[dict[str, Any]]:
    num_keypoints = (labeled.keypoints[:, :, 2] > 0).sum(axis=1)
    if counted is not None:
        num_keypoints = np.where(np.isnan(counted), num_keypoints, counted)
    columns = {
        "image_id": labeled.person_images.tolist(),
        "category_id": labeled.person_categories.tolist(),
        "bbox": labeled.boxes.tolist(),
        "area": labeled.areas.tolist(),
        "iscrowd": labeled.crowd.tolist(),
        "num_keypoints": num_keypoints.tolist(),
        "keypoints": labeled.keypoints,
    }
    return _records(columns)


def _prediction_records(predicted: PredictedPeople) -> list[dict[str, Any]]:
    kept = (predicted.keypoints[:, :, 2] > 0).any(axis=1)
    columns = {
        "image_id": predicted.images[kept].tolist(),
        "category_id": predicted.categories[kept].tolist(),
        "score": predicted.scores["score"][kept].tolist(),
        "area": predicted.areas[kept].tolist(),
        "keypoints": predicted.keypoints[kept],
    }
    return _records(columns)


def _records(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record for each person, with ids from 1, because COCOeval treats people with id 0 as missing."""
    rows = zip(*columns.values(), strict=True)
    return [{"id": number, **dict(zip(columns, row, strict=True))} for number, row in enumerate(rows, start=1)]


def _coco(images: list[dict], categories: list[dict], annotations: list[dict]) -> COCO:
    coco = COCO()
    coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
    coco.createIndex()
    return coco
