"""Folders for unfinished output, removed when the process ends or, after a SIGKILL, by the next process.

On Windows, folders cannot be locked, so what a killed process left there stays.
"""

import atexit
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.utils.interrupts import defer_sigint, ignore_signals

if sys.platform != "win32":
    import fcntl

SUFFIX = ".unfinished"

_open_folders: set[Path] = set()
"""Folders of this process, each added before it is created, so that an interruption never leaves one unknown."""

_swept: set[Path] = set()
"""Folders in which this process already looked for leftovers of other processes."""


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Create a folder beside `path` for its future content, and remove the folder when the block completes.

    Args:
        path: Path of the file or folder to write.

    Yields:
        The new folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent not in _swept:
        _swept.add(path.parent)
        remove_unfinished(path.parent)
    folder = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}{SUFFIX}")
    _open_folders.add(folder)
    try:
        with _made(folder):
            yield folder
    finally:
        _remove(folder)


def remove_unfinished(folder: Path) -> None:
    """Remove leftovers of killed processes from a folder. Folders that are still in use are locked and kept.

    Args:
        folder: Folder to clean up.
    """
    if sys.platform == "win32":
        return
    for path in folder.glob(f".*{SUFFIX}"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Create a folder, and lock it until the block completes or the process ends for any reason."""
    if sys.platform == "win32":
        folder.mkdir()
        yield
        return
    handle = _make_locked(folder)
    try:
        yield
    finally:
        os.close(handle)


def _make_locked(folder: Path) -> int:
    """Create, open and lock a folder. Return the file descriptor."""
    while True:
        folder.mkdir()
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process considered it a leftover before it was locked
            continue
        with suppress(OSError):  # on a file system without locks, leftovers are not removed
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists():
            return handle
        os.close(handle)


def _remove(folder: Path) -> None:
    with defer_sigint():  # rmtree can turn an interruption into an OSError
        shutil.rmtree(folder, ignore_errors=True)
        _open_folders.discard(folder)


@atexit.register
def remove_own_unfinished() -> None:
    """Remove the folders of this process when it exits, without interruption."""
    ignore_signals()
    for folder in list(_open_folders):
        _remove(folder)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_open_folders.clear)  # the folders belong to the parent
