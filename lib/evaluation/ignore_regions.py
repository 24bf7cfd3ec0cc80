"""Ignore regions: joints in the polygons that a ground truth excludes from scoring."""

from fractions import Fraction

import numpy as np

from lib.evaluation.pairs import pairs_within


def inside_any(points: np.ndarray, frames: np.ndarray, regions: list[list[np.ndarray]]) -> np.ndarray:
    """Return for each point whether it is strictly inside at least one polygon of its frame.

    A polygon may cross itself. A point is inside if a ray from it crosses an odd number of edges, and outside if it
    lies on an edge; this is decided without rounding errors. These are the rules of GEOS's `contains`, which poseval
    uses.

    Args:
        points: (N, 2) x, y.
        frames: (N,) frame of each point.
        regions: Polygons (n, 2) of each frame; those with fewer than three corners enclose nothing.

    Returns:
        (N,) bool.
    """
    inside = np.zeros(len(points), dtype=bool)
    polygons = [(frame, polygon) for frame, some in enumerate(regions) for polygon in some if len(polygon) > 2]
    if not polygons:
        return inside
    start = np.concatenate([polygon for _, polygon in polygons])
    num_corners = np.array([len(polygon) for _, polygon in polygons])
    first = np.cumsum(num_corners) - num_corners
    following = np.arange(1, len(start) + 1)
    following[first + num_corners - 1] = first  # the last corner of each polygon is joined to its first
    end = start[following]

    # Candidates: a point and a polygon whose bounding box holds it; then the edges at the point's height.
    point, polygon = pairs_within(frames, np.array([frame for frame, _ in polygons]))
    for axis in (1, 0):
        low, high = np.minimum.reduceat(start[:, axis], first), np.maximum.reduceat(start[:, axis], first)
        value = points[point, axis]
        within = (low[polygon] < value) & (value < high[polygon])
        point, polygon = point[within], polygon[within]
    candidate, edge = pairs_within(polygon, np.repeat(np.arange(len(polygons)), num_corners))
    lower, upper = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    height = points[point, 1][candidate]
    level = (lower[edge] <= height) & (height <= upper[edge])
    candidate, edge = candidate[level], edge[level]

    crosses, touches = _crossings(points[point[candidate]], start[edge], end[edge])
    odd = np.bincount(candidate[crosses], minlength=len(point)) % 2 == 1
    odd[candidate[touches]] = False
    inside[point[odd]] = True
    return inside


def _crossings(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return if the ray from each point to the right crosses its edge, and if the point is on the edge, (N,) bool each.

    The point's height is between the ends of the edge. An edge includes only its lower end, so each corner is crossed
    once.
    """
    side = _side(points, start, end)
    upward = end[:, 1] > start[:, 1]
    lower, upper = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    crosses = (lower <= points[:, 1]) & (points[:, 1] < upper) & np.where(upward, side > 0, side < 0)
    beside = (np.minimum(start[:, 0], end[:, 0]) <= points[:, 0]) & (points[:, 0] <= np.maximum(start[:, 0], end[:, 0]))
    return crosses, beside & (side == 0)


def _side(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the sign of each point's exact side of its edge: positive to the left of start → end, 0 on the line."""
    run, rise = (end - start).T
    right, up = (points - start).T
    side = run * up - rise * right
    uncertain = np.abs(side) <= 1e-14 * (np.abs(run * up) + np.abs(rise * right))
    for row in np.flatnonzero(uncertain):
        (px, py), (sx, sy), (ex, ey) = (map(Fraction, corner[row].tolist()) for corner in (points, start, end))
        exact = (ex - sx) * (py - sy) - (ey - sy) * (px - sx)
        side[row] = (exact > 0) - (exact < 0)
    return side
