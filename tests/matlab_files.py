"""MATLAB files as MATLAB writes them, by SciPy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

EMPTY = np.zeros((0, 0))  # MATLAB's []


def struct_array(items: list[dict[str, Any]]) -> np.ndarray:
    """A 1×N struct array: every element has every field, [] where it says nothing."""
    fields = list(dict.fromkeys(field for item in items for field in item))
    array = np.empty((1, len(items)), dtype=[(field, object) for field in fields])
    for place, item in zip(array[0], items, strict=True):
        for field in fields:
            place[field] = item.get(field, EMPTY)
    return array


def as_matlab(value: Any) -> Any:
    """JSON as MATLAB's own: lists of objects are struct arrays, a list of one number or text is the thing itself."""
    if isinstance(value, dict):
        return struct_array([{key: as_matlab(item) for key, item in value.items()}])
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return struct_array([{key: as_matlab(item) for key, item in entry.items()} for entry in value])
    if isinstance(value, list):
        return as_matlab(value[0]) if value else EMPTY
    return value


def write_posetrack(path: Path, content: dict[str, Any]) -> None:
    """A PoseTrack17 file with what its .json file holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"annolist": as_matlab(content["annolist"])})


def write_mpii_truth(
    path: Path, points: np.ndarray, missing: np.ndarray, heads: np.ndarray, names: Sequence[str]
) -> None:
    """gt_valid.mat of points (16, 2, P), missing (16, P), heads (2, 2, P) and 16 names."""
    cells = np.empty((1, len(names)), dtype=object)
    cells[0] = names
    arrays = {"pos_gt_src": points, "jnt_missing": missing.astype(np.uint8), "headboxes_src": heads}
    savemat(path, {"dataset_joints": cells, **arrays})
