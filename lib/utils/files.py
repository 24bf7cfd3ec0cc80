"""Reading and writing whole files: JSON with errors that name the file, writes that are never half done or over a file
of somebody else.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from lib.utils.errors import InputError
from lib.utils.interrupts import defer_sigint
from lib.utils.unfinished import unfinished

RECORD = ".posewarper"
"""In a folder: the files that commands wrote to it for their users, as sha256sum lists them."""

_claimed: set[str] = set()
"""Real paths of the files that this process may write for its user."""


def read_json(path: str | Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: the file is missing, cannot be read or is not JSON (truncated, another format).
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
    """A temporary path to write to; it takes the place of `path` only if the block ends well.

    The folder is made if it is missing. An interrupted or failed write leaves an older file untouched.
    """
    path = Path(path)
    try:
        with unfinished(path) as folder:
            temporary = folder / path.name
            yield temporary
            _record(path, temporary)
            os.replace(temporary, path)
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)  # writing to a full disk fails without saying where
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder to fill; it takes the place of `path` and its content if the block ends well."""
    path = Path(path)
    with unfinished(path) as folder:
        temporary = folder / path.name
        temporary.mkdir()
        yield temporary
        with defer_sigint():
            if path.exists():
                path.rename(folder / "replaced")
            temporary.rename(path)


def remove_folder(path: Path) -> None:
    """Remove a folder with all its content, or, interrupted, perhaps not at all, but never a part of it."""
    with unfinished(path) as folder:
        path.rename(folder / path.name)


def check_writable(folder: str | Path) -> None:
    """Make the folder if it is not there, and try whether a file can be written to it, before there is one to lose.

    Raises:
        OSError: it cannot.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def claim_outputs(
    outputs: Iterable[tuple[str, str | Path | None]], inputs: Iterable[tuple[str, str | Path | None]] = ()
) -> None:
    """Check the files that a command is going to write, before it does anything; call it once.

    A file that exists may be replaced if it is, byte for byte, what a command wrote there: RECORD, in its folder, has
    the sums of all such files.

    Args:
        outputs: the files, each with the option that names it; None: it was not given.
        inputs: the files and folders that the command reads, in the same way.
    Raises:
        InputError: one of them is read too, is written twice, is no file, or exists and was written by somebody else.
        OSError: a folder cannot be written to.
    """
    written = [(option, Path(path)) for option, path in outputs if path is not None]
    refuse_inputs(written, inputs)
    for index, (option, path) in enumerate(written):
        for other_option, other in written[:index]:
            if _is_same(path, other):
                raise InputError(f"{option} {path}: {other_option} writes that file too; choose another name")
        if path.is_dir():
            raise InputError(f"{option} {path}: a folder; name a file to write")
        if os.path.lexists(path) and not _is_recorded(path):
            raise InputError(
                f"{option} {path}: this file exists, and it is not as PoseWarper wrote it: choose another name, or "
                "remove it"
            )
    for _, path in written:
        check_writable(path.parent)
    _claimed.update(os.path.realpath(path) for _, path in written)


def refuse_inputs(outputs: Iterable[tuple[str, Path]], inputs: Iterable[tuple[str, str | Path | None]]) -> None:
    """Refuse to write a file that is read; the arguments are those of `claim_outputs`.

    Raises:
        InputError: one of the outputs is an input.
    """
    read = [(option, Path(path)) for option, path in inputs if path is not None]
    for option, path in outputs:
        for other_option, other in read:
            if _is_same(path, other):
                raise InputError(f"{option} {path}: that is the file to read, {other_option}; choose another name")


def refuse_inside(paths: Iterable[tuple[str, str | Path | None]], folder: Path, reason: str) -> None:
    """Refuse paths in a folder, or below, where they would be lost or taken for something else.

    Args:
        paths: each with the option or the key that names it.
        reason: the message says why.
    Raises:
        InputError: one of them is in the folder, or is it.
    """
    for option, path in paths:
        place = Path(os.path.realpath(path)) if path is not None else None
        if place and any(_is_same(folder, parent) for parent in (place, *place.parents)):
            raise InputError(f"{option} {path}: {reason}; choose another place")


def sha256(path: Path) -> str:
    """Of a file's content, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths are one file, by links or by names; of files to be, names that differ in case are one too."""
    try:
        return os.path.samefile(path, other)
    except OSError:  # one of them is not there
        return os.path.realpath(path).casefold() == os.path.realpath(other).casefold()


def _is_recorded(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    record = path.with_name(RECORD)
    return record.is_file() and f"{sha256(path)}  {path.name}".encode() in record.read_bytes().splitlines()


def _record(path: Path, temporary: Path) -> None:
    """Note what takes the place of a claimed file, before it does."""
    if os.path.realpath(path) in _claimed:
        with open(path.with_name(RECORD), "a", encoding="utf-8") as file:
            file.write(f"{sha256(temporary)}  {path.name}\n")


def write_json(path: str | Path, value: Any, indent: bool = False) -> None:
    """Write `value` as JSON, all or nothing. Numbers keep every digit; NaN and infinity, which JSON lacks, become null.

    Args:
        value: of JSON's types, tuples and NumPy arrays.
        indent: a line for each item, for readers.
    """
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(orjson.dumps(value, option=options))


def frame_number(name: str) -> int | None:
    """The number that a frame's file name ends with, of any zero-padding; 79 of `clip.mp4#79`; None if it has none."""
    digits = re.search(r"#(\d+)$", name) or re.search(r"(\d+)\D*$", Path(name).stem)
    return int(digits[1]) if digits else None
