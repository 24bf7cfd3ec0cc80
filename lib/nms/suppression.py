"""Non-maximum suppression of boxes and of poses.

Equal scores: the one that comes first in the input is chosen first. Compiled by `make`; NumPy does the same, slower,
where nothing is built.
"""

import warnings

import numpy as np

from lib.nms import reference

try:
    from lib.nms import _nms as kernels
except ImportError:
    kernels = reference
    warnings.warn(
        "lib.nms runs in NumPy, several times slower: it is not built for this Python; run `make`", stacklevel=1
    )


def nms(boxes: np.ndarray, thresh: float) -> list[int]:
    """Greedy NMS of boxes.

    Args:
        boxes: (N, 5) x1, y1, x2, y2, score; corners in pixels and part of the box: its width is x2 − x1 + 1.
        thresh: a box is dropped if its IoU with a better box that was kept is above this.

    Returns:
        The indices of the boxes that are kept, best first.

    Raises:
        ValueError: another shape, or a value that is not finite.
    """
    boxes = _finite("boxes", boxes, (None, 5))
    return kernels.nms(boxes, _best_first(boxes[:, 4]), thresh)


def oks_iou(pose: np.ndarray, poses: np.ndarray, area: float, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Object keypoint similarity of one pose with others: mean over the joints of exp(−d² / (2 · (2σ)² · mean area)).

    As COCO's OKS (cocodataset.org, keypoint evaluation), between two estimates: every joint counts, and the area is
    the mean of the two.

    Args:
        pose: (J, 2 or 3) x, y in pixels; a third column (score) is not read.
        poses: (N, J, 2 or 3).
        area: of the person, in pixels².
        areas: (N,).
        sigmas: (J,) the joints' fall-off, as COCO lists them.

    Returns:
        (N,) float64, 0 to 1.

    Raises:
        ValueError: shapes that do not fit each other, or a value that is not finite.
    """
    poses, areas, falloff = _checked_poses(poses, areas, sigmas)
    pose, area, _ = _checked_poses(np.asarray(pose)[None], [area], sigmas)
    return kernels.oks_iou(pose[0], poses, area[0], areas, falloff)


def oks_nms(
    keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray, thresh: float
) -> list[int]:
    """Greedy NMS of poses by OKS (see `oks_iou`), as in SimpleBaseline (Xiao et al., ECCV 2018) and HRNet.

    Args:
        keypoints: (N, J, 2 or 3) x, y in pixels; a third column (score) is not read.
        scores: (N,) of the persons.
        areas: (N,) of the persons, in pixels².
        sigmas: (J,) the joints' fall-off, as COCO lists them.
        thresh: a pose is dropped if its OKS with a better pose that was kept is above this.

    Returns:
        The indices of the poses that are kept, best first.

    Raises:
        ValueError: shapes that do not fit each other, or a value that is not finite.
    """
    poses, areas, falloff = _checked_poses(keypoints, areas, sigmas)
    scores = _finite("scores", scores, (len(poses),))
    return kernels.oks_nms(poses, _best_first(scores), areas, falloff, thresh)


def soft_oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    thresh: float,
    max_dets: int = 20,
) -> list[int]:
    """Soft NMS of poses by OKS (Gaussian decay of Bodla et al., ICCV 2017).

    Again and again the best pose is chosen, and the scores of those not yet chosen are multiplied by
    exp(−OKS² / thresh). The decayed scores serve this choice alone; the caller's stay as they are.

    Args:
        keypoints, scores, areas, sigmas: as for `oks_nms`.
        thresh: how slowly scores decay, above 0.
        max_dets: at most so many are chosen.

    Returns:
        The indices of the chosen poses, in the order of choice.

    Raises:
        ValueError: shapes that do not fit each other, a value that is not finite, or a `thresh` that is not above 0.
    """
    if thresh <= 0:
        raise ValueError(f"soft_oks_nms: thresh is {thresh}, it must be above 0")
    poses, areas, falloff = _checked_poses(keypoints, areas, sigmas)
    scores = _finite("scores", scores, (len(poses),)).copy()  # the kernel decays them in place
    return kernels.soft_oks_nms(poses, scores, areas, falloff, thresh, max_dets)


def _best_first(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, kind="stable")


def _checked_poses(
    keypoints: np.ndarray, areas: np.ndarray, sigmas: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The poses as (N, J, 2), the areas, and what a joint's squared distance is multiplied by: 1 / (2 · (2σ)²)."""
    keypoints = np.asarray(keypoints)
    sigmas = _finite("sigmas", sigmas, (None,))
    if not (sigmas > 0).all():
        raise ValueError("sigmas must be above 0")
    if keypoints.ndim != 3 or keypoints.shape[1] != len(sigmas) or keypoints.shape[2] not in (2, 3) or not len(sigmas):
        raise ValueError(f"keypoints are {keypoints.shape}, expected (N, {len(sigmas)} as the sigmas, 2 or 3)")
    poses = _finite("keypoints", keypoints[..., :2], (*keypoints.shape[:2], 2))
    return poses, _finite("areas", areas, (len(poses),)), 1 / (2 * (2 * sigmas) ** 2)


def _finite(name: str, values: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """`values` as a contiguous float64 array of `shape` (None: any length)."""
    values = np.ascontiguousarray(values, np.float64)
    fits = values.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, values.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} are {values.shape}, expected ({', '.join(str(n or 'N') for n in shape)})")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} hold a value that is not finite")
    return values
