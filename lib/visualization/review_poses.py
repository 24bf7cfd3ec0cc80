"""The poses of a COCO-style file as arrays, with what is doubtful about them: the review page shows and ranks them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.formats.coco import PROBABILITY, SCORES
from lib.formats.json_fields import id_column, is_true, number_column
from lib.formats.labels.coco import joint_scores
from lib.formats.posetrack18 import keypoint_category
from lib.utils.errors import InputError
from lib.utils.files import frame_number
from lib.visualization.ranking import PossibleSwap, joint_doubts, possible_swaps


@dataclass(frozen=True, kw_only=True)
class ReviewedPoses:
    """P annotations of F frames with J joints.

    Attributes:
        order: (F) index into `images` of each frame, sorted by frame number.
        numbers: (F,) numbers of the frames.
        frame: (P,) index of each annotation's frame.
        track: (P,) track number of each annotation, 0 if it has none.
        propagated: (P, J) bool, True if a program set the joint, or found none: it has a score.
        labeled: (F,) bool, True if the frame has people and no propagated joint.
        scores: (P, J), NaN where there is no propagated joint.
        disagreements: (P, J), NaN where there is only one side.
        doubts: (P, J) from 0 to 1, NaN where there is no propagated joint.
        swaps: Possible exchanges of identities.
    """

    order: list[int]
    numbers: np.ndarray
    frame: np.ndarray
    track: np.ndarray
    propagated: np.ndarray
    labeled: np.ndarray
    scores: np.ndarray
    disagreements: np.ndarray
    doubts: np.ndarray
    swaps: list[PossibleSwap]


def read_poses(content: dict[str, Any], name: str) -> ReviewedPoses:
    """Return the poses of a COCO-style file.

    Args:
        content: Content of the file, from `lib.formats.coco.read_labels`.
        name: Name of the labels, for messages.

    Raises:
        InputError: A record cannot be shown; the message names it.
    """
    images, people = content["images"], content["annotations"]
    joints = len(keypoint_category(content)["keypoints"])
    numbers = _frame_numbers(images, name)
    ids = [image["id"] for image in images]
    if len(set(ids)) < len(ids):
        place = next(place for place, one in enumerate(ids) if one in ids[:place])
        raise InputError(f"{name}: images[{place}]: another image has the id {ids[place]} too")
    order = np.argsort(numbers, kind="stable").tolist()
    frame_of_id = {ids[place]: frame for frame, place in enumerate(order)}
    where = f"{name}: annotations"
    frame = np.array([frame_of_id[person["image_id"]] for person in people], dtype=int)
    keypoints = number_column(people, "keypoints", 3 * joints, where, 0.0).reshape(-1, joints, 3)
    track = id_column([{"track_id": person.get("track_id") or 0} for person in people], "track_id", where)
    crowd = np.array([is_true(person.get("iscrowd", 0)) for person in people], dtype=bool)
    scores = joint_scores(people, joints, where)
    propagated = ~np.isnan(scores) & ~crowd[:, None]
    present = propagated & (keypoints[:, :, 2] > 0)
    scores = np.where(present, scores, np.nan)
    disagreements = _disagreements(people, joints, where)
    disagreements = np.where(present & (disagreements >= 0), disagreements, np.nan)
    labeled = np.zeros(len(images), dtype=bool)
    labeled[frame[~crowd]] = True
    labeled[frame[propagated.any(axis=1)]] = False
    sizes = _sizes(keypoints, track)
    is_probability = (content.get("info") or {}).get(SCORES) == PROBABILITY  # which the disagreement is a part of
    doubts = joint_doubts(scores, np.full_like(scores, np.nan) if is_probability else disagreements, sizes)
    shown = np.where(keypoints[:, :, 2:] > 0, keypoints[:, :, :2], np.nan)
    alone = np.where(crowd, -1 - np.arange(len(track)), track)  # crowds have no identity
    swaps = possible_swaps(frame, alone, shown, sizes=sizes, is_checked=~propagated.all(axis=1))
    return ReviewedPoses(
        order=order,
        numbers=numbers[order],
        frame=frame,
        track=track,
        propagated=propagated,
        labeled=labeled,
        scores=scores,
        disagreements=disagreements,
        doubts=doubts,
        swaps=swaps,
    )


def _frame_numbers(images: list[dict[str, Any]], name: str) -> np.ndarray:
    """Return the frame number of each image.

    Raises:
        InputError: There are no images, or one has a file name without a number.
    """
    numbers = []
    for place, image in enumerate(images):
        number = frame_number(image["file_name"])
        if number is None:
            raise InputError(
                f"{name}: images[{place}]: no number in file_name; labels must refer to numbered frames of a video"
            )
        numbers.append(number)
    if not numbers:
        raise InputError(f"{name}: no images; labels must refer to numbered frames of a video")
    return np.array(numbers)


def _disagreements(people: list[dict[str, Any]], joints: int, where: str) -> np.ndarray:
    """Return (P, J) the disagreement at each joint, −1 where it is null or the key is missing."""
    rows = [person.get("disagreement") for person in people]
    rows = [[-1.0 if value is None else value for value in row] if isinstance(row, list) else row for row in rows]
    return number_column([{"disagreement": row} for row in rows], "disagreement", joints, where, -1.0)


def _sizes(keypoints: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Return (P,) the median over each track of the longer side of the box around the joints, in pixels."""
    known = keypoints[:, :, 2:] > 0
    low = np.where(known, keypoints[:, :, :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, keypoints[:, :, :2], -np.inf).max(axis=1, initial=-np.inf)
    sides = np.where(known.any(axis=1), high - low, 0).max(axis=1, initial=0)
    sizes = np.ones(len(sides))
    for number in np.unique(track):
        sizes[track == number] = max(1.0, float(np.median(sides[track == number])))
    return sizes
