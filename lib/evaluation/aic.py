"""AI Challenger's own mAP, for files in its own format."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats import aic
from lib.formats.aic import AicPeople
from lib.pose.skeletons import skeleton

logger = logging.getLogger(__name__)


def evaluate_aic_format(
    content: list[Any], gt: str | Path, predictions: Any, pred: str | Path, sigma_scale: float = 1.0
) -> float:
    """Return the mAP of predictions.

    Args:
        content: Content of the ground truth, a list of images in AI Challenger's own format.
        gt: Path to the ground truth, for messages.
        predictions: Content of the predictions, in the same format.
        pred: Path to the predictions, for messages.
        sigma_scale: Factor on the sigmas; 1 in the challenge.

    Returns:
        mAP from 0 to 1.

    Raises:
        InputError: A file is malformed.
    """
    labeled, predicted = aic.read(content, gt, boxes=True), aic.read(predictions, pred, boxes=False)
    others = len(predicted.keys() - labeled.keys())
    if others:
        logger.warning("%s: %d images do not count: %s does not have them", pred, others, gt)
    return mean_average_precision(labeled, predicted, sigma_scale)


def mean_average_precision(
    labeled: Mapping[str, AicPeople], predicted: Mapping[str, AicPeople], sigma_scale: float = 1.0
) -> float:
    """Return the challenge's own measure (keypoint_eval.py of github.com/AIChallenger/AI_Challenger_2017).

    It ignores scores: it is the share of people whose best prediction has an OKS above a threshold, averaged over
    thresholds from 0.5 to 0.95. One prediction may match several people. The number of people in an image is that of
    the labeled or of the predicted ones, whichever is larger. OKS uses only visible joints (v = 1) and the area of the
    box; it is 0 for a person without visible joints.

    Args:
        labeled: Labeled people by image.
        predicted: Predicted people by image.
        sigma_scale: Factor on the sigmas; 1 in the challenge.

    Returns:
        mAP from 0 to 1.
    """
    none = AicPeople(np.empty((0, aic.NUM_JOINTS, 3)), np.empty((0, 4)))
    variances = (2 * sigma_scale * np.array(skeleton("aic").sigmas)) ** 2
    best, count = [], 0
    for image, people in labeled.items():
        found = predicted.get(image, none)
        best += [
            _best_similarity(*person, found.keypoints, variances)
            for person in zip(people.keypoints, people.boxes, strict=True)
        ]
        count += max(len(people.keypoints), len(found.keypoints))
    thresholds = np.linspace(0.5, 0.95, 10)
    return float((np.array(best) > thresholds[:, None]).sum(axis=1).mean() / max(count, 1))


def _best_similarity(keypoints: np.ndarray, box: np.ndarray, found: np.ndarray, variances: np.ndarray) -> float:
    """Return the OKS of a person (14, 3) with the best of predictions (P, 14, 3); `variances` (14,) are (2σ)²."""
    visible = keypoints[:, 2] == 1
    if not visible.any() or not len(found):
        return 0.0
    squares = ((found[:, visible, :2] - keypoints[visible, :2]) ** 2).sum(axis=2)  # (P, V)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return float(np.exp(-squares / 2 / variances[visible] / (area + 1)).mean(axis=1).max())
