"""PCK: the share of joints that are estimated within a distance of where they are.

Two habits live side by side. `pck` takes all joints of all people at once, at a distance of the threshold or less: what
propagated labels are scored by. The others do as MMPose does: less than the threshold, each joint by itself, then the
mean over the joints that are labelled at all.
"""

import logging
import math

import numpy as np

from lib.evaluation.tables import LIMBS, joint_columns
from lib.formats.coco_people import LabeledPeople
from lib.utils.errors import InputError

NORMALIZERS = ("box", "joints", "torso")
"""What distances are shares of: the longer side of the person's box, or of the box around the labelled joints; or the
way from the left shoulder to the right hip."""

JHMDB_TABLE = {"Head": ("head",), **LIMBS}
"""The columns of JHMDB's table and the joints that each is the mean of; `Mean` of all joints follows."""

_THRESHOLDS = (0.05, 0.1, 0.2)
_JHMDB_THRESHOLD = 0.2
_TORSO = ("left_shoulder", "right_hip")
_AUC_STEPS = 20
_AUC_PIXELS = 30.0

_LOG = logging.getLogger(__name__)


def joint_errors(estimates: np.ndarray, truth: np.ndarray, labeled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the labelled joints, in pixels and as shares of the person's size.

    Args:
        estimates, truth: (P, J, 2) x, y in pixels.
        visible: (P, J) bool, the joint is labelled in `truth`.

    Returns:
        (N,) pixels and (N,) shares of the longer side of the box around the person's labelled joints, of all N
        labelled joints, in the order of people.
    """
    errors = np.linalg.norm(estimates - truth, axis=2)  # (P, J)
    sizes = joints_box_sizes(truth, labeled)
    with np.errstate(divide="ignore", invalid="ignore"):  # a person of one joint has no size: only an exact hit counts
        shares = np.where(errors == 0, 0, errors / sizes[:, None])
    return errors[labeled], shares[labeled]


def joints_box_sizes(joints: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """The longer side of the box around each person's labelled joints, (P,) pixels; 0 where fewer than two are.

    Args:
        joints: (P, J, 2) x, y; labeled (P, J) bool.
    """
    low = np.where(labeled[..., None], joints, np.inf).min(axis=1, initial=np.inf)
    high = np.where(labeled[..., None], joints, -np.inf).max(axis=1, initial=-np.inf)
    return (high - low).max(axis=1, initial=0)


def pck(shares: np.ndarray, threshold: float = 0.05) -> float:
    """Per cent of `shares` (N,) within `threshold`; NaN of none."""
    return 100 * float(np.mean(shares <= threshold)) if len(shares) else float("nan")


def pck_by_joint(shares: np.ndarray, labeled: np.ndarray, threshold: float) -> np.ndarray:
    """Per cent of each joint's distances under `threshold`, (J,); NaN of a joint that nobody has.

    Args:
        shares: (P, J) distances in units of `threshold`; labeled (P, J) bool.
    """
    counts = labeled.sum(axis=0)
    return 100 * ((shares < threshold) & labeled).sum(axis=0) / np.where(counts, counts, np.nan)


def auc(shares: np.ndarray, labeled: np.ndarray) -> float:
    """The mean over thresholds 0, 0.05 … 0.95 of PCK, joint by joint; the lowest, 0, adds nothing, as in MMPose.

    Args:
        shares: (P, J) distances as shares of the largest one looked at, such as 30 pixels; labeled (P, J) bool.
    """
    thresholds = np.arange(_AUC_STEPS) / _AUC_STEPS
    return float(np.mean([_mean(pck_by_joint(shares, labeled, threshold)) for threshold in thresholds]))


def evaluate_pck(truth: LabeledPeople, estimates: np.ndarray, normalizer: str) -> dict[str, object]:
    """PCK, AUC and EPE of any joints.

    Args:
        truth: P people of J joints; estimates (P, J, 2) in the same pixels.
        normalizer: one of NORMALIZERS.

    Returns:
        `table`: `PCK@0.05`, `PCK@0.1`, `PCK@0.2`, `AUC` up to 30 pixels and `AUC@` the normalizer, all times 100, and
        `EPE`, the mean error in pixels; `joints`: PCK and EPE by joint name, NaN where the joint is never labelled;
        `normalizer`.

    Raises:
        InputError: a labelled person has no box, or the joints are not those of the normalizer.
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
    """PCK@0.2 of JHMDB (Jhuang et al., ICCV 2013) as MMPose computes it.

    Args:
        truth: P people; estimates (P, J, 2) in the same pixels.

    Returns:
        `table` by the person's box and `torso` by the torso: the columns of JHMDB_TABLE, and `Mean` of all joints;
        times 100.

    Raises:
        InputError: other joints than JHMDB's, or a labelled person without box.
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
    """Errors (P, J) as shares of people's sizes, and which count: those of labelled joints of people with a size."""
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
        _LOG.warning("%d people left out of PCK: the %s they are measured by has no size", sizeless, normalizer)
    sizes = np.where(sizes > 0, sizes, np.nan)[:, None]
    return errors / sizes, truth.labeled & ~np.isnan(sizes)


def _torsos(truth: LabeledPeople, estimates: np.ndarray) -> np.ndarray:
    """(P,) pixels; as in MMPose the estimated torso stands in for one that is not labelled or is under a pixel."""
    lacking = [name for name in _TORSO if name not in truth.names]
    if lacking:
        raise InputError(f"the ground truth has no joint {lacking[0]!r}, which a torso ends at: choose box or joints")
    shoulder, hip = map(truth.names.index, _TORSO)
    own, estimated = (
        np.linalg.norm(joints[:, shoulder] - joints[:, hip], axis=1) for joints in (truth.joints, estimates)
    )
    return np.where(truth.labeled[:, [shoulder, hip]].all(axis=1) & (own >= 1), own, estimated)


def _mean(values: np.ndarray) -> float:
    """Of those that are not NaN."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan
