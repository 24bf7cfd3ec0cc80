"""The pass over a finished video: untangle and join tracks, fill short gaps, remove short tracks, smooth the joints."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.optimize import linear_sum_assignment
from yacs.config import CfgNode

from lib.formats.tracked_poses import FramePoses, TrackedPose
from lib.tracking.similarity import PoseArrays, distinctness
from lib.tracking.smoothing import smooth_joints
from lib.tracking.untangling import Compare, Sighting, Track, end_similarity, untangle
from lib.utils.errors import InputError

MAX_FILLED = 2
"""Largest number of frames in a row that are filled: in a longer gap, a person may be out of sight."""
NUM_END_POSES = 4
"""Number of poses at each end of a track that give its velocity there."""
MIN_JOIN_SIMILARITY = 0.3
"""Minimum similarity of the end of a track to the beginning of another one to join them."""

Finish = Callable[[Sequence[FramePoses]], list[FramePoses]]
"""Function from the results of all frames to better ones."""


@dataclass(frozen=True)
class OfflineOptions:
    """Options of the pass.

    Attributes:
        max_gap: Largest number of frames between two tracks that are joined.
        min_length: Minimum number of frames of a track.
        color_weight: Weight of the colors around the joints in the similarity of two tracks.
    """

    max_gap: int = 15
    min_length: int = 3
    color_weight: float = 0.2


_Poses = dict[int, TrackedPose]  # by frame, ascending


def build_finish(cfg: CfgNode, sigmas: Sequence[float]) -> Finish | None:
    """Return the pass of an experiment; None without TEST.TRACKER.SMOOTH.

    Args:
        cfg: The experiment.
        sigmas: (J,) OKS constants.
    """
    keys = cfg.TEST.TRACKER
    if not keys.SMOOTH:
        return None
    options = OfflineOptions(keys.MEMORY, keys.MIN_LENGTH, keys.COLOR_WEIGHT)
    return partial(finish_tracks, sigmas=np.asarray(sigmas), options=options)


def finish_tracks(frames: Sequence[FramePoses], *, sigmas: np.ndarray, options: OfflineOptions) -> list[FramePoses]:
    """Return the results of a video with tracks joined, gaps filled, short tracks removed, and joints smoothed.

    Overlapping people exchange poses where that fits better. Tracks are counted from 0 in the order of their first
    frames.

    Args:
        frames: Results of consecutive frames.
        sigmas: (J,) OKS constants; if empty, only the boxes are compared.
        options: Options of the pass.

    Raises:
        InputError: Two poses of a frame have the same track.
    """
    tracks: dict[int, Track] = defaultdict(dict)
    for frame in frames:
        for pose, distinct in zip(frame.poses, distinctness(frame.poses, sigmas).tolist(), strict=True):
            if frame.number in tracks[pose.track]:
                raise InputError(f"frame {frame.number}: two people have the track {pose.track}")
            tracks[pose.track][frame.number] = Sighting(frame.number, pose, distinct)
    compare = partial(end_similarity, sigmas=sigmas, color_weight=options.color_weight)
    joined = _join(untangle(list(tracks.values()), compare), compare, options.max_gap)
    kept = sorted((track for track in joined if len(track) >= options.min_length), key=min)
    poses: dict[int, list[TrackedPose]] = defaultdict(list)
    for number, track in enumerate(kept):
        for frame_number, pose in _smoothed({frame: one.pose for frame, one in sorted(track.items())}).items():
            poses[frame_number].append(replace(pose, track=number))
    return [replace(frame, poses=poses[frame.number]) for frame in frames]


def _join(tracks: list[Track], compare: Compare, max_gap: int) -> list[Track]:
    """Return the tracks, with those joined that continue each other."""
    ends, starts = [max(track) for track in tracks], [min(track) for track in tracks]
    similarities = np.zeros((len(tracks), len(tracks)))
    for first, end in enumerate(ends):
        for second, start in enumerate(starts):
            if 0 < start - end <= max_gap:
                similarities[first, second] = _continuity(tracks[first], tracks[second], compare)
    following: dict[int, int] = {}
    for first, second in zip(*linear_sum_assignment(-similarities), strict=True):
        if similarities[first, second] >= MIN_JOIN_SIMILARITY:
            following[int(first)] = int(second)
    joined = []
    for index in sorted(set(range(len(tracks))) - set(following.values())):
        track, current = dict(tracks[index]), index
        while current in following:
            current = following[current]
            track |= tracks[current]
        joined.append(track)
    return joined


def _continuity(first: Track, second: Track, compare: Compare) -> float:
    """Return the similarity of the end of a track and the beginning of a later one, carried to each other."""
    before = [first[number] for number in sorted(first)[: -NUM_END_POSES - 1 : -1]]
    after = [second[number] for number in sorted(second)[:NUM_END_POSES]]
    return (compare(before, after[0]) + compare(after, before[0])) / 2


def _smoothed(track: _Poses) -> _Poses:
    """Return a track with smoothed joints and filled gaps; parts beyond longer gaps are smoothed separately."""
    numbers = list(track)
    breaks = [index for index, gap in enumerate(np.diff(numbers), start=1) if gap > MAX_FILLED + 1]
    result: _Poses = {}
    for part in np.split(np.array(numbers), breaks):
        result |= _smoothed_part({number: track[number] for number in part.tolist()})
    return result


def _smoothed_part(track: _Poses) -> _Poses:
    numbers = np.arange(min(track), max(track) + 1)
    known = np.array([*track])
    poses = PoseArrays.stack([*track.values()])
    boxes = np.stack([np.interp(numbers, known, column) for column in poses.boxes.T], axis=1)
    joints = np.zeros((len(numbers), *poses.joints.shape[1:]))
    scores = np.zeros(joints.shape[:2])
    joints[known - numbers[0]], scores[known - numbers[0]] = poses.joints, poses.scores
    smooth = smooth_joints(joints, scores, np.sqrt(np.prod(boxes[:, 2:], axis=1)))
    result: _Poses = {}
    for number, box, own in zip(numbers.tolist(), boxes, smooth, strict=True):
        pose = track.get(number) or _between(track, number)
        result[number] = replace(
            TrackedPose.rounded(box, pose.box_score, own, pose.scores, pose.score), filled=pose.filled
        )
    return result


def _between(track: _Poses, number: int) -> TrackedPose:
    """Return a pose with the lower scores of the two poses around a frame."""
    before = track[max(other for other in track if other < number)]
    after = track[min(other for other in track if other > number)]
    return replace(
        before,
        filled=True,
        box_score=min(before.box_score, after.box_score),
        scores=np.minimum(before.scores, after.scores),
        score=min(before.score, after.score),
    )
