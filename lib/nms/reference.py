"""The NMS in NumPy: the twin of _nms.pyx, used where that is not built and to test it."""

import numpy as np


def nms(boxes: np.ndarray, order: np.ndarray, thresh: float) -> list[int]:
    """Greedy NMS of boxes (N, 4+) taken in `order`; drops what overlaps a kept box by more than `thresh`."""
    x1, y1, x2, y2 = boxes[:, :4].T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)

    def overlap(i: int, rest: np.ndarray) -> np.ndarray:
        width = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]) + 1
        height = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]) + 1
        shared = width.clip(min=0) * height.clip(min=0)
        return shared / (areas[i] + areas[rest] - shared)

    return _greedy(order, overlap, thresh)


def oks_iou(pose: np.ndarray, poses: np.ndarray, area: float, areas: np.ndarray, falloff: np.ndarray) -> np.ndarray:
    """OKS (N,) of a pose (J, 2) with poses (N, J, 2); `falloff` (J,) is 1 / (2 · (2σ)²)."""
    distances = ((poses - pose) ** 2).sum(-1)
    mean_areas = (area + areas) / 2 + np.spacing(1)
    return np.exp(-distances * falloff / mean_areas[:, None]).mean(-1)


def oks_nms(poses: np.ndarray, order: np.ndarray, areas: np.ndarray, falloff: np.ndarray, thresh: float) -> list[int]:
    """Greedy NMS of poses (N, J, 2) taken in `order`; drops what is more alike a kept pose than `thresh`."""
    return _greedy(order, lambda i, rest: oks_iou(poses[i], poses[rest], areas[i], areas[rest], falloff), thresh)


def soft_oks_nms(
    poses: np.ndarray, scores: np.ndarray, areas: np.ndarray, falloff: np.ndarray, thresh: float, max_dets: int
) -> list[int]:
    """Soft NMS: takes the best pose, decays the scores of the others by exp(−OKS² / thresh), and so on."""
    scores = scores.copy()
    left = np.arange(len(scores))
    keep = []
    while len(left) and len(keep) < max_dets:
        best = left[scores[left].argmax()]
        keep.append(int(best))
        left = left[left != best]
        scores[left] *= np.exp(-(oks_iou(poses[best], poses[left], areas[best], areas[left], falloff) ** 2) / thresh)
    return keep


def _greedy(order: np.ndarray, overlap, thresh: float) -> list[int]:
    keep = []
    while len(order):
        keep.append(int(order[0]))
        order = order[1:][overlap(order[0], order[1:]) <= thresh]
    return keep
