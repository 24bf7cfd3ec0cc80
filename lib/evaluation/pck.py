"""PCK: the share of joints that are estimated within a distance of the label.

There are two conventions. `pck` counts all joints of all people together, at distances up to and including the
threshold; propagated labels are scored this way. The other functions follow MMPose: distances below the threshold, each
joint separately, then the mean over joints that are labeled at least once.
"""

import logging
import math

import numpy as np

from lib.evaluation.tables import LIMBS, joint_columns
from lib.formats.coco_people import LabeledPeople
from lib.utils.errors import InputError

NORMALIZERS = ("box", "joints", "torso")
"""Sizes that errors are relative to: the longer side of the person's box, the longer side of the box around the labeled
joints, or the distance from the left shoulder to the right hip."""

JHMDB_TABLE = {"Head": ("head",), **LIMBS}
"""Columns of JHMDB's table, each with the joints that it is the mean of; `Mean` of all joints follows."""

_THRESHOLDS = (0.05, 0.1, 0.2)
_JHMDB_THRESHOLD = 0.2
_TORSO = ("left_shoulder", "right_hip")
_AUC_STEPS = 20
_AUC_PIXELS = 30.0

logger = logging.getLogger(__name__)


def joint_errors(estimates: np.ndarray, truth: np.ndarray, labeled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of labeled joints, in pixels and relative to the person's size.

    Args:
        estimates: (P, J, 2) x, y in pixels.
        truth: (P, J, 2) x, y in pixels.
        labeled: (P, J) bool, True if the joint is labeled in `truth`.

    Returns:
        (N,) pixels and (N,) shares of the longer side of the box around the person's labeled joints, for all N labeled
        joints, in the order of people.
    """
    errors = np.linalg.norm(estimates - truth, axis=2)  # (P, J)
    sizes = joints_box_sizes(truth, labeled)
    with np.errstate(divide="ignore", invalid="ignore"):  # a person with one joint has size 0: only an exact hit counts
        shares = np.where(errors == 0, 0, errors / sizes[:, None])
    return errors[labeled], shares[labeled]


def joints_box_sizes(joints: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """Return the longer side of the box around each person's labeled joints.

    Args:
        joints: (P, J, 2) x, y in pixels.
        labeled: (P, J) bool, True if the joint is labeled.

    Returns:
        (P,) pixels; 0 for people with fewer than two labeled joints.
    """
    low = np.where(labeled[..., None], joints, np.inf).min(axis=1, initial=np.inf)
    high = np.where(labeled[..., None], joints, -np.inf).max(axis=1, initial=-np.inf)
    return (high - low).max(axis=1, initial=0)


def pck(shares: np.ndarray, threshold: float = 0.05) -> float:
    """Return the percentage of shares up to and including a threshold; NaN without shares.

    Args:
        shares: (N,) errors relative to a size.
        threshold: Largest error of a correct joint.
    """
    return 100 * float(np.mean(shares <= threshold)) if len(shares) else float("nan")


def pck_by_joint(shares: np.ndarray, labeled: np.ndarray, threshold: float) -> np.ndarray:
    """Return the percentage of each joint's errors below a threshold.

    Args:
        shares: (P, J) errors relative to a size.
        labeled: (P, J) bool, True if the joint counts.
        threshold: Bound on the errors of correct joints.

    Returns:
        (J,) percentages; NaN for joints that are never labeled.
    """
    counts = labeled.sum(axis=0)
    return 100 * ((shares < threshold) & labeled).sum(axis=0) / np.where(counts, counts, np.nan)


def auc(shares: np.ndarray, labeled: np.ndarray) -> float:
    """Return the mean PCK, computed by joint, over the thresholds 0, 0.05, … 0.95; that of 0 is 0, as in MMPose.

    Args:
        shares: (P, J) errors relative to the largest threshold, such as 30 pixels.
        labeled: (P, J) bool, True if the joint counts.
    """
    thresholds = np.arange(_AUC_STEPS) / _AUC_STEPS
    return float(np.mean([_mean(pck_by_joint(shares, labeled, threshold)) for threshold in thresholds]))


def evaluate_pck(truth: LabeledPeople, estimates: np.ndarray, normalizer: str) -> dict[str, object]:
    """Return PCK, AUC and EPE of any joints.

    Args:
        truth: P people with J joints.
        estimates: (P, J, 2) x, y in the same pixels.
        normalizer: One of NORMALIZERS.

    Returns:
        `table`: `PCK@0.05`, `PCK@0.1`, `PCK@0.2`, `AUC` up to 30 pixels and `AUC@` the normalizer, all times 100, and
        `EPE`, the mean error in pixels; `joints`: PCK and EPE by joint name, NaN for joints that are never labeled;
        `normalizer`.

    Raises:
        InputError: A labeled person has no box, or a joint of the normalizer is missing.
    """
    errors = np.linalg.norm(estimates - truth.joints, axis=2)  # (P, J)
    shares, sized = _shares(truth, estimates, errors, normalizer)
    by_joint = {f"PCK@{threshold:g}": pck_by_joint(shares, sized, threshold) for threshold in _THRESHOLDS}
    table = {name: _mean(values) for name, values in by_joint.items()}
    table["AUC"] = auc(errors / _AUC_PIXELS, truth.labeled)
    table[f"AUC@{normalizer}"] = auc(shares, sized)
    table["EPE"] = float(errors[truth.labeled].mean())
    labeled = truth.labeled.sum(axis=0)
    by_joint["EPE"] = np.where(truth.labeled, errors, 0).sum(axis=0) / np.where(labeled, labeled, np.nan)
    joints = {
        joint: {name: float(values[index]) for name, values in by_joint.items()}
        for index, joint in enumerate(truth.names)
    }
    return {"normalizer": normalizer, "table": table, "joints": joints}


def evaluate_jhmdb(truth: LabeledPeople, estimates: np.ndarray) -> dict[str, dict[str, float]]:
    """Return PCK@0.2 of JHMDB (Jhuang et al., ICCV 2013) as computed by MMPose.

    Args:
        truth: P people.
        estimates: (P, J, 2) x, y in the same pixels.

    Returns:
        `table` relative to the person's box and `torso` relative to the torso: the columns of JHMDB_TABLE, and `Mean`
        of all joints; times 100.

    Raises:
        InputError: The joints are not those of JHMDB, or a labeled person has no box.
    """
    lacking = [name for names in JHMDB_TABLE.values() for name in names if name not in truth.names]
    if lacking:
        raise InputError(f"the ground truth lacks {', '.join(lacking)}: its joints are not those of JHMDB")
    errors = np.linalg.norm(estimates - truth.joints, axis=2)
    result = {}
    for key, normalizer in (("table", "box"), ("torso", "torso")):
        shares, sized = _shares(truth, estimates, errors, normalizer)
        values = pck_by_joint(shares, sized, _JHMDB_THRESHOLD)
        columns = joint_columns(dict(zip(truth.names, values.tolist(), strict=True)), JHMDB_TABLE)
        result[key] = columns | {"Mean": _mean(values)}
    return result


def _shares(
    truth: LabeledPeople, estimates: np.ndarray, errors: np.ndarray, normalizer: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return errors (P, J) relative to people's sizes, and (P, J) bool, True for the joints that count."""
    scored = truth.labeled.any(axis=1)
    if normalizer == "torso":
        sizes = _torsos(truth, estimates)
    elif normalizer == "joints":
        sizes = joints_box_sizes(truth.joints, truth.labeled)
    else:
        sizes = truth.boxes[:, 2:].max(axis=1)
        if np.isnan(sizes[scored]).any():
            lacking = truth.annotation_ids[int(np.flatnonzero(scored & np.isnan(sizes))[0])]
            raise InputError(f"annotation {lacking} of the ground truth: no 'bbox', the unit of distances")
    sizeless = np.count_nonzero(scored & ~(sizes > 0))
    if sizeless:
        logger.warning("%d people are left out of PCK: their %s has no size", sizeless, normalizer)
    sizes = np.where(sizes > 0, sizes, np.nan)[:, None]
    return errors / sizes, truth.labeled & ~np.isnan(sizes)


def _torsos(truth: LabeledPeople, estimates: np.ndarray) -> np.ndarray:
    """Return torso lengths (P,) in pixels; those of estimates if labels are missing or under a pixel, as in MMPose."""
    lacking = [name for name in _TORSO if name not in truth.names]
    if lacking:
        raise InputError(f"the ground truth has no joint {lacking[0]!r}, an end of the torso: choose box or joints")
    shoulder, hip = map(truth.names.index, _TORSO)
    own, estimated = (
        np.linalg.norm(joints[:, shoulder] - joints[:, hip], axis=1) for joints in (truth.joints, estimates)
    )
    return np.where(truth.labeled[:, [shoulder, hip]].all(axis=1) & (own >= 1), own, estimated)


def _mean(values: np.ndarray) -> float:
    """Return the mean of all values that are not NaN."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan
