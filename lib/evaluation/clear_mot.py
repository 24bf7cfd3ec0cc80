"""CLEAR-MOT counting (Bernardin and Stiefelhagen 2008) as py-motmetrics does it: one kind of object, one video."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple


class Candidate(NamedTuple):
    """An object and a hypothesis of one frame that may be paired."""

    frame: int
    object: int
    """Unique in its frame."""
    hypothesis: int
    """Track of the hypothesis, unique in its frame."""
    track: int
    """Track of the object."""
    distance: float


class Pairing(NamedTuple):
    """What pairing a sequence came to."""

    detections: int
    """Pairs over all frames, switches included."""
    switches: int
    """Pairs whose object was last paired with another hypothesis, however long ago."""
    distance: float
    """Sum over the pairs."""


def pair_sequence(candidates: Iterable[Candidate]) -> Pairing:
    """Pair objects with hypotheses frame by frame, keeping pairs from before where they are still allowed.

    Args:
        candidates: the allowed pairs, sorted by frame and within a frame by object.
    """
    last: dict[int, int] = {}  # track of an object -> hypothesis it was last paired with
    detections, switches, distance = 0, 0, 0.0
    for _, group in groupby(candidates, key=itemgetter(0)):
        for pair in _pair_frame(list(group), last):
            detections += 1
            switches += last.get(pair.track, pair.hypothesis) != pair.hypothesis
            distance += pair.distance
            last[pair.track] = pair.hypothesis
    return Pairing(detections, switches, distance)


def _pair_frame(candidates: list[Candidate], last: dict[int, int]) -> list[Candidate]:
    """The pairs of one frame: the last ones that still hold, in the order of objects, then the best of the rest."""
    kept, objects, hypotheses = [], set(), set()
    for pair in candidates:
        if last.get(pair.track) == pair.hypothesis and pair.hypothesis not in hypotheses:
            kept.append(pair)
            objects.add(pair.object)
            hypotheses.add(pair.hypothesis)
    rest = [pair for pair in candidates if pair.object not in objects and pair.hypothesis not in hypotheses]
    return kept + cheapest_pairs(rest)


def cheapest_pairs(candidates: list[Candidate]) -> list[Candidate]:
    """As many pairs as possible, nobody in two of them, and among these choices one of least total distance.

    Successive shortest paths: each round takes one more object in, along the cheapest chain of re-pairings. With the
    handful of persons that crowd around one joint this is quicker than a dense solver, and needs no library.

    Args:
        candidates: the allowed pairs of one frame.

    Returns:
        the chosen ones, in the order given.
    """
    of_object: dict[int, list[Candidate]] = {}
    for pair in candidates:
        of_object.setdefault(pair.object, []).append(pair)
    if len(of_object) == len(candidates) == len({pair.hypothesis for pair in candidates}):
        return candidates  # nobody has a choice
    chosen: dict[int, Candidate] = {}  # by hypothesis
    while reached := _cheapest_chains(of_object, chosen):
        free = [hypothesis for hypothesis in reached if hypothesis not in chosen]
        if not free:
            break
        partner = {pair.object: hypothesis for hypothesis, pair in chosen.items()}
        hypothesis: int | None = min(free, key=lambda end: reached[end][0])
        while hypothesis is not None:  # walk the chain back: each object on it takes the hypothesis ahead
            pair = reached[hypothesis][1]
            chosen[hypothesis] = pair
            hypothesis = partner.get(pair.object)
    return [pair for pair in candidates if chosen.get(pair.hypothesis) is pair]


def _cheapest_chains(
    of_object: dict[int, list[Candidate]], chosen: dict[int, Candidate]
) -> dict[int, tuple[float, Candidate]]:
    """Per hypothesis that an unpaired object can get at: the chain's change of total distance, and its last pair."""
    paired = {pair.object for pair in chosen.values()}
    queue = [object_ for object_ in of_object if object_ not in paired]
    cost = dict.fromkeys(queue, 0.0)
    reached: dict[int, tuple[float, Candidate]] = {}
    for object_ in queue:  # grows while it is walked
        for pair in of_object[object_]:
            total = cost[object_] + pair.distance
            if pair.hypothesis in reached and total >= reached[pair.hypothesis][0] - 1e-12:
                continue
            reached[pair.hypothesis] = (total, pair)
            owner = chosen.get(pair.hypothesis)
            if owner is not None:
                cost[owner.object] = total - owner.distance
                queue.append(owner.object)
    return reached
