"""Untangling of finished tracks: overlapping people exchange their poses where both the past and the future ask for it.

The tracker knows only the past. Where two people overlap, the noise of their boxes often decides, and a track changes
to the other person, in most cases for a few frames. Seen from both sides, far fewer of these decisions are wrong.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lib.formats.tracked_poses import TrackedPose
from lib.tracking.similarity import PoseArrays, box_iou, color_similarities, pose_similarities
from lib.tracking.track import shifted_pose, typical_displacement

REACH = 4
"""Number of frames on each side of a frame that a track is compared over."""
MIN_OVERLAP = 0.3
"""Minimum IoU of the boxes of two people who may exchange poses."""
MAX_ROUNDS = 3
"""Maximum number of passes over the video; each may correct what the corrections of the one before allow."""


class Sighting(NamedTuple):
    """A pose of a track, the number of its frame, and how far it tells people apart (lib.tracking.similarity)."""

    number: int
    pose: TrackedPose
    distinct: float


Track = dict[int, Sighting]
"""Sightings of a person by number of the frame."""

Compare = Callable[[Sequence[Sighting], Sighting], float]
"""Function from at least one sighting at the end of a track, the last first, and another one to their similarity."""


def end_similarity(end: Sequence[Sighting], other: Sighting, *, sigmas: np.ndarray, color_weight: float) -> float:
    """Return the similarity of the end of a track to a sighting before or after it.

    The pose at the end is carried to the frame of the other one with the velocity of the track there.

    Args:
        end: Sightings in consecutive frames or nearly so, the one nearest to the other sighting first.
        other: The other sighting.
        sigmas: (J,) OKS constants; if empty, only the boxes are compared.
        color_weight: Weight of the colors around the joints.
    """
    nearest, farthest = end[0], end[-1]
    displacement = typical_displacement(farthest.pose, nearest.pose)
    velocity = displacement / ((nearest.number - farthest.number) or 1)
    carried = shifted_pose(nearest.pose, (other.number - nearest.number) * velocity)
    pair = PoseArrays.stack([carried], [nearest.distinct]), PoseArrays.stack([other.pose], [other.distinct])
    similarity = float(pose_similarities(*pair, sigmas)[0, 0])
    colors = other.pose.colors
    if color_weight and colors is not None and similarity > 0:
        alike = float(color_similarities(_mean_colors(end, colors.shape), colors[None])[0, 0])
        if np.isfinite(alike):
            similarity = (1 - color_weight) * similarity + color_weight * alike
    return similarity


def untangle(tracks: Sequence[Track], compare: Compare) -> list[Track]:
    """Return tracks of which overlapping ones have exchanged single poses, or all poses from a frame on.

    Args:
        tracks: Tracks.
        compare: Returns similarities.
    """
    found = [dict(track) for track in tracks]
    numbers = sorted({number for track in found for number in track})
    for _ in range(MAX_ROUNDS):
        changes = [
            _exchange(found[first], found[second], number, compare)
            for number in numbers
            for first, second in _overlapping(found, number)
        ]
        if not any(changes):
            break
    return found


def _overlapping(tracks: Sequence[Track], number: int) -> list[tuple[int, int]]:
    """Return the indices of pairs of tracks whose boxes overlap in a frame."""
    here = [index for index, track in enumerate(tracks) if number in track]
    boxes = np.array([tracks[index][number].pose.box for index in here]).reshape(-1, 4)
    rows, columns = np.nonzero(np.triu(box_iou(boxes, boxes) >= MIN_OVERLAP, k=1))
    return [(here[row], here[column]) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]


def _exchange(first: Track, second: Track, number: int, compare: Compare) -> bool:
    """Exchange the poses of two tracks in a frame, or from it on, if that fits better; return True if so."""
    pair = first, second
    before, after = [_end(track, number, -1) for track in pair], [_end(track, number, 1) for track in pair]
    here = [track[number] for track in pair]
    changed = False
    if _fit_better_crossed(lambda i, j: sum(compare(end[i], here[j]) for end in (before, after) if all(end))):
        first[number], second[number] = second[number], first[number]
        changed = True
    starts = [[track[number], *end] for track, end in zip(pair, after, strict=True)]
    if all(before) and _fit_better_crossed(
        lambda i, j: compare(before[i], starts[j][0]) + compare(starts[j], before[i][0])
    ):
        tails = [{one: track.pop(one) for one in [*track] if one >= number} for track in pair]
        first.update(tails[1])
        second.update(tails[0])
        changed = True
    return changed


def _fit_better_crossed(similarity: Callable[[int, int], float]) -> bool:
    return similarity(0, 1) + similarity(1, 0) > similarity(0, 0) + similarity(1, 1)


def _end(track: Track, number: int, direction: int) -> list[Sighting]:
    """Return the sightings in the frames before (−1) or after (1) a frame, the nearest first."""
    frames = range(number + direction, number + direction * (REACH + 1), direction)
    return [track[one] for one in frames if one in track]


def _mean_colors(sightings: Sequence[Sighting], shape: tuple[int, ...]) -> np.ndarray:
    """Return the mean colors (1, J, 3) around the joints; NaN where unknown."""
    known = [one.pose.colors for one in sightings if one.pose.colors is not None]
    colors = np.array([*known, np.full(shape, np.nan)])
    count = np.isfinite(colors).sum(axis=0)
    return (np.nansum(colors, axis=0) / np.where(count, count, np.nan))[None]
