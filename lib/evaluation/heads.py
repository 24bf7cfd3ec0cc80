"""Head sizes, which PCKh and PoseTrack's scores are relative to."""

import numpy as np

HEAD_SIZE = 0.6
"""Head size as a share of the head box's diagonal (MPII, Andriluka et al., CVPR 2014; PoseTrack)."""


def head_diagonals(boxes: np.ndarray) -> np.ndarray:
    """Return the diagonals (P,) of head boxes in pixels; NaN for NaN boxes.

    Args:
        boxes: (P, 4) x1, y1, x2, y2.
    """
    return np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1)
