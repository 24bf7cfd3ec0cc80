"""HDF5 files: safe reading of untrusted ones, without links to other files; and atomic writing."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from lib.utils.errors import InputError
from lib.utils.files import atomic_path

MAX_BYTES = 256 << 20
MAX_RATIO = 200
"""Ratio of the memory that a dataset takes to its part of the file, if it takes more than MAX_BYTES."""


def is_hdf5(start: bytes) -> bool:
    """Return True if a file with these first bytes is an HDF5 file."""
    return start.startswith(b"\x89HDF")


@contextmanager
def open_hdf5(path: str | Path, kind: str, soft_links: bool = False) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; errors inside the block are reported as errors of the file.

    Args:
        path: The file.
        kind: Expected kind of file, for error messages, such as `a SLEAP file`.
        soft_links: Permit links to other places in the same file.

    Yields:
        The open file.

    Raises:
        InputError: If the file is truncated or of another kind, or has links to other files or values stored in them.
    """
    try:
        with h5py.File(path, "r") as file:
            inside = (h5py.HardLink, h5py.SoftLink) if soft_links else h5py.HardLink
            elsewhere = file.visititems_links(lambda name, link: None if isinstance(link, inside) else name)
            if elsewhere:
                raise ValueError(f"{elsewhere} leads elsewhere")
            outside = file.visititems(lambda name, node: name if _is_outside(node) else None)
            if outside:
                raise ValueError(f"{outside} is kept in another file")
            bomb = file.visititems(lambda name, node: name if _is_bomb(node) else None)
            if bomb:
                raise ValueError(f"{bomb} takes {file[bomb].nbytes >> 20} MB of memory, and little in the file")
            yield file
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, SystemError):  # h5py raises the last for some damaged groups
        raise InputError(f"{path}: not an HDF5 file, or a truncated one") from None
    except (LookupError, ValueError, TypeError, AttributeError, MemoryError, EOFError, pickle.UnpicklingError) as error:
        detail = str(error).partition("\n")[0]
        raise InputError(f"{path}: not {kind}, or a damaged one: {type(error).__name__} {detail}") from None


@contextmanager
def write_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Provide an HDF5 file that is written atomically when the block completes without an error.

    It is made in memory, because HDF5 prints a traceback for each of its objects if the disk becomes full.

    Args:
        path: The file to write.

    Yields:
        The open file.

    Raises:
        OSError: The disk is full, or the folder cannot be written to.
    """
    with h5py.File(str(path), "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(image)


def _is_bomb(node: h5py.HLObject) -> bool:
    """Return True if a dataset takes far more memory than its part of the file, so that it is hardly data."""
    if not isinstance(node, h5py.Dataset) or node.shape is None or node.nbytes <= MAX_BYTES:
        return False
    return node.nbytes > MAX_RATIO * node.id.get_storage_size()


def _is_outside(node: h5py.HLObject) -> bool:
    """Return True if the values are read from other files: external storage, or a virtual dataset."""
    return isinstance(node, h5py.Dataset) and bool(node.external or node.is_virtual)
