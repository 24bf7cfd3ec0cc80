"""Scores of custom data with any joints: OKS AP, PCK, and errors in pixels."""

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.evaluation.assignment import assign_poses
from lib.evaluation.oks import BOX_SHARE, check_ids, score_people
from lib.evaluation.pck import evaluate_pck
from lib.formats.coco_people import LabeledPeople, PredictedPeople, read_labels, read_predictions
from lib.formats.json_fields import is_true, number_column
from lib.formats.posetrack18 import keypoint_sigmas
from lib.pose.crop import joints_box, widen_boxes
from lib.pose.skeletons import named_skeleton
from lib.utils.errors import InputError
from lib.utils.files import read_json

COLUMNS = ("AP", "AP .5", "AP .75", "AR", "PCK@0.05", "PCK@0.1", "PCK@0.2", "AUC", "EPE")

logger = logging.getLogger(__name__)


def evaluate_custom(gt: str | Path, pred: str | Path, sigma_scale: float = 1.0) -> dict[str, dict[str, Any]]:
    """Score a file of predictions with any joints.

    Images without labels do not count unless the file marks them with `is_labeled`. All people are of one category.

    Args:
        gt: Path to the ground truth, a COCO-style file. Its category may have `sigmas`, J constants of OKS; without
            them, all joints have the constant of `lib.pose.skeletons.named_skeleton`.
        pred: Path to the predictions, a list of {image_id, category_id, keypoints (x, y, score of each joint), score},
            and the `id` or `annotation_id` of the person if the pose belongs to one.
        sigma_scale: Factor on the constants of OKS.

    Returns:
        `table` with COLUMNS, times 100: AP and AR of OKS as in COCO; PCK by the person's box; AUC up to 30 pixels; EPE,
        the mean error in pixels. `joints`: PCK and EPE by joint name. If a labeled person has no pose of their own,
        PCK, AUC and EPE are NaN, and `joints` is empty.

    Raises:
        InputError: A file is missing or malformed, nobody is labeled, or a prediction is for an image that `gt` does
            not list.
    """
    content = read_json(gt)
    truth, sigmas = _prepare(content, gt)
    predicted = read_predictions(read_json(pred), pred, {"keypoints": len(truth.names)})
    predicted = replace(predicted, categories=np.ones_like(predicted.categories))
    check_ids(truth, predicted, gt, pred)
    kept = np.isin(predicted.images, _labeled_images(truth, content))
    ap = score_people(truth, _take(predicted, kept), sigma_scale * sigmas)
    table = {name: 100 * value if value >= 0 else math.nan for name, value in ap.items()}
    by_pose: dict[str, Any] = {"table": {}, "joints": {}}
    named = np.array([own is not None for own in predicted.annotation_ids], dtype=bool)
    poses = _take(predicted, named)
    labeled = np.any(truth.labeled, axis=1)
    lacking = {own for own, counts in zip(truth.annotation_ids, labeled, strict=True) if counts}
    lacking -= set(poses.annotation_ids)
    if lacking:
        logger.warning("no PCK: %d labeled people have no pose with the id of their annotation", len(lacking))
    else:
        by_pose = evaluate_pck(truth, assign_poses(truth, poses, pred), "box")
    table |= by_pose["table"]
    return {"table": {name: table.get(name, math.nan) for name in COLUMNS}, "joints": by_pose["joints"]}


def check_custom(gt: str | Path) -> None:
    """Check that predictions can be scored by a file of ground truth.

    Args:
        gt: Path to the ground truth.

    Raises:
        InputError: The file is malformed, nobody is labeled, or ids of annotations or images are missing or not unique.
    """
    _prepare(read_json(gt), gt)


def _prepare(content: Any, gt: str | Path) -> tuple[LabeledPeople, np.ndarray]:
    """Return the ground truth as it is scored, and (J,) constants of OKS.

    A person whose box has no size gets one around the joints (`widen_boxes`), and a person without an area gets a share
    of the box.
    """
    truth = read_labels(content, gt)
    labeled = truth.labeled
    if not labeled.any():
        raise InputError(f"{gt}: no annotation has a labeled joint: there is nothing to score")
    _check_unique(truth.image_ids.tolist(), f"{gt}: images")
    _check_unique(truth.annotation_ids, f"{gt}: annotations")
    boxes = truth.boxes.copy()
    sizeless = ~(boxes[:, 2:] > 0).all(axis=1)
    for person in np.flatnonzero(sizeless & labeled.any(axis=1)):
        box = joints_box(truth.joints[person, labeled[person]])
        boxes[person] = widen_boxes(box[None], boxes[person][None])[0]
    areas = number_column(content["annotations"], "area", 1, f"{gt}: annotations", math.nan)[:, 0]
    areas = np.where(areas > 0, areas, BOX_SHARE * boxes[:, 2] * boxes[:, 3])
    sigmas = named_skeleton(truth.names, keypoint_sigmas(content, gt)).sigmas
    one = np.ones_like(truth.person_categories)
    truth = replace(truth, boxes=np.nan_to_num(boxes), areas=np.nan_to_num(areas), person_categories=one)
    return replace(truth, category_ids=np.ones(1, dtype=np.int64)), np.array(sigmas)


def _check_unique(ids: list[int | None], where: str) -> None:
    seen = set()
    for index, own in enumerate(ids):
        if own is None or own in seen:
            fault = "no 'id'" if own is None else f"id {own} is used twice"
            raise InputError(f"{where}[{index}]: {fault}: give each a unique number")
        seen.add(own)


def _labeled_images(truth: LabeledPeople, content: dict[str, Any]) -> list[int]:
    """Return the ids of images that have people or are marked as labeled."""
    images = content["images"]
    marked = [
        own for own, image in zip(truth.image_ids.tolist(), images, strict=True) if is_true(image.get("is_labeled"))
    ]
    return [*marked, *truth.person_images.tolist()]


def _take(predicted: PredictedPeople, kept: np.ndarray) -> PredictedPeople:
    """Return the people where `kept` (P,) is True."""
    return PredictedPeople(
        images=predicted.images[kept],
        categories=predicted.categories[kept],
        annotation_ids=[own for own, keep in zip(predicted.annotation_ids, kept, strict=True) if keep],
        keypoints=predicted.keypoints[kept],
        areas=predicted.areas[kept],
        scores={key: scores[kept] for key, scores in predicted.scores.items()},
    )
