"""Comparison of one video's predictions with its ground truth, by the rules of PoseTrack's official tool (poseval)."""

from dataclasses import dataclass, replace

import numpy as np

from lib.evaluation.clear_mot import Candidate, pair_sequence
from lib.evaluation.heads import HEAD_SIZE, head_diagonals
from lib.evaluation.ignore_regions import inside_any
from lib.evaluation.pairs import pairs_within
from lib.formats.video_annotations import JOINT_NAMES, VideoAnnotations

THRESHOLD = 0.5
"""Largest distance of a hit joint in head sizes."""


@dataclass(kw_only=True)
class Persons:
    """The N people of one side who are compared, sorted by frame.

    Attributes:
        frames: (N,) int indices of frames.
        joints: (N, 15, 2) x, y in pixels.
        present: (N, 15) bool, True if the joint is given.
        scores: (N, 15) scores of the joints.
        track_ids: (N,) int ids of tracks.
        head_sizes: (N,) pixels; NaN without a head box.
        rows: (N,) indices among all people of the video.
    """

    frames: np.ndarray
    joints: np.ndarray
    present: np.ndarray
    scores: np.ndarray
    track_ids: np.ndarray
    head_sizes: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, keep: np.ndarray) -> "Persons":
        """Return some of the people.

        Args:
            keep: (N,) bool, True for people to return.
        """
        return Persons(**{name: array[keep] for name, array in vars(self).items()})


@dataclass(kw_only=True)
class Comparison:
    """Ground truth and prediction of one video, cleaned, with the distances of all N pairs of people in the same frame.

    Attributes:
        frames: Indices of frames that count, in ascending order.
        truth: People of the ground truth.
        predicted: Predicted people.
        truth_of_pair: (N,) indices into `truth`; pairs are sorted by it, then by `predicted_of_pair`.
        predicted_of_pair: (N,) indices into `predicted`.
        distances: (N, 15) in head sizes, infinite if either side lacks the joint.
    """

    frames: np.ndarray
    truth: Persons
    predicted: Persons
    truth_of_pair: np.ndarray
    predicted_of_pair: np.ndarray
    distances: np.ndarray


@dataclass(kw_only=True)
class Detections:
    """The joints of all P predicted people as detections, in the order of frames and people.

    Attributes:
        scores: (P, 15) scores of the joints.
        present: (P, 15) bool, True if the joint is predicted.
        hits: (P, 15) bool, True if the joint is a hit.
        num_labeled: (15,) numbers of joints in the ground truth.
    """

    scores: np.ndarray
    present: np.ndarray
    hits: np.ndarray
    num_labeled: np.ndarray


@dataclass(kw_only=True)
class TrackCounts:
    """CLEAR-MOT counts of each joint; `+` adds the counts of several videos.

    Attributes:
        objects: (15,) numbers of joints in the ground truth.
        hypotheses: (15,) numbers of predicted joints.
        detections: (15,) numbers of pairs.
        switches: (15,) numbers of identity switches.
        distance: (15,) sums of the distances of all pairs, in head sizes.
    """

    objects: np.ndarray
    hypotheses: np.ndarray
    detections: np.ndarray
    switches: np.ndarray
    distance: np.ndarray

    def __add__(self, other: "TrackCounts") -> "TrackCounts":
        return TrackCounts(**{name: array + getattr(other, name) for name, array in vars(self).items()})


