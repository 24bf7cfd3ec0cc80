"""Reading and writing of whole files: JSON, atomic writes, protection of files of others."""

import hashlib
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from lib.utils.errors import InputError
from lib.utils.interrupts import defer_sigint
from lib.utils.unfinished import SUFFIX, unfinished

RECORD = ".posewarper"
"""Name of the file that lists a folder's output files with their checksums, in the format of sha256sum."""

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,  # encrypted
    NotImplementedError,  # compressed in another way
    LookupError,
    ValueError,
)
"""Errors of zipfile for archives that are damaged or of an unknown kind, besides OSError."""

_claimed: set[str] = set()
"""Real paths of the output files that this process is allowed to write."""


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Args:
        path: Path to the file.

    Returns:
        The content of the file.

    Raises:
        InputError: The file is missing, cannot be read, or is not JSON (truncated or in another format).
    """
    try:
        with open(path, "rb") as file:
            return orjson.loads(file.read())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file, a truncated one, or one with NaN ({error})") from None


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Provide a temporary path that replaces `path` only if the block completes without an error.

    The folder is created if necessary. An interrupted or failed write leaves an existing file untouched.

    Args:
        path: Path of the file to write.

    Yields:
        The temporary path to write to.
    """
    path = Path(path)
    with errors_of(path), unfinished(path) as folder:
        temporary = folder / path.name
        yield temporary
        _record(path, temporary)
        os.replace(temporary, path)


@contextmanager
def errors_of(path: str | Path) -> Iterator[None]:
    """Name the path in errors of the block that name no file, such as that of a full disk, or a temporary one.

    Args:
        path: Path of the file or folder that the block writes.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or SUFFIX in str(error.filename):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Provide a temporary folder that replaces `path` and its content only if the block completes without an error.

    Args:
        path: Path of the folder to write.

    Yields:
        The temporary folder to fill.
    """
    path = Path(path)
    with errors_of(path), unfinished(path) as folder:
        temporary = folder / path.name
        temporary.mkdir()
        yield temporary
        with defer_sigint():
            if path.exists():
                path.rename(folder / "replaced")
            temporary.rename(path)


def remove_folder(path: Path) -> None:
    """Remove a folder with all its content. If interrupted, the folder may remain, but always complete.

    Args:
        path: Path of the folder.
    """
    with unfinished(path) as folder:
        path.rename(folder / path.name)


def check_writable(folder: str | Path) -> None:
    """Create the folder if it is missing, and check that files can be written to it before there are results to lose.

    Args:
        folder: Path of the folder.

    Raises:
        OSError: The folder cannot be created or written to.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def claim_outputs(
    outputs: Iterable[tuple[str, str | Path | None]], inputs: Iterable[tuple[str, str | Path | None]] = ()
) -> None:
    """Check the files that a command is going to write before it does anything else. Call this once.

    An existing file may be replaced only if its content is exactly as a command wrote it. The checksums of these files
    are stored in the file RECORD in their folder.

    Args:
        outputs: Output files, each with the option that names it, or None if the option was not given.
        inputs: Input files and folders in the same form.

    Raises:
        InputError: An output file is also an input, is written twice, is a folder, or exists and was not written by a
            command of this project.
        OSError: A folder cannot be written to.
    """
    written = [(option, Path(path)) for option, path in outputs if path is not None]
    refuse_inputs(written, inputs)
    for index, (option, path) in enumerate(written):
        for other_option, other in written[:index]:
            if _is_same(path, other):
                raise InputError(f"{option} {path}: {other_option} writes that file too; choose another name")
        if path.is_dir():
            raise InputError(f"{option} {path}: is a folder; name a file")
        if os.path.lexists(path) and not _is_recorded(path):
            raise InputError(
                f"{option} {path}: this file exists and was not written by PoseWarper, or was changed since; "
                "choose another name, or remove it"
            )
    for _, path in written:
        check_writable(path.parent)
    _claimed.update(os.path.realpath(path) for _, path in written)


def refuse_inputs(outputs: Iterable[tuple[str, Path]], inputs: Iterable[tuple[str, str | Path | None]]) -> None:
    """Refuse to overwrite an input file; the arguments are the same as for `claim_outputs`.

    Args:
        outputs: Output files, each with the option that names it.
        inputs: Input files and folders in the same form, or None if an option was not given.

    Raises:
        InputError: An output file is also an input.
    """
    read = [(option, Path(path)) for option, path in inputs if path is not None]
    for option, path in outputs:
        for other_option, other in read:
            if _is_same(path, other):
                raise InputError(f"{option} {path}: this is the input file of {other_option}; choose another name")


def refuse_inside(paths: Iterable[tuple[str, str | Path | None]], folder: Path, reason: str) -> None:
    """Refuse paths that are in a folder or its subfolders, where they would be lost or misinterpreted.

    Args:
        paths: Paths, each with the option or the key that names it.
        folder: Folder that must not contain any of them.
        reason: Reason given in the error message.

    Raises:
        InputError: A path is the folder or inside it.
    """
    for option, path in paths:
        place = Path(os.path.realpath(path)) if path is not None else None
        if place and any(_is_same(folder, parent) for parent in (place, *place.parents)):
            raise InputError(f"{option} {path}: {reason}; choose another place")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, or of the names and the content of a folder's files, in hex digits.

    Args:
        path: Path to the file or folder. Folders inside the folder are left out.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(one for one in path.iterdir() if one.is_file()):
            digest.update(f"{sha256(file)}  {file.name}\n".encode())
        return digest.hexdigest()
    with open(path, "rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _is_same(path: Path, other: Path) -> bool:
    """Return True if two paths refer to the same file; paths that do not exist yet are compared without case."""
    try:
        return os.path.samefile(path, other)
    except OSError:  # one of them does not exist
        return os.path.realpath(path).casefold() == os.path.realpath(other).casefold()


def _is_recorded(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    record = path.with_name(RECORD)
    return record.is_file() and f"{sha256(path)}  {path.name}".encode() in record.read_bytes().splitlines()


def _record(path: Path, temporary: Path) -> None:
    """Record the checksum of a claimed file before the file is replaced."""
    if os.path.realpath(path) in _claimed:
        record = path.with_name(RECORD)
        with open(record, "ab") as file:
            # A killed process may have left an incomplete line.
            start = "\n" if file.tell() and not record.read_bytes().endswith(b"\n") else ""
            file.write(f"{start}{sha256(temporary)}  {path.name}\n".encode())


def write_json(path: str | Path, value: Any, indent: bool = False) -> None:
    """Write a value as JSON atomically.

    Numbers keep all their digits. NaN and infinity, which JSON lacks, become null.

    Args:
        path: Path to the file.
        value: Value to write, of JSON's types, tuples, and NumPy arrays.
        indent: If True, write each item on its own line for readability.
    """
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(orjson.dumps(value, option=options))


def frame_number(name: str) -> int | None:
    """Return the number at the end of a frame's file name with any zero-padding, 79 for `clip.mp4#79`, or None.

    Args:
        name: File name of the frame.
    """
    digits = re.search(r"#(\d+)$", name) or re.search(r"(\d+)\D*$", Path(name).stem)
    return int(digits[1]) if digits else None
