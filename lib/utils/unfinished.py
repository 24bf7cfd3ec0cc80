"""Folders for what is being written: removed whenever the process ends, and after a SIGKILL by the next one."""

import atexit
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.utils.interrupts import defer_sigint, ignore_signals

SUFFIX = ".unfinished"

_open_folders: set[Path] = set()
"""Folders of this process, each entered before it is made: an interruption finds no moment in which one is unknown."""

_swept: set[Path] = set()
"""Where this process looked for remnants of others."""


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, for what will take its place; the folder is removed when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent not in _swept:
        _swept.add(path.parent)
        remove_unfinished(path.parent)
    folder = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}{SUFFIX}")
    _open_folders.add(folder)
    try:
        handle = _make_locked(folder)
        try:
            yield folder
        finally:
            os.close(handle)
    finally:
        _remove(folder)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed left in a folder; what a process still writes to is locked, and stays."""
    for path in folder.glob(f".*{SUFFIX}"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)


def _make_locked(folder: Path) -> int:
    """Make a folder and lock it; the lock ends with the process, whatever ends it. Return the open folder."""
    while True:
        folder.mkdir()
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process took it for a remnant before it was locked
            continue
        with suppress(OSError):  # of a file system without locks, where remnants stay
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists():
            return handle
        os.close(handle)


def _remove(folder: Path) -> None:
    with defer_sigint():  # rmtree turns an interruption into an OSError if it comes at a wrong moment
        shutil.rmtree(folder, ignore_errors=True)
        _open_folders.discard(folder)


@atexit.register
def remove_own_unfinished() -> None:
    """Remove the folders of this process at its end; nothing interrupts that."""
    ignore_signals()
    for folder in list(_open_folders):
        _remove(folder)


os.register_at_fork(after_in_child=_open_folders.clear)  # they are the parent's
