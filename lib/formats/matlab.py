"""MATLAB's .mat files: versions 4 to 7 by SciPy; from version 7.3, which is HDF5, only numeric arrays."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from lib.utils.errors import InputError

MAX_BYTES = 1 << 30
"""Size of the variables of a file together, decompressed."""
_HEADER, _TAG = 128, 8
"""Bytes of the header of a file, and of the tag of a variable."""
_COMPRESSED = 15
"""Type of a compressed variable."""
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
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
    from scipy.io import loadmat  # lazy: slow to import, and few callers read .mat files

    try:
        content = loadmat(io.BytesIO(_decompressed(Path(path).read_bytes())))
    except Exception as error:  # SciPy raises many types of errors on broken files
        raise InputError(f"{path}: not a .mat file, or a truncated one ({error})") from None
    return {name: value for name, value in content.items() if not name.startswith("__")}


def _decompressed(content: bytes) -> bytes:
    """Return the content of a file with its variables decompressed; SciPy crashes on some truncated streams.

    Args:
        content: Content of a file.

    Raises:
        ValueError: A variable is truncated, or all together are too large.
    """
    order = _BYTE_ORDERS.get(content[_HEADER - 2 : _HEADER])
    if order is None:  # version 4, which does not compress
        return content
    parts, position, left = [content[:_HEADER]], _HEADER, MAX_BYTES
    while position < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, position)
        end = position + _TAG + size
        part = content[position:end]
        if kind == _COMPRESSED:
            stream = zlib.decompressobj()
            part = stream.decompress(part[_TAG:], left + 1)
            if len(part) <= left and not stream.eof:
                raise ValueError("a variable ends too early")
        if end > len(content):
            raise ValueError("a variable ends too early")
        if len(part) > left:
            raise ValueError(f"its variables take more than {MAX_BYTES} bytes")
        left -= len(part)
        parts.append(part)
        position = end
    return b"".join(parts)


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
