"""Journal of changes on disk: a change is in it before it counts, and a killed process loses none."""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import orjson

from lib.utils.errors import InputError
from lib.utils.files import atomic_path, errors_of, read_json

SNAPSHOT_EVERY = 500
"""Number of entries after which a snapshot replaces them."""


class Journal:
    """Numbered changes in a folder, and a snapshot of the state before them.

    Args:
        folder: Folder of the journal, created if necessary. Only one process may have it open.

    Attributes:
        folder: Folder of the journal.
        snapshot: State that the last snapshot holds; None without a snapshot.
        entries: Entries after the snapshot, in order.

    Raises:
        InputError: A file is damaged. An incomplete last line is not: it was never acknowledged, and is removed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._log, self._saved = folder / "journal.jsonl", folder / "snapshot.json"
        self.snapshot: Any = None
        self._number = 0
        if self._saved.exists():
            saved = read_json(self._saved)
            if not isinstance(saved, dict) or not isinstance(saved.get("number"), int) or "state" not in saved:
                raise InputError(f"{self._saved}: not a snapshot of labels; restore it, or remove {folder}")
            self._number, self.snapshot = saved["number"], saved["state"]
        self.entries = self._read()
        self._file = self._open()

    def _open(self) -> IO[bytes]:
        return open(self._log, "ab", buffering=0)  # a buffer would write again what has failed

    def _read(self) -> list[Any]:
        """Return the entries after the snapshot, and remove an incomplete last line."""
        content = self._log.read_bytes() if self._log.exists() else b""
        whole = content.rpartition(b"\n")[0] + b"\n" if b"\n" in content else b""
        if len(whole) < len(content):
            os.truncate(self._log, len(whole))
        entries = []
        for line, text in enumerate(whole.splitlines(), start=1):
            try:
                number, entry = orjson.loads(text)
                is_new = number > self._number
            except (ValueError, TypeError):
                raise InputError(f"{self._log}: line {line} is damaged; remove it to continue without it") from None
            if is_new:
                self._number = number
                entries.append(entry)
        return entries

    @property
    def is_long(self) -> bool:
        """True if it is time for a snapshot."""
        return len(self.entries) >= SNAPSHOT_EVERY

    def append(self, entry: Any) -> None:
        """Add an entry. It is on disk when the function returns; if that fails, the journal is as before.

        Args:
            entry: Value of JSON's types.

        Raises:
            OSError: The disk is full or fails, or the folder was removed.
        """
        size = os.fstat(self._file.fileno()).st_size
        line = memoryview(orjson.dumps([self._number + 1, entry]) + b"\n")
        try:
            with errors_of(self._log):
                if not os.path.samestat(os.stat(self._log), os.fstat(self._file.fileno())):
                    raise FileNotFoundError(errno.ENOENT, "the folder was removed or replaced")
                while line:  # a full disk takes a part
                    line = line[self._file.write(line) :]
                os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):  # of a disk that became read-only, which took nothing
                self._file.truncate(size)
            raise
        self._number += 1
        self.entries.append(entry)

    def save(self, state: Any) -> None:
        """Replace all entries by a snapshot.

        Args:
            state: State after all entries, a value of JSON's types.
        """
        with atomic_path(self._saved) as temporary, open(temporary, "wb") as file:
            file.write(orjson.dumps({"number": self._number, "state": state}))
            file.flush()
            os.fsync(file.fileno())
        _sync(self._saved.parent)  # before the entries go
        self._file.truncate(0)
        self.snapshot, self.entries = state, []

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _sync(folder: Path) -> None:
    """Force the names of a folder's files to disk. On Windows, folders cannot be opened, and nothing is done."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
