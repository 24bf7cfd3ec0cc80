"""NumPy version of _nms.pyx, used to test it and where it is not built."""

from collections.abc import Callable

import numpy as np


def nms(boxes: np.ndarray, order: np.ndarray, thresh: float) -> list[int]:
    """Return the boxes (N, 4+) that greedy NMS keeps, visited in `order`; `thresh` is the highest IoU allowed."""
    x1, y1, x2, y2 = boxes[:, :4].T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)

    def overlap(i: int, rest: np.ndarray) -> np.ndarray:
        width = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]) + 1
        height = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]) + 1
        shared = width.clip(min=0) * height.clip(min=0)
        return shared / (areas[i] + areas[rest] - shared)

    return _greedy(order, overlap, thresh)


def oks_iou(pose: np.ndarray, poses: np.ndarray, area: float, areas: np.ndarray, falloff: np.ndarray) -> np.ndarray:
    """Return the OKS (N,) of a pose (J, 2) with poses (N, J, 2); `falloff` (J,) is 1 / (2 · (2σ)²)."""
    distances = ((poses - pose) ** 2).sum(-1)
    mean_areas = (area + areas) / 2 + np.spacing(1)
    return np.exp(-distances * falloff / mean_areas[:, None]).mean(-1)


def oks_nms(poses: np.ndarray, order: np.ndarray, areas: np.ndarray, falloff: np.ndarray, thresh: float) -> list[int]:
    """Return the poses (N, J, 2) that greedy NMS keeps, visited in `order`; `thresh` is the highest OKS allowed."""
    return _greedy(order, lambda i, rest: oks_iou(poses[i], poses[rest], areas[i], areas[rest], falloff), thresh)


def soft_oks_nms(
    poses: np.ndarray, scores: np.ndarray, areas: np.ndarray, falloff: np.ndarray, thresh: float, max_dets: int
) -> list[int]:
    """Return the poses that soft NMS chooses, decaying the other scores by exp(−OKS² / thresh) after each choice."""
    scores = scores.copy()
    left = np.arange(len(scores))
    keep: list[int] = []
    while len(left) and len(keep) < max_dets:
        best = left[scores[left].argmax()]
        keep.append(int(best))
        left = left[left != best]
        scores[left] *= np.exp(-(oks_iou(poses[best], poses[left], areas[best], areas[left], falloff) ** 2) / thresh)
    return keep


def _greedy(order: np.ndarray, overlap: Callable[[int, np.ndarray], np.ndarray], thresh: float) -> list[int]:
    """Keep the first of `order`, drop those of the rest that overlap it by more than `thresh`, and repeat."""
    keep = []
    while len(order):
        keep.append(int(order[0]))
        order = order[1:][overlap(order[0], order[1:]) <= thresh]
    return keep
