"""Reading and writing whole files: JSON with errors that name the file, writes that are never half done."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from lib.utils.errors import InputError


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
    """A temporary path beside `path` to write to; it takes the place of `path` only if the block ends well.

    The folder is made if it is missing. An interrupted or failed write leaves an older file untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)  # as an ordinary open() would have made it
    try:
        yield Path(name)
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # writing to a full disk fails without saying where
        raise


def check_writable(folder: str | Path) -> None:
    """Make the folder if it is not there, and try whether a file can be written to it, before there is one to lose.

    Raises:
        OSError: it cannot.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path` to fill; it takes the place of `path` and its content if the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary.chmod(path.parent.stat().st_mode)  # mkdtemp makes folders for its owner alone
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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
