"""Ranking of propagated frames: which need review most, where identities may have swapped, and which to label next."""

from dataclasses import dataclass

import numpy as np

CLOSE = 0.05
"""Of a pose's size, the bound of PCK .05: where both sides differ by so much, a joint's score is worth half."""
DOUBTFUL = 0.5
"""Joints and identities with a higher doubt need review."""


def joint_doubts(scores: np.ndarray, disagreements: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the doubt of each joint of each person: 1 − score / (1 + (disagreement / (CLOSE · size))²).

    Args:
        scores: (P, J) scores, clipped to [0, 1]; NaN where there is no joint.
        disagreements: (P, J) distance in pixels between the positions propagated from the label before and the label
            after; NaN where there is only one side.
        sizes: (P,) size of each pose in pixels, positive.

    Returns:
        (P, J) from 0 (certain) to 1; NaN where there is no joint.
    """
    relative = np.nan_to_num(disagreements) / (CLOSE * sizes[:, None])
    return 1 - np.clip(scores, 0, 1) / (1 + relative**2)


def frame_needs(num_frames: int, person_frame: np.ndarray, doubts: np.ndarray) -> np.ndarray:
    """Return how much each frame needs review.

    A frame counts as its most doubtful person, who counts half by the worst joint and half by the mean joint. The worst
    joint alone would rank by a joint that is hidden everywhere; the mean alone would miss a single lost paw.

    Args:
        num_frames: Number of frames, F.
        person_frame: (P,) index of each person's frame.
        doubts: (P, J) result of `joint_doubts`.

    Returns:
        (F,) from 0 to 1; 0 for frames without a doubtful person.
    """
    needs = np.zeros(num_frames)
    known = ~np.isnan(doubts)
    rows = known.any(axis=1)
    filled = np.where(known, doubts, 0)[rows]
    people = (filled.max(axis=1, initial=0) + filled.sum(axis=1) / known[rows].sum(axis=1)) / 2
    np.maximum.at(needs, person_frame[rows], people)
    return needs


@dataclass(frozen=True, kw_only=True)
class PossibleSwap:
    """Two individuals who may have exchanged identities between two frames.

    Attributes:
        frame: Index of the frame to review.
        before: Rows of the two poses in the earlier frame.
        after: Rows of the poses of the same two tracks in the later frame.
        doubt: From DOUBTFUL to 1.
    """

    frame: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    doubt: float


def possible_swaps(
    frame: np.ndarray, track: np.ndarray, joints: np.ndarray, *, sizes: np.ndarray, is_checked: np.ndarray
) -> list[PossibleSwap]:
    """Find where two individuals may have exchanged identities from one frame to the next.

    The doubt is (k + t) / (s + t), at most 1. k is the distance of both poses to the next poses of their tracks, s the
    distance with the tracks swapped, and t is CLOSE times the sizes. In a run of frames in which the same two are in
    doubt, the most doubtful counts. Poses that a person set have the right identity.

    Args:
        frame: (P,) index of each pose's frame; the frames follow each other.
        track: (P,) track number of each pose.
        joints: (P, J, 2) x, y in pixels; NaN if missing.
        sizes: (P,) size of each pose in pixels, positive.
        is_checked: (P,) bool, True if a person set a joint of the pose.

    Returns:
        The possible swaps, in order of their frames. The frame to review is the later one, unless a person has set both
        of its poses.
    """
    order = np.argsort(frame, kind="stable")
    rows = np.split(order, np.searchsorted(frame[order], np.arange(1, frame.max(initial=0) + 1)))
    runs: dict[tuple[int, int], PossibleSwap] = {}  # of tracks, those that the last frame belongs to
    found: list[PossibleSwap] = []
    for index in range(1, len(rows)):
        _, at_before, at_after = np.intersect1d(track[rows[index - 1]], track[rows[index]], return_indices=True)
        before, after = rows[index - 1][at_before], rows[index][at_after]
        doubts = _swap_doubts(joints[before], joints[after], CLOSE * sizes[after])
        known = is_checked[before] & is_checked[after]
        doubts[known[:, None] & known] = 0
        last, runs = runs, {}
        for one, other in np.argwhere(np.triu(doubts, 1) > DOUBTFUL).tolist():
            rows_before, rows_after = before[[one, other]].tolist(), after[[one, other]].tolist()
            shown = index - 1 if is_checked[rows_after].all() else index
            swap = PossibleSwap(
                frame=shown, before=tuple(rows_before), after=tuple(rows_after), doubt=float(doubts[one, other])
            )
            pair = int(track[rows_after[0]]), int(track[rows_after[1]])
            runs[pair] = max(last.pop(pair, swap), swap, key=lambda swap: swap.doubt)
        found += last.values()
    return sorted([*found, *runs.values()], key=lambda swap: swap.frame)


def _swap_doubts(before: np.ndarray, after: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Return (K, K) the doubt of each two of K tracks with joints (K, J, 2) in two frames; 0 if none are common."""
    steps = np.linalg.norm(before[:, None] - after, axis=3)  # (K, K, J)
    known = ~np.isnan(steps)
    with np.errstate(invalid="ignore"):
        distances = np.where(known, steps, 0).sum(axis=2) / known.sum(axis=2)
    own = np.diag(distances)
    both = tolerance[:, None] + tolerance
    return np.nan_to_num(np.minimum(1, (own[:, None] + own + both) / (distances + distances.T + both)))


def rank_frames(needs: np.ndarray) -> list[int]:
    """Return the indices of the frames with a need above 0, highest need first; ties go to the earlier frame."""
    return [int(frame) for frame in np.argsort(-needs, kind="stable") if needs[frame] > 0]


def suggest_frames(numbers: np.ndarray, labeled: np.ndarray, needs: np.ndarray, count: int) -> list[int]:
    """Return the next frames to label: in need of review, far from labels, and spread out.

    Frames are picked greedily by the largest need times d / (d + r); ties go to the first frame. d is the distance from
    the nearest labeled or picked frame, and r is half the spacing these frames would have if they were evenly spread.
    Neighbors of a labeled or picked frame are never picked.

    Args:
        numbers: (F,) numbers of the frames, ascending.
        labeled: (F,) bool.
        needs: (F,) result of `frame_needs`.
        count: Maximum number of frames to pick.

    Returns:
        Indices of the frames, most useful first.
    """
    if not len(numbers):
        return []
    half = (numbers[-1] - numbers[0] + 1) / (2 * (labeled.sum() + count))
    distances = np.full(len(numbers), np.inf)
    for number in numbers[labeled]:
        distances = np.minimum(distances, np.abs(numbers - number))
    taken: list[int] = []
    while len(taken) < count:
        worth = np.where(distances > 1, needs / (1 + half / np.maximum(1, distances)), 0)
        best = int(np.argmax(worth))
        if worth[best] <= 0:
            break
        taken.append(best)
        distances = np.minimum(distances, np.abs(numbers - numbers[best]))
    return taken


def spread_frames(labeled: np.ndarray, needs: np.ndarray, count: int) -> list[int]:
    """Select frames when not all can be shown: labeled ones, then half of the rest by need and half evenly spread.

    Args:
        labeled: (F,) bool.
        needs: (F,) result of `frame_needs`.
        count: Maximum number of frames to select.

    Returns:
        Indices of the frames, ascending.
    """
    own = np.flatnonzero(labeled)
    if len(own) > count:
        return own[_evenly(len(own), count)].tolist()
    neediest = [frame for frame in rank_frames(needs) if not labeled[frame]][: (count - len(own)) // 2]
    taken = {*own.tolist(), *neediest}
    others = np.array([frame for frame in range(len(labeled)) if frame not in taken], dtype=int)
    return sorted(taken | {*others[_evenly(len(others), count - len(taken))].tolist()})


def _evenly(length: int, count: int) -> np.ndarray:
    """Return at most `count` indices into a list, from its first element to its last."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int))
