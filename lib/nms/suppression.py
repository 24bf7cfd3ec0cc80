"""Non-maximum suppression of boxes and of poses.

Of equal scores, the one that comes first in the input is chosen first. `make` compiles these functions; where they are
not built, NumPy computes the same more slowly.
"""

import multiprocessing
import warnings

import numpy as np
import numpy.typing as npt

try:
    from lib.nms import _nms as kernels
except ImportError:
    from lib.nms import reference as kernels  # type: ignore[no-redef]  # both have the same functions

    if multiprocessing.current_process().name == "MainProcess":  # once, and not in each worker of a loader
        warnings.warn(
            "lib.nms is not built for this Python and runs in NumPy, several times slower; run `make`", stacklevel=1
        )


def nms(boxes: np.ndarray, thresh: float) -> list[int]:
    """Suppress boxes greedily by their IoU.

    Args:
        boxes: (N, 5) x1, y1, x2, y2, score. The corners are pixels that belong to the box: its width is x2 − x1 + 1.
        thresh: IoU with a better box that was kept, above which a box is dropped.

    Returns:
        Indices of the boxes that are kept, best first.

    Raises:
        ValueError: `boxes` has another shape, or a value that is not finite.
    """
    boxes = _finite("boxes", boxes, (None, 5))
    return kernels.nms(boxes, _best_first(boxes[:, 4]), thresh)


def oks_iou(pose: np.ndarray, poses: np.ndarray, area: float, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Return the object keypoint similarity (OKS) of one pose with others.

    OKS is the mean over the joints of exp(−d² / (2 · (2σ)² · mean area)), as defined by COCO (cocodataset.org, keypoint
    evaluation) but between two estimates: every joint counts, and the area is the mean of the two.

    Args:
        pose: (J, 2 or 3) x, y in pixels; a third column (score) is ignored.
        poses: (N, J, 2 or 3) the other poses.
        area: Area of the person in pixels².
        areas: (N,) areas of the others.
        sigmas: (J,) OKS constants of the joints, as listed by COCO.

    Returns:
        (N,) float64, 0 to 1.

    Raises:
        ValueError: The shapes do not fit each other, or a value is not finite.
    """
    poses, areas, falloff = _checked_poses(poses, areas, sigmas)
    (pose,), (area,), _ = _checked_poses(np.asarray(pose)[None], [area], sigmas)
    return kernels.oks_iou(pose, poses, area, areas, falloff)


def oks_nms(
    keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray, thresh: float
) -> list[int]:
    """Suppress poses greedily by their OKS (see `oks_iou`), as in SimpleBaseline (Xiao et al., ECCV 2018) and HRNet.

    Args:
        keypoints: (N, J, 2 or 3) x, y in pixels; a third column (score) is ignored.
        scores: (N,) scores of the people.
        areas: (N,) areas of the people in pixels².
        sigmas: (J,) OKS constants of the joints, as listed by COCO.
        thresh: OKS with a better pose that was kept, above which a pose is dropped.

    Returns:
        Indices of the poses that are kept, best first.

    Raises:
        ValueError: The shapes do not fit each other, or a value is not finite.
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
    """Suppress poses by soft NMS with OKS (Gaussian decay of Bodla et al., ICCV 2017).

    The best pose is chosen repeatedly, each time multiplying the scores of the poses not yet chosen by
    exp(−OKS² / thresh). `scores` itself is not modified.

    Args:
        keypoints: (N, J, 2 or 3) x, y in pixels; a third column (score) is ignored.
        scores: (N,) scores of the people.
        areas: (N,) areas of the people in pixels².
        sigmas: (J,) OKS constants of the joints, as listed by COCO.
        thresh: Slowness of the decay, above 0.
        max_dets: Maximum number of poses to choose.

    Returns:
        Indices of the chosen poses, in the order in which they were chosen.

    Raises:
        ValueError: The shapes do not fit each other, a value is not finite, or `thresh` is not above 0.
    """
    if thresh <= 0:
        raise ValueError(f"soft_oks_nms: thresh is {thresh} but must be above 0")
    poses, areas, falloff = _checked_poses(keypoints, areas, sigmas)
    scores = _finite("scores", scores, (len(poses),)).copy()  # the kernel decays them in place
    return kernels.soft_oks_nms(poses, scores, areas, falloff, thresh, max_dets)


def _best_first(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, kind="stable")


def _checked_poses(
    keypoints: np.ndarray, areas: npt.ArrayLike, sigmas: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the poses as (N, J, 2), the areas, and the factor of each joint's squared distance: 1 / (2 · (2σ)²)."""
    keypoints = np.asarray(keypoints)
    sigmas = _finite("sigmas", sigmas, (None,))
    if not (sigmas > 0).all():
        raise ValueError("sigmas must be above 0")
    if keypoints.ndim != 3 or keypoints.shape[1] != len(sigmas) or keypoints.shape[2] not in (2, 3) or not len(sigmas):
        raise ValueError(f"keypoints are {keypoints.shape}; expected (N, {len(sigmas)} like the sigmas, 2 or 3)")
    poses = _finite("keypoints", keypoints[..., :2], (*keypoints.shape[:2], 2))
    return poses, _finite("areas", areas, (len(poses),)), 1 / (2 * (2 * sigmas) ** 2)


def _finite(name: str, values: npt.ArrayLike, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return `values` as a contiguous float64 array of `shape` (None: any length)."""
    values = np.ascontiguousarray(values, np.float64)
    fits = values.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, values.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} are {values.shape}; expected ({', '.join(str(n or 'N') for n in shape)})")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} contain a value that is not finite")
    return values
