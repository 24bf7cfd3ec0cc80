"""Which propagated frames need a person's eye most, and which ones to label next."""

import numpy as np

CLOSE = 0.05
"""Of a pose's size, the bound of PCK .05: where both sides differ by so much, a joint's score is worth half."""


def joint_doubts(scores: np.ndarray, disagreements: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """How doubtful each joint of each person is: 1 − score / (1 + (disagreement / (CLOSE · size))²).

    Args:
        scores: (P, J), cut to 0 … 1; NaN: no such joint.
        disagreements: (P, J) pixels between what the label before and the label after make of it; NaN: one side alone.
        sizes: (P,) of the poses in pixels, over 0.
    Returns:
        (P, J) from 0, certain, to 1; NaN where there is no joint.
    """
    apart = np.nan_to_num(disagreements) / (CLOSE * sizes[:, None])
    return 1 - np.clip(scores, 0, 1) / (1 + apart**2)


def frame_needs(num_frames: int, person_frame: np.ndarray, doubts: np.ndarray) -> np.ndarray:
    """How much each frame needs review: as its most doubtful person, half by the worst joint, half by the mean joint.

    The worst alone would rank by a joint that is hidden everywhere, the mean alone would miss a single lost paw.

    Args:
        person_frame: (P,) index of each person's frame.
        doubts: (P, J) of `joint_doubts`.
    Returns:
        (F,) from 0 to 1; 0 for frames without a doubted person.
    """
    needs = np.zeros(num_frames)
    known = ~np.isnan(doubts)
    rows = known.any(axis=1)
    filled = np.where(known, doubts, 0)[rows]
    people = (filled.max(axis=1, initial=0) + filled.sum(axis=1) / known[rows].sum(axis=1)) / 2
    np.maximum.at(needs, person_frame[rows], people)
    return needs


def rank_frames(needs: np.ndarray) -> list[int]:
    """Indices of the frames of a need over 0, the neediest first; of two alike, the earlier."""
    return [int(frame) for frame in np.argsort(-needs, kind="stable") if needs[frame] > 0]


def suggest_frames(numbers: np.ndarray, labeled: np.ndarray, needs: np.ndarray, count: int) -> list[int]:
    """The next frames to label: in need, far from labels, and spread out.

    One after the other the frame is taken whose need times d / (d + r) is largest, of equal ones the first: d is its
    distance from the nearest labelled or taken frame, r half the spacing that these would have if they were spread
    evenly. Frames next to a labelled or taken one are never taken.

    Args:
        numbers: (F,) of the frames, ascending.
        labeled: (F,) bool.
        needs: (F,) of `frame_needs`.
        count: of frames to take, at most.
    Returns:
        Indices of the frames, the most useful first.
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
    """Some of the frames, where not all can be shown: labelled ones, half of the rest by need, half evenly spread.

    Args:
        labeled: (F,) bool; needs: (F,).
        count: of frames to take, at most.
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
    """At most `count` places in a list, from its first to its last."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int))