def compare(truth: VideoAnnotations, predicted: VideoAnnotations) -> Comparison:
    """Leave out what the rules exclude, and compute the distances between the remaining people.

    Frames count if their ground truth has people. People without a list of joints are left out. In frames with ignore
    regions, the joints inside them are left out, and so are people who have no joints then.

    Args:
        truth: Ground truth.
        predicted: Prediction with the same number of frames.
    """
    counts = np.bincount(truth.person_frame, minlength=len(truth.frame_names)) > 0
    labeled, found = (
        _without_ignored(
            _persons(video).select(video.has_joint_list & counts[video.person_frame]), truth.ignore_regions
        )
        for video in (truth, predicted)
    )
    truth_of_pair, predicted_of_pair = pairs_within(labeled.frames, found.frames)
    x, y = np.moveaxis(labeled.joints[truth_of_pair] - found.joints[predicted_of_pair], 2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing is hit if the head box is empty
        distances = np.sqrt(x * x + y * y) / labeled.head_sizes[truth_of_pair, None]
    distances[~(labeled.present[truth_of_pair] & found.present[predicted_of_pair])] = np.inf
    return Comparison(
        frames=np.flatnonzero(counts),
        truth=labeled,
        predicted=found,
        truth_of_pair=truth_of_pair,
        predicted_of_pair=predicted_of_pair,
        distances=distances,
    )


def _persons(video: VideoAnnotations) -> Persons:
    return Persons(
        frames=video.person_frame,
        joints=video.joints,
        present=video.present,
        scores=video.scores,
        track_ids=video.track_ids,
        head_sizes=HEAD_SIZE * head_diagonals(video.head_boxes),
        rows=np.arange(len(video.person_frame)),
    )


def _without_ignored(persons: Persons, ignore_regions: list[list[np.ndarray]]) -> Persons:
    num_regions = np.array([len(regions) for regions in ignore_regions])
    if not num_regions.any():
        return persons
    person, joint = np.nonzero(persons.present)
    ignored = inside_any(persons.joints[person, joint], persons.frames[person], ignore_regions)
    present = persons.present.copy()
    present[person[ignored], joint[ignored]] = False
    emptied = (num_regions[persons.frames] > 0) & ~present.any(axis=1)
    return replace(persons, present=present).select(~emptied)


def detect(comparison: Comparison) -> Detections:
    """Match people by their share of hit joints, and rate each joint of each prediction by its match.

    Each prediction keeps its best ground truth, and each ground truth takes the best prediction that kept it. In both
    cases the first of equals wins, and there is no second choice.

    Args:
        comparison: Comparison of one video.
    """
    truth, predicted = comparison.truth, comparison.predicted
    truth_of_pair, predicted_of_pair = comparison.truth_of_pair, comparison.predicted_of_pair
    hits = comparison.distances <= THRESHOLD
    share = hits.sum(axis=1) / np.maximum(truth.present.sum(axis=1), 1)[truth_of_pair]
    kept = _best(predicted_of_pair, share)
    matched = kept[_best(truth_of_pair[kept], share[kept])]
    hits_of_person = np.zeros((len(predicted), len(JOINT_NAMES)), dtype=bool)
    hits_of_person[predicted_of_pair[matched]] = hits[matched]
    return Detections(
        scores=predicted.scores, present=predicted.present, hits=hits_of_person, num_labeled=truth.present.sum(axis=0)
    )


def _best(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the index of each group's largest value, the first of equals."""
    order = np.lexsort((-value, group))
    return order[np.unique(group[order], return_index=True)[1]]


def track(comparison: Comparison) -> TrackCounts:
    """Count objects, hypotheses, detections and switches of each joint as the official tool does.

    Like that tool, this leaves out the last frame that counts, and counts a frame in which one side has nobody as one
    missed object and one false hypothesis for each joint.

    Args:
        comparison: Comparison of one video.
    """
    frames, truth, predicted = comparison.frames[:-1], comparison.truth, comparison.predicted
    two_sided = np.intersect1d(np.intersect1d(frames, truth.frames), predicted.frames)
    num_one_sided = len(frames) - len(two_sided)
    objects = truth.present[np.isin(truth.frames, two_sided)].sum(axis=0) + num_one_sided
    hypotheses = predicted.present[np.isin(predicted.frames, two_sided)].sum(axis=0) + num_one_sided

    pair, joint = np.nonzero(comparison.distances <= THRESHOLD)
    in_time = np.isin(truth.frames[comparison.truth_of_pair[pair]], frames)
    order = np.argsort(joint[in_time], kind="stable")
    pair, joint = pair[in_time][order], joint[in_time][order]
    person = comparison.truth_of_pair[pair]
    columns = (
        truth.frames[person],
        person,
        predicted.track_ids[comparison.predicted_of_pair[pair]],
        truth.track_ids[person],
        comparison.distances[pair, joint],
    )
    candidates = list(map(Candidate._make, zip(*(column.tolist() for column in columns), strict=True)))
    bounds = np.searchsorted(joint, np.arange(len(JOINT_NAMES) + 1))
    pairings = [pair_sequence(candidates[bounds[k] : bounds[k + 1]]) for k in range(len(JOINT_NAMES))]
    detections, switches, distance = np.array(pairings).T
    return TrackCounts(
        objects=objects, hypotheses=hypotheses, detections=detections, switches=switches, distance=distance
    )
