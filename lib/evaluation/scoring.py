"""What the predictions of a test are scored by, whatever its data set: PoseTrack's rules, or those of its files."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.dataset import TestSet
from lib.dataset.posetrack import ABSENT
from lib.evaluation.files import SCORERS, find_scorer
from lib.evaluation.posetrack import check_truth, evaluate_videos
from lib.evaluation.posetrack import format_table as format_posetrack
from lib.formats.data_sets import is_posetrack
from lib.formats.posetrack import VideoAnnotations
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


def is_ranked(data_set: str) -> bool:
    """Whether people are ranked by their scores; else everybody has one pose, in his own box."""
    return is_posetrack(data_set) or (data_set in SCORERS and SCORERS[data_set].ranked)


def is_scorable(data_set: str, test_set: TestSet) -> bool:
    """Whether there is something to score; what would stop the scoring in the end is refused now.

    Args:
        data_set: name of the test set's.

    Raises:
        InputError: ground truth or boxes that cannot be scored, or a data set that nothing scores.
    """
    if not test_set.scorable:
        lacking = "no labels, or none with what they are scored by (head boxes; MPII: gt_valid.mat beside the list)"
        logger.info("%s: nothing to score; the predictions are for the benchmark's server", lacking)
        return False
    if is_posetrack(data_set):
        check_truth(test_set.videos)
        return True
    scorer = find_scorer(data_set)
    assert test_set.truth is not None  # only the sets in POSETRACK have none
    if not scorer.ranked and test_set.dropped[ABSENT]:
        logger.warning("%s is scored person by person, and images are not there: not scored", data_set)
        return False
    scorer.check(test_set.truth, len(test_set.videos[0].joints))
    if not scorer.ranked and any(person.row < 0 for person in test_set.clips.people):
        raise InputError(f"{data_set} is scored person by person: set TEST.USE_GT_BBOX True")
    return True


def score_videos(videos: Sequence[VideoAnnotations], predicted: Sequence[VideoAnnotations]) -> dict[str, Any]:
    """PoseTrack's result, and in it `score`, the figure to compare trainings by."""
    result = evaluate_videos(zip(videos, predicted, strict=True))
    return result | {"score": result["table"]["Mean"]}


def score_files(data_set: str, truth: Path, predictions: Path, sigma_scale: float = 1.0) -> dict[str, Any]:
    """Score a file of predictions of a data set that is scored by files.

    Args:
        data_set: name of one that has a scorer.
        truth, predictions: the files.
        sigma_scale: factor on the sigmas of OKS, where the data set is scored by it.

    Returns:
        the scorer's result, and in it `score`, the figure to compare trainings by.
    """
    scorer = find_scorer(data_set)
    options = {"sigma_scale": sigma_scale} if scorer.ranked else {}
    result = scorer.evaluate(truth, predictions, **options)
    return result | {"score": result["table"][scorer.headline]}


def format_result(data_set: str, result: dict[str, Any]) -> str:
    """The table of a result as text."""
    return format_posetrack(result) if is_posetrack(data_set) else find_scorer(data_set).format(result)
