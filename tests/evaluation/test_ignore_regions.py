"""Points in polygons against exact arithmetic."""

import numpy as np
import posetrack_oracle as oracle
import pytest

from lib.evaluation.ignore_regions import inside_any


@pytest.mark.parametrize("seed", range(30))
def test_random_polygons(seed):
    """Some points are corners, some lie on edges up to the rounding to one decimal."""
    rng = np.random.default_rng(seed)
    regions = [[rng.integers(0, 30, (rng.integers(1, 12), 2)) * 10.0 for _ in range(k % 4)] for k in range(6)]
    frames = rng.integers(0, 6, 200)
    points = rng.uniform(0, 300, (200, 2)).round(1)
    for row, frame in enumerate(frames):
        if regions[frame] and row % 2:
            polygon = regions[frame][0]
            corner, following = polygon[row % len(polygon)], polygon[(row + 1) % len(polygon)]
            points[row] = (corner + rng.integers(0, 101) / 100 * (following - corner)).round(1)
    expected = [
        any(oracle.inside(x, y, polygon.tolist()) for polygon in regions[frame] if len(polygon) > 2)
        for (x, y), frame in zip(points.tolist(), frames, strict=True)
    ]
    assert inside_any(points, frames, regions).tolist() == expected


def test_no_polygons():
    assert inside_any(np.zeros((2, 2)), np.array([0, 1]), [[], []]).tolist() == [False, False]
