"""One video's predictions against its ground truth, by the rules of PoseTrack's official tool (poseval)."""

from dataclasses import dataclass, replace

import numpy as np

from lib.evaluation.clear_mot import Candidate, pair_sequence
from lib.evaluation.ignore_regions import inside_any
from lib.evaluation.pairs import pairs_within
from lib.formats.posetrack import JOINT_NAMES, VideoAnnotations

HEAD_FACTOR = 0.6
"""Head size is this share of the head box's diagonal."""
THRESHOLD = 0.5
"""A joint is hit within this many head sizes."""


@dataclass
class Persons:
    """The persons of one side that take part, sorted by frame."""

    frames: np.ndarray  # (N,) int
    joints: np.ndarray  # (N, 15, 2)
    present: np.ndarray  # (N, 15) bool
    scores: np.ndarray  # (N, 15)
    track_ids: np.ndarray  # (N,) int
    head_sizes: np.ndarray  # (N,) NaN without a head box
    rows: np.ndarray  # (N,) index among all the video's persons

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, keep: np.ndarray) -> "Persons":
        """The persons that `keep`, (N,) bool, says."""
        return Persons(**{name: array[keep] for name, array in vars(self).items()})


@dataclass
class Comparison:
    """Ground truth and prediction of one video, cleaned, and the distances of all persons that share a frame."""

    frames: np.ndarray
    """Frames that count, ascending."""
    truth: Persons
    predicted: Persons
    truth_of_pair: np.ndarray
    """(N,) index into `truth`; pairs are sorted by it, then by `predicted_of_pair`."""
    predicted_of_pair: np.ndarray
    """(N,) index into `predicted`."""
    distances: np.ndarray
    """(N, 15) in head sizes, infinite where either side has no such joint."""


@dataclass
class Detections:
    """Every joint of every predicted person as a detection, in the order of frames and persons."""

    scores: np.ndarray  # (P, 15)
    present: np.ndarray  # (P, 15) bool
    hits: np.ndarray  # (P, 15) bool
    num_labeled: np.ndarray  # (15,) joints of the ground truth


@dataclass
class TrackCounts:
    """CLEAR-MOT's counts, (15,) each; `+` sums those of several videos."""

    objects: np.ndarray
    hypotheses: np.ndarray
    detections: np.ndarray
    switches: np.ndarray
    distance: np.ndarray

    def __add__(self, other: "TrackCounts") -> "TrackCounts":
        return TrackCounts(**{name: array + getattr(other, name) for name, array in vars(self).items()})


def compare(truth: VideoAnnotations, predicted: VideoAnnotations) -> Comparison:
    """Leave out what the rules leave out, and measure the rest.

    Frames count if their ground truth has any person. Persons without a list of joints are left out, and in frames with
    ignore regions the joints inside them, with the persons that have no joint then.

    Args:
        truth, predicted: as many frames each.
    """
    counts = np.bincount(truth.person_frame, minlength=len(truth.frame_names)) > 0
    labeled, found = (
        _without_ignored(_persons(video).select(video.has_points & counts[video.person_frame]), truth.ignore_regions)
        for video in (truth, predicted)
    )
    truth_of_pair, predicted_of_pair = pairs_within(labeled.frames, found.frames)
    x, y = np.moveaxis(labeled.joints[truth_of_pair] - found.joints[predicted_of_pair], 2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # an empty head box hits nothing
        distances = np.sqrt(x * x + y * y) / labeled.head_sizes[truth_of_pair, None]
    distances[~(labeled.present[truth_of_pair] & found.present[predicted_of_pair])] = np.inf
    return Comparison(np.flatnonzero(counts), labeled, found, truth_of_pair, predicted_of_pair, distances)


def _persons(video: VideoAnnotations) -> Persons:
    diagonals = np.sqrt(((video.head_boxes[:, 2:] - video.head_boxes[:, :2]) ** 2).sum(axis=1))
    return Persons(
        video.person_frame,
        video.joints,
        video.present,
        video.scores,
        video.track_ids,
        HEAD_FACTOR * diagonals,
        np.arange(len(video.person_frame)),
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
    """Match persons by their share of joints that are hit, and judge every joint of every prediction by its match.

    Each prediction keeps its best ground truth, each ground truth takes the best prediction that kept it; the first of
    equals in both cases, and nobody gets a second choice.
    """
    truth, predicted = comparison.truth, comparison.predicted
    truth_of_pair, predicted_of_pair = comparison.truth_of_pair, comparison.predicted_of_pair
    hits = comparison.distances <= THRESHOLD
    share = hits.sum(axis=1) / np.maximum(truth.present.sum(axis=1), 1)[truth_of_pair]
    kept = _best(predicted_of_pair, share)
    matched = kept[_best(truth_of_pair[kept], share[kept])]
    hits_of_person = np.zeros((len(predicted), len(JOINT_NAMES)), dtype=bool)
    hits_of_person[predicted_of_pair[matched]] = hits[matched]
    return Detections(predicted.scores, predicted.present, hits_of_person, truth.present.sum(axis=0))


def _best(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Per group the index of its largest value, the first of equals."""
    order = np.lexsort((-value, group))
    return order[np.unique(group[order], return_index=True)[1]]


def track(comparison: Comparison) -> TrackCounts:
    """Count objects, hypotheses, detections and switches per joint, as the official tool does.

    Its quirks: the last frame that counts is left out, and a frame in which one side has nobody is one object missed
    and one false hypothesis, for each joint.
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
    return TrackCounts(objects, hypotheses, detections, switches, distance)
