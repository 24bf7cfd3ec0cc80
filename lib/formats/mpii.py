"""MPII Human Pose (Andriluka et al., CVPR 2014): ground truth of the scorer, lists of people, predictions.

All its files count pixels from 1, as MATLAB does. What is scored stays so; `read_people` and `write_predictions`, which
nets learn from and write with, count from 0 on our side.
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
"""The 16 joints by the short names of gt_valid.mat, in the order of their ids."""

_PREDICTIONS = ("preds", "pred", "pos_pred_src")


@dataclass(frozen=True)
class MpiiTruth:
    """The P people of a split as the scorer knows them.

    Attributes:
        names: 16 joint names.
        points: (P, 16, 2) x, y in pixels from 1.
        labeled: (P, 16) bool.
        head_boxes: (P, 4) x1, y1, x2, y2 in pixels from 1.
    """

    names: tuple[str, ...]
    points: np.ndarray
    labeled: np.ndarray
    head_boxes: np.ndarray


@dataclass(frozen=True)
class MpiiPerson:
    """One entry of a list of people.

    Attributes:
        image: file name.
        center: (2,) x, y of the person, in pixels from 0.
        scale: the person's height / 200 pixels.
        joints: (16, 2) x, y in pixels from 0; all 0 in the test split, which has no labels.
        visible: (16,) bool, the joint is labelled.
    """

    image: str
    center: np.ndarray
    scale: float
    joints: np.ndarray
    visible: np.ndarray


def read_truth(path: str | Path) -> MpiiTruth:
    """Read gt_valid.mat (mpii_gt_val.mat), or a file with its variables.

    Raises:
        InputError: not such a file; names the variable and the shape it has to have.
    """
    if Path(path).suffix == ".json":
        raise InputError(f"{path}: PCKh needs the head boxes, which MPII's lists lack: give gt_valid.mat")
    content = read_variables(path)
    points = _stack(content, "pos_gt_src", (len(JOINTS), 2), path)  # (16, 2, P)
    missing = _stack(content, "jnt_missing", (len(JOINTS),), path)  # (16, P)
    heads = _stack(content, "headboxes_src", (2, 2), path)  # (corner, x and y, P)
    counts = {array.shape[-1] for array in (points, missing, heads)}
    if len(counts) > 1:
        raise InputError(f"{path}: pos_gt_src, jnt_missing and headboxes_src differ in the number of people")
    names = content.get("dataset_joints")  # cells of text, which an HDF5 file does not give us
    return MpiiTruth(
        names=JOINTS if names is None else tuple(str(np.squeeze(name)) for name in names.ravel()),
        points=points.transpose(2, 0, 1),
        labeled=missing.T == 0,
        head_boxes=heads.reshape(4, -1).T,
    )


def read_people(path: str | Path) -> list[MpiiPerson]:
    """Read a list of people: annot/{train,valid,trainval,test}.json, or MMPose's mpii_{train,val,…}.json.

    Raises:
        InputError: not such a file; names the entry and the key.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: a list of MPII's people is a JSON list")
    return [_read_person(entry, f"{path}: entry {index}") for index, entry in enumerate(content)]


def read_predictions(path: str | Path, num_people: int) -> np.ndarray:
    """Read predictions for every person of a ground truth, in its order.

    A .mat or HDF5 file with the variable `preds` (else `pred`, `pos_pred_src`), a .npy file, or a .json file of such
    nested lists, bare or under `preds`. The axes may come in any order, such as (P, 16, 2), (16, 2, P) or (2, 16, P),
    and a score may follow x and y.

    Returns:
        (P, 16, 2) x, y in pixels from 1; NaN where the system gave none.
    Raises:
        InputError: no such array, or another number of people; names the shape.
    """
    arrays = _read_arrays(Path(path))
    name = next((name for name in _PREDICTIONS if name in arrays), None)
    if name is None:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise InputError(f"{path}: predictions have to be called 'preds'; the file has {found}")
    wanted = (num_people, len(JOINTS), 2)
    try:
        array = np.array(arrays[name], dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {name!r} has to hold numbers, in the shape {wanted}") from None
    shape = array.shape
    array = array[..., None] if array.ndim == 2 else array  # MATLAB drops a last axis of one
    for axes in permutations(range(3)) if array.ndim == 3 else ():
        if array.transpose(axes).shape in (wanted, (*wanted[:2], 3)):
            return array.transpose(axes)[..., :2]
    raise InputError(
        f"{path}: {name!r} has the shape {shape}; {wanted} is needed: x, y of {len(JOINTS)} joints of each of the "
        f"{num_people} people of the ground truth"
    )


def write_predictions(path: str | Path, points: np.ndarray) -> None:
    """Write pred.mat, as HRNet's code does and as `read_predictions` reads it.

    Args:
        points: (P, 16, 2) x, y in pixels from 0, in the order of the list of people.
    """
    from scipy.io import savemat  # here for the reason that matlab.py gives

    with atomic_path(path) as temporary:
        savemat(str(temporary), {"preds": points + 1.0}, appendmat=False)


def _stack(content: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: str | Path) -> np.ndarray:
    """The variable, (*shape, P); MATLAB drops the last axis where P is 1."""
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
        raise InputError(f"{where}: it has to be an object with 'image', a file name")
    joints = np.zeros((len(JOINTS), 2))
    visible = np.zeros(len(JOINTS), dtype=bool)
    if "joints" in entry:
        joints = _numbers(entry, "joints", joints.shape, where) - 1
        visible = _numbers(entry, "joints_vis", visible.shape, where) > 0
    center, scale = _numbers(entry, "center", (2,), where), _numbers(entry, "scale", (), where)
    return MpiiPerson(entry["image"], center - 1, float(scale), joints, visible)


def _numbers(entry: dict[str, Any], key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        numbers = np.array(entry.get(key), dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise InputError(f"{where}: {key!r} has to hold finite numbers{f', shape {shape}' if shape else ''}")
    return numbers
