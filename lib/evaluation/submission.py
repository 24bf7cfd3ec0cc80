"""Results from estimated poses: scores of joints and people, re-scoring, OKS-NMS; the files of data sets of images."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from lib.dataset.people import Person
from lib.formats import mpii
from lib.formats.coco_records import PERSON
from lib.formats.data_sets import DataSet
from lib.formats.video_annotations import VideoAnnotations
from lib.nms import oks_nms, soft_oks_nms
from lib.pose.crop import PIXELS_PER_SCALE
from lib.utils.errors import InputError
from lib.utils.files import check_writable, refuse_inside, write_json

logger = logging.getLogger(__name__)

PREDICTIONS = {
    ".json": (b'{"images":[', b'{"annolist":[', b'[{"image_id":', b"[]\n"),  # PoseTrack18, PoseTrack17, COCO, nobody
    ".mat": (b"MATLAB 5.0 MAT-file Platform",),  # MPII
}
"""First bytes of the files that tests write, by extension."""


@dataclass(frozen=True)
class Rules:
    """Rules for scores and for leaving out people; each published table has its own.

    Attributes:
        times_box: The score of a joint is its heatmap value times the box's score, as in the first PoseWarper code;
            otherwise it is the heatmap value.
        rescore: The score of a person is the box's score times the mean of the joint scores; otherwise it is the box's.
        oks_nms: Re-score people, and leave out those that are too similar to a better one, as in MMPose.
        soft: Use the soft variant of `oks_nms`.
        oks_threshold: OKS above which two people count as one.
        sigma_scale: Factor on the sigmas of `oks_nms`.
        rescore_threshold: Joint score above which a joint counts in re-scoring.
        min_joint_score: Minimum score of the joints in PoseTrack's submission.
    """

    times_box: bool = True
    rescore: bool = False
    oks_nms: bool = False
    soft: bool = False
    oks_threshold: float = 0.9
    sigma_scale: float = 1.0
    rescore_threshold: float = 0.2
    min_joint_score: float = -math.inf


def make_results(
    videos: Sequence[VideoAnnotations],
    people: Sequence[Person],
    joints: np.ndarray,
    scores: np.ndarray,
    *,
    rules: Rules,
    sigmas: Sequence[float],
    first_pixel: int = 0,
) -> list[dict[str, Any]]:
    """Return the people estimated in images or in frames of videos in COCO's results format.

    Args:
        videos: Annotated videos; a data set of images is one video.
        people: P people, sorted by video and frame.
        joints: (P, J, 2) x, y in image pixels from 0.
        scores: (P, J) scores of the joints.
        rules: Rules of the results.
        sigmas: (J,) constants of OKS.
        first_pixel: Coordinate of the first pixel in the data set's files.

    Returns:
        A record for each person: image_id; category_id; keypoints (x, y, score of each joint), an array because lists
        of many people take gigabytes; score; and the annotation's id for a ground-truth box.
    """
    kept, person_scores = select_people(people, joints, scores, rules, sigmas)
    keypoints = np.concatenate([np.round(joints + first_pixel, 3), scores[..., None]], axis=2).reshape(len(people), -1)
    results = []
    for person in (person for chosen in kept.values() for person in chosen):
        video, row = videos[people[person].video], people[person].row
        record = {
            "image_id": video.image_ids[people[person].frame],
            "category_id": PERSON,
            "keypoints": keypoints[person],
            "score": float(person_scores[person]),
        }
        known = row >= 0 and video.annotation_ids[row] >= 0
        results.append(record | ({"id": int(video.annotation_ids[row])} if known else {}))
    return results


def write_results(
    path: Path,
    data_set: DataSet,
    videos: Sequence[VideoAnnotations],
    people: Sequence[Person],
    *,
    joints: np.ndarray,
    scores: np.ndarray,
    rules: Rules,
    sigmas: Sequence[float],
) -> Path:
    """Write the people estimated in images or frames in the format of their scorer: MPII's preds, or COCO's results.

    Args:
        path: Path to the file without its extension.
        data_set: Data set of the results.
        videos: Annotated videos; a data set of images is one video.
        people: P people, sorted by video and frame.
        joints: (P, J, 2) x, y in image pixels from 0. MPII's file has NaN for listed people who are not among them.
        scores: (P, J) scores of the joints.
        rules: Rules of the results.
        sigmas: (J,) constants of OKS.

    Returns:
        Path to the file.
    """
    if data_set.format == "mpii":
        path = path.with_name(f"{path.name}.mat")
        listed = np.full((len(videos[0].joints), *joints.shape[1:]), np.nan)
        listed[[person.row for person in people]] = joints
        mpii.write_predictions(path, listed)
    else:
        path = path.with_name(f"{path.name}.json")
        write_json(
            path,
            make_results(videos, people, joints, scores, rules=rules, sigmas=sigmas, first_pixel=data_set.first_pixel),
        )
    logger.info("predictions: %s", path)
    return path


def select_people(
    people: Sequence[Person], joints: np.ndarray, scores: np.ndarray, rules: Rules, sigmas: Sequence[float]
) -> tuple[dict[tuple[int, int], list[int]], np.ndarray]:
    """Return the people to submit, as indices by video and frame, and the scores (P,) of all people.

    Args:
        people: P people, sorted by video and frame.
        joints: (P, J, 2) x, y in image pixels.
        scores: (P, J) scores of the joints.
        rules: Rules of the submission.
        sigmas: (J,) constants of OKS.
    """
    person_scores = (
        rescore(people, scores, rules.rescore_threshold) if rules.rescore or rules.oks_nms else box_scores(people)
    )
    kept: dict[tuple[int, int], list[int]] = {}
    for place, group in groupby(range(len(people)), key=lambda p: (people[p].video, people[p].frame)):
        everybody = list(group)
        kept[place] = _suppress(everybody, people, joints, person_scores, rules, sigmas) if rules.oks_nms else everybody
    return kept, person_scores


def box_scores(people: Sequence[Person]) -> np.ndarray:
    """Return the scores (P,) of the people's boxes.

    Args:
        people: P people.
    """
    return np.array([person.box_score for person in people], dtype=np.float64)


def submitted_scores(people: Sequence[Person], scores: np.ndarray, rules: Rules) -> np.ndarray:
    """Return the scores (P, J) of the joints in a submission.

    Args:
        people: P people.
        scores: (P, J) heatmap values of the joints.
        rules: Rules of the submission.
    """
    return scores * (box_scores(people)[:, None] if rules.times_box else 1.0)


def rescore(people: Sequence[Person], scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return (P,) box scores times the mean joint scores above a threshold; 0 for people without such a joint.

    Args:
        people: P people.
        scores: (P, J) scores of the joints.
        threshold: Score above which a joint counts.
    """
    counted = scores > threshold
    means = np.where(counted, scores, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return box_scores(people) * means


def _suppress(
    chosen: list[int],
    people: Sequence[Person],
    joints: np.ndarray,
    person_scores: np.ndarray,
    rules: Rules,
    sigmas: Sequence[float],
) -> list[int]:
    areas = np.array([np.prod(people[p].scale.astype(np.float64) * PIXELS_PER_SCALE) for p in chosen])
    suppress = soft_oks_nms if rules.soft else oks_nms
    scaled = rules.sigma_scale * np.array(sigmas)
    kept = suppress(joints[chosen], person_scores[chosen], areas, scaled, rules.oks_threshold)
    return [chosen[index] for index in kept]


def check_predictions(folder: Path, inputs: Sequence[tuple[str, Path]]) -> None:
    """Refuse a folder of predictions that holds other files, since a test replaces the folder.

    Args:
        folder: Folder that a test replaces.
        inputs: Files and folders that the test reads, each with the key that names it.

    Raises:
        InputError: The folder contains one of the inputs, or a file that no test wrote.
        OSError: The folder cannot be read or written to.
    """
    refuse_inside(inputs, folder, f"{folder} is for the predictions of this run")
    for path in folder.rglob("*"):
        if not path.is_dir() and not _is_prediction(path):
            raise InputError(
                f"{path}: not a file of predictions; move it elsewhere, because this run replaces {folder}"
            )
    check_writable(folder)


def _is_prediction(path: Path) -> bool:
    """Return True if a file starts like predictions; other programs put spaces into their JSON."""
    if path.suffix not in PREDICTIONS:
        return False
    with open(path, "rb") as file:
        return file.read(max(map(len, PREDICTIONS[path.suffix]))).startswith(PREDICTIONS[path.suffix])
