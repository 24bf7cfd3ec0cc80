"""MATLAB's .mat files: versions 4 to 7 by SciPy; from version 7.3, which is HDF5, only numeric arrays."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from lib.utils.errors import InputError

MAX_BYTES = 1 << 30
"""Memory that the variables of a file may take."""
NUMBER = 8
_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512  # bytes that MATLAB writes before the HDF5 signature


def read_variables(path: str | Path) -> dict[str, np.ndarray]:
    """Read the variables of a .mat file, or the top-level datasets of an HDF5 file.

    Arrays have MATLAB's shapes: numbers are at least 2-D, structs are structured arrays, cells are object arrays. Only
    numeric arrays are read from an HDF5 file; arrays that were not written by MATLAB keep their shape in the file.

    Args:
        path: The file.

    Returns:
        The variables by name.

    Raises:
        InputError: If the file is missing or broken, or an HDF5 file that links to other files.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(_USER_BLOCK + len(_HDF5))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if _HDF5 in (start[: len(_HDF5)], start[_USER_BLOCK:]):
        return _read_hdf5(path)
    from scipy.io import loadmat, whosmat  # lazy: slow to import, and few callers read .mat files

    try:
        size = sum(NUMBER * math.prod(shape) for _, shape, _ in whosmat(path, appendmat=False))
        if size > MAX_BYTES:
            raise ValueError(f"its variables take {size >> 20} MB")
        content = loadmat(path, appendmat=False)
    except Exception as error:  # SciPy raises many types of errors on broken files
        raise InputError(f"{path}: not a .mat file, or a truncated one ({error})") from None
    return {name: value for name, value in content.items() if not name.startswith("__")}


def plain(value: np.ndarray) -> list[Any]:
    """Convert a variable to plain JSON types: a list of its elements in MATLAB's order.

    A struct becomes a dict with a list for each field, and text a list of one string. The elements of cells are
    concatenated. An empty value becomes an empty list.

    Args:
        value: The variable, from `read_variables`.

    Returns:
        The list.
    """
    if value.dtype.names:
        return [{name: plain(item[name]) for name in value.dtype.names} for item in value.ravel(order="F")]
    if value.dtype == object:
        cells = [cell for cell in value.ravel(order="F") if isinstance(cell, np.ndarray)]  # skips an empty `struct()`
        return [item for cell in cells for item in plain(cell)]
    return value.ravel(order="F").tolist()


def _read_hdf5(path: str | Path) -> dict[str, np.ndarray]:
    import h5py  # lazy, like SciPy above

    from lib.formats.hdf5 import open_hdf5

    arrays = {}
    with open_hdf5(path, "a .mat file") as file:
        for name, item in file.items():
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub":
                # MATLAB stores axes in reverse order.
                arrays[name] = item[()].T if "MATLAB_class" in item.attrs else item[()]
    return arrays
