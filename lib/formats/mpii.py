"""MPII Human Pose (Andriluka et al., CVPR 2014): the scorer's ground truth, lists of people, predictions.

All MPII files count pixels from 1, as MATLAB does. Scored data stays that way; `read_people` and `write_predictions`,
which networks train from and write with, convert from and to pixels counted from 0.
"""

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.matlab import read_variables
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, read_json

JOINTS = (
    "rank",
    "rkne",
    "rhip",
    "lhip",
    "lkne",
    "lank",
    "pelv",
    "thor",
    "neck",
    "head",
    "rwri",
    "relb",
    "rsho",
    "lsho",
    "lelb",
    "lwri",
)
"""The 16 joints by their short names in gt_valid.mat, ordered by id."""

_PREDICTIONS = ("preds", "pred", "pos_pred_src")


@dataclass(frozen=True)
class MpiiTruth:
    """The P people of a split, as the scorer sees them.

    Attributes:
        names: 16 joint names.
        joints: (P, 16, 2) x, y in pixels, counted from 1.
        labeled: (P, 16) bool.
        head_boxes: (P, 4) x1, y1, x2, y2 in pixels, counted from 1.
    """

    names: tuple[str, ...]
    joints: np.ndarray
    labeled: np.ndarray
    head_boxes: np.ndarray


@dataclass(frozen=True, kw_only=True)
class MpiiPerson:
    """One entry of a list of people.

    Attributes:
        image: File name.
        center: (2,) x, y of the person in pixels, counted from 0.
        scale: Height of the person / 200 pixels.
        joints: (16, 2) x, y in pixels, counted from 0; all 0 in the test split, which has no labels.
        labeled: (16,) bool.
    """

    image: str
    center: np.ndarray
    scale: float
    joints: np.ndarray
    labeled: np.ndarray


def read_truth(path: str | Path) -> MpiiTruth:
    """Read gt_valid.mat (mpii_gt_val.mat), or a file with the same variables.

    Args:
        path: The file.

    Returns:
        The people of the split.

    Raises:
        InputError: If the file lacks a variable or has one of another shape. The message names both.
    """
    if Path(path).suffix == ".json":
        raise InputError(f"{path}: PCKh needs head boxes, which MPII's lists lack: use gt_valid.mat")
    content = read_variables(path)
    joints = _stack(content, "pos_gt_src", (len(JOINTS), 2), path)  # (16, 2, P)
    missing = _stack(content, "jnt_missing", (len(JOINTS),), path)  # (16, P)
    heads = _stack(content, "headboxes_src", (2, 2), path)  # (corner, xy, P)
    counts = {array.shape[-1] for array in (joints, missing, heads)}
    if len(counts) > 1:
        raise InputError(f"{path}: pos_gt_src, jnt_missing and headboxes_src differ in the number of people")
    names = content.get("dataset_joints")  # cells of text, not available from an HDF5 file
    return MpiiTruth(
        names=JOINTS if names is None else tuple(str(np.squeeze(name)) for name in names.ravel()),
        joints=joints.transpose(2, 0, 1),
        labeled=missing.T == 0,
        head_boxes=heads.reshape(4, -1).T,
    )


def read_people(path: str | Path) -> list[MpiiPerson]:
    """Read a list of people: annot/{train,valid,trainval,test}.json, or MMPose's mpii_{train,val,…}.json.

    Args:
        path: The file.

    Returns:
        The people in file order.

    Raises:
        InputError: If the file is not a list of people. The message names the entry and the key.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: MPII's list of people must be a JSON list")
    return [_read_person(entry, f"{path}: entry {index}") for index, entry in enumerate(content)]


def read_predictions(path: str | Path, num_people: int) -> np.ndarray:
    """Read the predictions for every person of the ground truth, in its order.

    The file is a .mat or HDF5 file with the variable `preds` (or `pred`, `pos_pred_src`), a .npy file, or a .json file
    with nested lists, either bare or under `preds`. The axes may be in any order, such as (P, 16, 2), (16, 2, P) or (2,
    16, P), and a score may follow x and y.

    Args:
        path: The file.
        num_people: Number of people P in the ground truth.

    Returns:
        (P, 16, 2) x, y in pixels, counted from 1; NaN for missing predictions.

    Raises:
        InputError: If the array is missing, or has another number of people. The message names the shape.
    """
    arrays = _read_arrays(Path(path))
    name = next((name for name in _PREDICTIONS if name in arrays), None)
    if name is None:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise InputError(f"{path}: predictions must be called 'preds'; the file has {found}")
    wanted = (num_people, len(JOINTS), 2)
    try:
        array = np.array(arrays[name], dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {name!r} must contain numbers, in the shape {wanted}") from None
    shape = array.shape
    array = array[..., None] if array.ndim == 2 else array  # MATLAB drops a trailing axis of size 1
    for axes in permutations(range(3)) if array.ndim == 3 else ():
        if array.transpose(axes).shape in (wanted, (*wanted[:2], 3)):
            return array.transpose(axes)[..., :2]
    raise InputError(
        f"{path}: {name!r} has the shape {shape}; {wanted} is needed: x, y of {len(JOINTS)} joints of each of the "
        f"{num_people} people of the ground truth"
    )


def write_predictions(path: str | Path, joints: np.ndarray) -> None:
    """Write pred.mat in the format of HRNet's code, which `read_predictions` reads.

    Args:
        path: The file to write.
        joints: (P, 16, 2) x, y in pixels, counted from 0, in the order of the list of people.
    """
    from scipy.io import savemat  # lazy, see matlab.py

    with atomic_path(path) as temporary:
        savemat(str(temporary), {"preds": joints + 1.0}, appendmat=False)


def _stack(content: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: str | Path) -> np.ndarray:
    """Return a variable as (*shape, P); MATLAB drops the last axis if P is 1."""
    array = content.get(name)
    if array is None or array.dtype.kind not in "fiub" or array.shape[: len(shape)] != shape:
        sizes = ", ".join(map(str, shape))
        raise InputError(f"{path}: it needs the variable {name!r} of shape ({sizes}, people), as gt_valid.mat has it")
    return array.reshape(*shape, -1).astype(np.float64)


def _read_arrays(path: Path) -> dict[str, Any]:
    if path.suffix == ".json":
        content = read_json(path)
        return content if isinstance(content, dict) else {_PREDICTIONS[0]: content}
    if path.suffix == ".npy":
        try:
            return {_PREDICTIONS[0]: np.load(path, allow_pickle=False)}
        except (ValueError, EOFError) as error:
            raise InputError(f"{path}: not a .npy file of numbers ({error})") from None
    return read_variables(path)


def _read_person(entry: Any, where: str) -> MpiiPerson:
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise InputError(f"{where}: expected an object with 'image', a file name")
    joints = np.zeros((len(JOINTS), 2))
    labeled = np.zeros(len(JOINTS), dtype=bool)
    if "joints" in entry:
        joints = _numbers(entry, "joints", joints.shape, where) - 1
        labeled = _numbers(entry, "joints_vis", labeled.shape, where) > 0
    center, scale = _numbers(entry, "center", (2,), where), _numbers(entry, "scale", (), where)
    return MpiiPerson(image=entry["image"], center=center - 1, scale=float(scale), joints=joints, labeled=labeled)


def _numbers(entry: dict[str, Any], key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        numbers = np.array(entry.get(key), dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise InputError(f"{where}: {key!r} must contain finite numbers{f', shape {shape}' if shape else ''}")
    return numbers
