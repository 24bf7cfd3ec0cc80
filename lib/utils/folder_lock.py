"""A lock on the folder of a run, so that two runs never write to it at once."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lib.utils.errors import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = ".lock"


@dataclass(frozen=True)
class FolderLock:
    """A locked folder.

    Attributes:
        folder: Path to the folder.
        status: Status of the folder when it was locked.
    """

    folder: Path
    status: os.stat_result

    def check(self) -> None:
        """Check that the path still refers to the locked folder.

        Raises:
            InputError: The folder was removed or replaced.
        """
        with suppress(FileNotFoundError):
            if os.path.samestat(self.folder.stat(), self.status):
                return
        raise InputError(f"{self.folder}: the folder was removed or replaced during the run; start the run again")


@contextmanager
def lock_folder(folder: Path) -> Iterator[FolderLock]:
    """Create a folder if it is missing, and lock it until the block completes or the process ends for any reason.

    On a file system without locks, the folder is not locked.

    Args:
        folder: Path to the folder.

    Yields:
        The lock.

    Raises:
        InputError: Another process holds the lock.
        OSError: The folder cannot be created or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    with _open_locked(path) as file:
        try:
            yield FolderLock(folder, folder.stat())
        finally:
            with suppress(OSError):  # if the folder can no longer be written to
                if _is_at(path, file):
                    path.unlink()


def _open_locked(path: Path) -> IO[bytes]:
    """Create, open and lock a file."""
    while True:
        file = open(path, "ab")  # noqa: SIM115 (closed by the caller)
        try:
            _lock(file)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.close()
                raise InputError(
                    f"{path.parent}: another process is writing to this folder; wait until it ends, or choose another "
                    f"EXPERIMENT_NAME or OUTPUT_DIR"
                ) from None
        if sys.platform == "win32" or _is_at(path, file):  # an open file cannot be removed on Windows
            return file
        file.close()  # another process removed it when it ended


def _lock(file: IO[bytes]) -> None:
    """Lock an open file until it is closed; raise an OSError if another process has locked it."""
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:  # processes that are forked inherit the locks of fcntl.flock, but not these
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """Return True if a path refers to an open file."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
