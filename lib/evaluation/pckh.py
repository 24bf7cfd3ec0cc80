"""PCKh: the share of joints that are estimated within a share of the head size of the label."""

import math

import numpy as np

from lib.evaluation.heads import HEAD_SIZE, head_diagonals
from lib.evaluation.tables import joint_columns
from lib.formats.coco_people import LabeledPeople
from lib.formats.mpii import MpiiTruth
from lib.utils.errors import InputError

MPII_TABLE = {
    "Head": ("head",),
    "Shoulder": ("lsho", "rsho"),
    "Elbow": ("lelb", "relb"),
    "Wrist": ("lwri", "rwri"),
    "Hip": ("lhip", "rhip"),
    "Knee": ("lkne", "rkne"),
    "Ankle": ("lank", "rank"),
}
"""Columns of MPII's table, each with the joints that it is the mean of."""

_NOT_IN_MEAN = ("pelv", "thor")
_NEAR = 0.11  # HRNet's scorer takes entry 11, counted from 0, of the thresholds 0, 0.01 … 0.5 and calls it "@0.1"
_NUM_SKELETON = 14
_TRB_THRESHOLD = 0.3  # of the head box's diagonal: half of MPII's head size


def evaluate_mpii(truth: MpiiTruth, joints: np.ndarray) -> dict[str, dict[str, float]]:
    """Return PCKh@0.5 as MPII's tool and HRNet's scorer compute it: a joint is hit within half a head size.

    Args:
        truth: P people.
        joints: (P, 16, 2) x, y in the same pixels; NaN counts as a miss.

    Returns:
        `table`: the columns of MPII_TABLE, `Mean` of all labeled joints except pelvis and thorax, and `Mean@0.1`, whose
        threshold is 0.11; `joints`: PCKh@0.5 by joint name. All times 100; NaN where no joint is labeled.

    Raises:
        InputError: The ground truth lacks a joint of the table.
    """
    lacking = [name for names in MPII_TABLE.values() for name in names if name not in truth.names]
    if lacking:
        raise InputError(f"MPII's ground truth: dataset_joints lacks {', '.join(lacking)}")
    heads = HEAD_SIZE * head_diagonals(truth.head_boxes)
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing is hit if the head has no size
        shares = np.linalg.norm(joints - truth.joints, axis=2) / heads[:, None]  # (P, 16)
    hits, near = ((shares <= threshold) & truth.labeled for threshold in (0.5, _NEAR))
    counted = np.array([name not in _NOT_IN_MEAN for name in truth.names])
    labeled = truth.labeled.sum(axis=0)
    by_joint = {
        name: _per_cent(hit, count) for name, hit, count in zip(truth.names, hits.sum(axis=0), labeled, strict=True)
    }
    table = joint_columns(by_joint, MPII_TABLE)
    table["Mean"] = _per_cent(hits[:, counted].sum(), labeled[counted].sum())
    table["Mean@0.1"] = _per_cent(near[:, counted].sum(), labeled[counted].sum())
    return {"table": table, "joints": by_joint}


def evaluate_mpii_trb(truth: LabeledPeople, joints: np.ndarray) -> dict[str, dict[str, float]]:
    """Return PCKh of MPII-TRB (Duan et al., ICCV 2019) as MMPose computes it: a hit is below 0.3 head box diagonals.

    Args:
        truth: P people with 40 joints; the first 14 are the skeleton, the others the contour.
        joints: (P, 40, 2) x, y in the same pixels.

    Returns:
        `table`: `Skeleton`, `Contour` and `Mean`, each of all its labeled joints; `joints`: by joint name. Times 100.

    Raises:
        InputError: A labeled person has no head box.
    """
    scored = truth.labeled.any(axis=1)
    sizes = head_diagonals(truth.head_boxes)
    if np.isnan(sizes[scored]).any():
        lacking = truth.annotation_ids[int(np.flatnonzero(scored & np.isnan(sizes))[0])]
        raise InputError(
            f"annotation {lacking} of the ground truth: no 'headbox', the unit of distances; MPII-TRB's val file has it"
        )
    errors = np.linalg.norm(joints - truth.joints, axis=2)
    hits = (errors < _TRB_THRESHOLD * sizes[:, None]) & truth.labeled
    hit, labeled = hits.sum(axis=0), truth.labeled.sum(axis=0)  # (40,)
    parts = {"Skeleton": slice(_NUM_SKELETON), "Contour": slice(_NUM_SKELETON, None), "Mean": slice(None)}
    return {
        "table": {name: _per_cent(hit[part].sum(), labeled[part].sum()) for name, part in parts.items()},
        "joints": {name: _per_cent(*counts) for name, *counts in zip(truth.names, hit, labeled, strict=True)},
    }


def _per_cent(hits: int, labeled: int) -> float:
    return 100 * float(hits) / float(labeled) if labeled else math.nan
