"""Safe reading of untrusted HDF5 files: errors are one line long, and links to other files are refused."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from lib.utils.errors import InputError


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
            yield file
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError):
        raise InputError(f"{path}: not an HDF5 file, or a truncated one") from None
    except (LookupError, ValueError, TypeError, AttributeError, MemoryError, EOFError, pickle.UnpicklingError) as error:
        detail = str(error).partition("\n")[0]
        raise InputError(f"{path}: not {kind}, or a damaged one: {type(error).__name__} {detail}") from None


def _is_outside(node: h5py.HLObject) -> bool:
    """Return True if the values are read from other files: external storage, or a virtual dataset."""
    return isinstance(node, h5py.Dataset) and bool(node.external or node.is_virtual)
