"""DeepLabCut's tables in HDF5, which are pandas data frames.

They are read without pandas: the files contain pickled objects, and unpickling an untrusted file may run arbitrary
code. Only pickles of column names are opened here, and they may contain only lists, tuples, strings and numbers.
"""

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lib.formats.hdf5 import open_hdf5
from lib.utils.errors import InputError
from lib.utils.files import atomic_path

Column = tuple[str, ...]
Index = str | int


def read_table(path: Path) -> tuple[tuple[str, ...], list[Column], list[Index], np.ndarray]:
    """Read a data frame of numbers, in pandas' `fixed` or `table` format.

    Args:
        path: The file.

    Returns:
        Names of the column levels, the columns, the index (image paths or frame numbers), and (N, C) float64 values.

    Raises:
        InputError: If the file is missing, truncated or of another kind.
    """
    with open_hdf5(path, "a table of DeepLabCut's") as file:
        groups = [group for group in file.values() if b"frame" in _text(group, "pandas_type")]
        if len(groups) != 1:
            raise InputError(f"{path}: not a DeepLabCut file: it holds {len(groups)} pandas frames, not one")
        return (_read_appendable if "table" in groups[0] else _read_fixed)(groups[0])


def write_table(
    path: Path, levels: Sequence[str], columns: Sequence[Column], index: Sequence[Index], values: np.ndarray
) -> None:
    """Write a data frame with pandas, as DeepLabCut does.

    Args:
        path: The file to write.
        levels: Names of the column levels.
        columns: C columns, each the tuple of its names at the levels.
        index: N image paths or frame numbers.
        values: (N, C) values.
    """
    import pandas as pd  # lazy: takes half a second to import, and readers do not need it

    header = pd.MultiIndex.from_tuples(list(columns), names=list(levels))
    frame = pd.DataFrame(values, columns=header, index=list(index))
    # In memory, because HDF5 cannot close a file if the disk becomes full.
    with pd.HDFStore(str(path), mode="w", driver="H5FD_CORE", driver_core_backing_store=0) as store:
        store.put("df_with_missing", frame, track_times=False)
        store.flush()
        image = store._handle.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(image)


def _read_fixed(group: h5py.Group) -> tuple[tuple[str, ...], list[Column], list[Index], np.ndarray]:
    names, columns = _axis(group, "axis0")
    _, index = _axis(group, "axis1")
    values = np.full((len(index), len(columns)), np.nan)
    place = {column: k for k, column in enumerate(columns)}
    for block in range(int(group.attrs["nblocks"])):
        _, own = _axis(group, f"block{block}_items")
        values[:, [place[column] for column in own]] = group[f"block{block}_values"][()]
    return names, columns, [_entry(row) for row in index], values


def _axis(group: h5py.Group, name: str) -> tuple[tuple[str, ...], list[tuple]]:
    """Return the names of an axis' levels, and the entries of each position at the levels."""
    if _text(group, f"{name}_variety") != b"multi":
        return ("",), [(entry,) for entry in _decoded(group[name])]
    count = int(group.attrs[f"{name}_nlevels"])
    levels = [_decoded(group[f"{name}_level{level}"]) for level in range(count)]
    codes = [group[f"{name}_label{level}"][()].tolist() for level in range(count)]
    names = tuple(_text(group[f"{name}_level{level}"], "name").decode() for level in range(count))
    return names, [tuple(levels[k][code] for k, code in enumerate(row)) for row in zip(*codes, strict=True)]


def _read_appendable(group: h5py.Group) -> tuple[tuple[str, ...], list[Column], list[Index], np.ndarray]:
    rows = group["table"][()]
    axis, columns = _unpickle(group.attrs["non_index_axes"])[0]
    names = tuple(str(name) for name in _unpickle(group.attrs["info"])[axis]["names"])
    place = {tuple(column): k for k, column in enumerate(columns)}
    values = np.full((len(rows), len(columns)), np.nan)
    for block in (name for name in rows.dtype.names if name.startswith("values_block_")):
        own = _unpickle(group["table"].attrs[f"{block}_kind"])
        values[:, [place[tuple(column)] for column in own]] = rows[block].reshape(len(rows), -1)
    index = [(value.decode() if isinstance(value, bytes) else value,) for value in rows["index"].tolist()]
    return names, list(place), [_entry(row) for row in index], values


def _entry(parts: tuple) -> Index:
    """Convert an entry of the index: a number, or a path in one or more parts."""
    if len(parts) == 1 and isinstance(parts[0], (int, float)):
        if parts[0] != int(parts[0]) or parts[0] < 0:
            raise ValueError(f"{parts[0]} is not the number of a frame")
        return int(parts[0])
    return "/".join(str(part) for part in parts)


def _decoded(data: h5py.Dataset) -> list:
    if data.dtype.kind not in "iufS":
        raise ValueError(f"{data.name} holds objects, not texts or numbers")
    return [value.decode() if isinstance(value, bytes) else value for value in data[()].tolist()]


def _text(node: Any, name: str) -> bytes:
    value = node.attrs.get(name, b"")
    return bytes(value) if isinstance(value, bytes) else str(value).encode()


class _NamesOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} in the list of columns")


def _unpickle(value: bytes) -> Any:
    return _NamesOnly(io.BytesIO(bytes(value))).load()
