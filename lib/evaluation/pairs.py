"""Pairs of rows of two tables that belong to the same group."""

import numpy as np


def pairs_within(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all (i, j) with first[i] == second[j], sorted by i, then j.

    Args:
        first: (N,) group of each row, in any order.
        second: (M,) group of each row, in ascending order.

    Returns:
        Two index arrays of the same length, into `first` and into `second`.
    """
    start = np.searchsorted(second, first, side="left")
    count = np.searchsorted(second, first, side="right") - start
    before = np.cumsum(count) - count
    return np.repeat(np.arange(len(first)), count), np.arange(count.sum()) + np.repeat(start - before, count)
