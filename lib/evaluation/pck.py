"""PCK: the share of joints that are estimated within a distance of where they are."""

import numpy as np


def joint_errors(estimates: np.ndarray, truth: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the labelled joints, in pixels and as shares of the person's size.

    Args:
        estimates, truth: (P, J, 2) x, y in pixels.
        visible: (P, J) bool, the joint is labelled in `truth`.
    Returns:
        (N,) pixels and (N,) shares of the longer side of the box around the person's labelled joints, of all N
        labelled joints, in the order of people.
    """
    errors = np.linalg.norm(estimates - truth, axis=2)  # (P, J)
    low = np.where(visible[..., None], truth, np.inf).min(axis=1, initial=np.inf)
    high = np.where(visible[..., None], truth, -np.inf).max(axis=1, initial=-np.inf)
    sizes = (high - low).max(axis=1, initial=0)  # (P,)
    with np.errstate(divide="ignore", invalid="ignore"):  # a person of one joint has no size: only an exact hit counts
        shares = np.where(errors == 0, 0, errors / sizes[:, None])
    return errors[visible], shares[visible]


def pck(shares: np.ndarray, threshold: float = 0.05) -> float:
    """Per cent of `shares` (N,) within `threshold`; NaN of none."""
    return 100 * float(np.mean(shares <= threshold)) if len(shares) else float("nan")
