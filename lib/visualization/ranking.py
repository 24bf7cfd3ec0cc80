"""Ranking of propagated frames: which need review most, and which to label next."""

import numpy as np

CLOSE = 0.05
"""Of a pose's size, the bound of PCK .05: where both sides differ by so much, a joint's score is worth half."""


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
    apart = np.nan_to_num(disagreements) / (CLOSE * sizes[:, None])
    return 1 - np.clip(scores, 0, 1) / (1 + apart**2)


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
