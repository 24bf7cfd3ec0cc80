"""CLEAR-MOT counts (Bernardin and Stiefelhagen 2008) as in py-motmetrics, for one class and one video."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple


class Candidate(NamedTuple):
    """An object and a hypothesis of one frame that may be paired.

    Attributes:
        frame: Index of the frame.
        object: Index of the object, unique in its frame.
        hypothesis: Track of the hypothesis, unique in its frame.
        track: Track of the object.
        distance: Distance between the object and the hypothesis.
    """

    frame: int
    object: int
    hypothesis: int
    track: int
    distance: float


class Pairing(NamedTuple):
    """Result of pairing a sequence.

    Attributes:
        detections: Number of pairs in all frames, including switches.
        switches: Number of pairs whose object was last paired with another hypothesis, however long ago.
        distance: Sum of the distances of all pairs.
    """

    detections: int
    switches: int
    distance: float


def pair_sequence(candidates: Iterable[Candidate]) -> Pairing:
    """Pair objects with hypotheses frame by frame, keeping earlier pairs that are still allowed.

    Args:
        candidates: Allowed pairs, sorted by frame, and within a frame by object.
    """
    last: dict[int, int] = {}  # from the track of an object to the hypothesis that it was last paired with
    detections, switches, distance = 0, 0, 0.0
    for _, group in groupby(candidates, key=itemgetter(0)):
        for pair in _pair_frame(list(group), last):
            detections += 1
            switches += last.get(pair.track, pair.hypothesis) != pair.hypothesis
            distance += pair.distance
            last[pair.track] = pair.hypothesis
    return Pairing(detections, switches, distance)


def _pair_frame(candidates: list[Candidate], last: dict[int, int]) -> list[Candidate]:
    """Return the pairs of one frame: first the earlier pairs that are still allowed, then the best others."""
    kept, objects, hypotheses = [], set(), set()
    for pair in candidates:
        if last.get(pair.track) == pair.hypothesis and pair.hypothesis not in hypotheses:
            kept.append(pair)
            objects.add(pair.object)
            hypotheses.add(pair.hypothesis)
    rest = [pair for pair in candidates if pair.object not in objects and pair.hypothesis not in hypotheses]
    return kept + cheapest_pairs(rest)


def cheapest_pairs(candidates: list[Candidate]) -> list[Candidate]:
    """Return as many disjoint pairs as possible, with the smallest total distance among such choices.

    The algorithm uses successive shortest paths: each round adds one object along the cheapest chain of changed pairs.
    For the few people around one joint, this is faster than a dense solver, and it needs no library.

    Args:
        candidates: Allowed pairs of one frame.

    Returns:
        Chosen pairs, in the given order.
    """
    of_object: dict[int, list[Candidate]] = {}
    for pair in candidates:
        of_object.setdefault(pair.object, []).append(pair)
    if len(of_object) == len(candidates) == len({pair.hypothesis for pair in candidates}):
        return candidates  # there is only one choice
    chosen: dict[int, Candidate] = {}  # by hypothesis
    while chains := _cheapest_chains(of_object, chosen):
        free = [hypothesis for hypothesis in chains if hypothesis not in chosen]
        if not free:
            break
        hypothesis_of = {pair.object: hypothesis for hypothesis, pair in chosen.items()}
        hypothesis: int | None = min(free, key=lambda end: chains[end][0])
        while hypothesis is not None:  # walk back along the chain: each object takes the next hypothesis
            pair = chains[hypothesis][1]
            chosen[hypothesis] = pair
            hypothesis = hypothesis_of.get(pair.object)
    return [pair for pair in candidates if chosen.get(pair.hypothesis) is pair]


def _cheapest_chains(
    of_object: dict[int, list[Candidate]], chosen: dict[int, Candidate]
) -> dict[int, tuple[float, Candidate]]:
    """Return the change in total distance and the last pair of the cheapest chain to each reachable hypothesis."""
    paired = {pair.object for pair in chosen.values()}
    queue = [object_ for object_ in of_object if object_ not in paired]
    cost = dict.fromkeys(queue, 0.0)
    chains: dict[int, tuple[float, Candidate]] = {}
    for object_ in queue:  # the queue grows during the loop
        for pair in of_object[object_]:
            total = cost[object_] + pair.distance
            if pair.hypothesis in chains and total >= chains[pair.hypothesis][0] - 1e-12:
                continue
            chains[pair.hypothesis] = (total, pair)
            owner = chosen.get(pair.hypothesis)
            if owner is not None:
                cost[owner.object] = total - owner.distance
                queue.append(owner.object)
    return chains
