"""The assignment inside CLEAR-MOT against SciPy's dense solver."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from lib.evaluation.clear_mot import Candidate, cheapest_pairs


@pytest.mark.parametrize("seed", range(200))
def test_cheapest_pairs(seed):
    rng = np.random.default_rng(seed)
    cost = rng.random((rng.integers(1, 9), rng.integers(1, 9)))
    allowed = rng.random(cost.shape) < rng.uniform(0.2, 1)
    candidates = [Candidate(0, i, j, i, cost[i, j]) for i, j in np.argwhere(allowed).tolist()]
    pairs = cheapest_pairs(candidates)
    rows, columns = linear_sum_assignment(np.where(allowed, cost, 100.0))
    expected = [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if allowed[i, j]]
    assert [(pair.object, pair.hypothesis) for pair in pairs] == expected


def test_no_candidates():
    assert cheapest_pairs([]) == []
