"""MATLAB's .mat files: of versions 4 to 7 by SciPy, of version 7.3, which are HDF5 files, the arrays of numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from lib.utils.errors import InputError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512  # bytes that MATLAB writes before the HDF5 file proper


def read_variables(path: str | Path) -> dict[str, np.ndarray]:
    """The variables of a .mat file, or the data sets at the top of an HDF5 file, by name.

    Arrays have MATLAB's shapes: numbers at least 2-D, structs as structured arrays, cells as object arrays. Of an HDF5
    file there are the arrays of numbers alone; those that MATLAB did not write keep the shapes they have in the file.

    Raises:
        InputError: the file is missing or broken.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(_USER_BLOCK + len(_HDF5))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if _HDF5 in (start[: len(_HDF5)], start[_USER_BLOCK:]):
        return _read_hdf5(path)
    from scipy.io import loadmat  # here, as it would slow the start of what reads no .mat file

    try:
        content = loadmat(path, appendmat=False)
    except Exception as error:  # on broken files SciPy fails in a dozen ways
        raise InputError(f"{path}: not a .mat file, or a truncated one ({error})") from None
    return {name: value for name, value in content.items() if not name.startswith("__")}


def plain(value: np.ndarray) -> list[Any]:
    """A variable as JSON would hold it: a list of its elements, in MATLAB's order.

    A struct becomes a dict of its fields, each such a list; text a list of one; the elements of cells are strung
    together; what is empty becomes an empty list.
    """
    if value.dtype.names:
        return [{name: plain(item[name]) for name in value.dtype.names} for item in value.ravel(order="F")]
    if value.dtype == object:
        cells = [cell for cell in value.ravel(order="F") if isinstance(cell, np.ndarray)]  # no array: a lone `struct()`
        return [item for cell in cells for item in plain(cell)]
    return value.ravel(order="F").tolist()


def _read_hdf5(path: str | Path) -> dict[str, np.ndarray]:
    import h5py  # here, as SciPy above

    arrays = {}
    try:
        with h5py.File(path, "r") as file:
            for name, item in file.items():
                if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub":
                    # MATLAB counts axes from the other end.
                    arrays[name] = item[()].T if "MATLAB_class" in item.attrs else item[()]
    except OSError as error:
        raise InputError(f"{path}: a broken HDF5 file ({error})") from None
    return arrays
