"""HDF5 files from outside: what is wrong with them ends in one line, and they lead to no other file."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from lib.utils.errors import InputError


@contextmanager
def open_hdf5(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """The file, open for reading; what goes wrong inside the block is the file's fault.

    Args:
        kind: what the file should be, for messages: `a SLEAP file`.
    Raises:
        InputError: it is truncated, of another kind, or has links to other files or values that are kept in them.
    """
    try:
        with h5py.File(path, "r") as file:
            elsewhere = file.visititems_links(lambda name, link: None if isinstance(link, h5py.HardLink) else name)
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
    """Whether its values are read from other files: by external storage, or as a virtual dataset."""
    return isinstance(node, h5py.Dataset) and bool(node.external or node.is_virtual)
