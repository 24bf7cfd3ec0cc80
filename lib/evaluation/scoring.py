"""Scores of predictions for any data set: PoseTrack's rules, or the scorer of the data set's files."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.dataset import TestSet
from lib.dataset.video_people import ABSENT, DAMAGED
from lib.evaluation.posetrack_metrics import check_truth, evaluate_videos
from lib.evaluation.posetrack_metrics import format_table as format_posetrack
from lib.evaluation.registry import SCORERS, find_scorer
from lib.formats.data_sets import is_posetrack
from lib.formats.video_annotations import VideoAnnotations
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


def is_ranked(data_set: str) -> bool:
    """Return True if people are ranked by their scores; otherwise each person has one pose, in their own box.

    Args:
        data_set: Name of the data set.
    """
    return is_posetrack(data_set) or (data_set in SCORERS and SCORERS[data_set].ranked)


def is_scorable(data_set: str, test_set: TestSet, tracking: bool = False) -> bool:
    """Return True if there is something to score, after checking that it can be scored.

    Args:
        data_set: Name of the data set.
        test_set: The test set.
        tracking: Tracks are scored too.

    Raises:
        InputError: Ground truth or boxes cannot be scored, or the data set has no scorer.
    """
    if not test_set.has_ground_truth:
        lacking = "there are no labels, or no head boxes or gt_valid.mat (MPII)"
        logger.info("not scored, because %s; submit the predictions to the benchmark's server", lacking)
        return False
    if is_posetrack(data_set):
        check_truth(test_set.videos, tracking)
        return True
    scorer = find_scorer(data_set)
    assert test_set.truth is not None  # only PoseTrack's test sets have none
    if not scorer.ranked and (test_set.dropped[ABSENT] or test_set.dropped[DAMAGED]):
        line = "not scored: some images are missing or damaged, and %s scores one pose for each person"
        logger.warning(line, data_set)
        return False
    scorer.check(test_set.truth, len(test_set.videos[0].joints))
    if not scorer.ranked and any(person.row < 0 for person in test_set.clips.people):
        raise InputError(f"{data_set} scores one pose for each labeled person: set TEST.USE_GT_BBOX True")
    return True


def score_videos(
    videos: Sequence[VideoAnnotations], predicted: Sequence[VideoAnnotations], tracking: bool = False
) -> dict[str, Any]:
    """Return PoseTrack's result, including `score`, the measure to compare trainings by.

    Args:
        videos: Ground truth of the videos.
        predicted: Prediction for each video.
        tracking: Score the tracks too.
    """
    result = evaluate_videos(zip(videos, predicted, strict=True), tracking)
    return result | {"score": result["table"]["Mean"]}


def score_files(data_set: str, truth: Path, predictions: Path, sigma_scale: float = 1.0) -> dict[str, Any]:
    """Score a file of predictions for a data set that is scored by files.

    Args:
        data_set: Name of a data set with a scorer.
        truth: Path to the ground truth.
        predictions: Path to the predictions.
        sigma_scale: Factor on the sigmas of OKS, if the data set is scored by OKS.

    Returns:
        Result of the scorer, including `score`, the measure to compare trainings by.
    """
    scorer = find_scorer(data_set)
    options = {"sigma_scale": sigma_scale} if scorer.ranked else {}
    result = scorer.evaluate(truth, predictions, **options)
    return result | {"score": result["table"][scorer.headline]}


def format_result(data_set: str, result: dict[str, Any]) -> str:
    """Return the table of a result as text.

    Args:
        data_set: Name of the data set.
        result: Result of `score_videos` or `score_files`.
    """
    return format_posetrack(result) if is_posetrack(data_set) else find_scorer(data_set).format(result)
