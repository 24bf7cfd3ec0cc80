"""Reading of YAML files that are not trusted."""

import math
from pathlib import Path
from typing import Any

import yaml

from lib.utils.errors import InputError

MAX_YAML = 1_000_000
"""Number of values in a YAML file, with those that aliases repeat."""


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file of plain values. Its tags make no objects.

    Args:
        path: Path to the file.

    Returns:
        The content of the file; None if it is empty.

    Raises:
        InputError: The file is missing, cannot be read, is not YAML, or its aliases repeat too many values.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a null character in the path
        raise InputError(f"{path}: {error}") from None
    return parse_yaml(content, path)


def parse_yaml(text: str | bytes, path: str | Path) -> Any:
    """Return the plain values of a YAML text. Its tags make no objects.

    Args:
        text: The text.
        path: Path to the file that contains it, for messages.

    Raises:
        InputError: The text is not YAML, or its aliases repeat too many values.
    """
    try:
        content = yaml.safe_load(text)
        size = _expanded_size(content, {})
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from None
    if size > MAX_YAML:
        raise InputError(f"{path}: its aliases repeat values to more than {MAX_YAML}; write it without them")
    return content


def _expanded_size(value: Any, known: dict[int, float]) -> float:
    """Return the number of values in a value, with those that aliases repeat; infinity if it contains itself.

    Raises:
        UnicodeEncodeError: A text contains half of a character, which no file name can have.
    """
    if isinstance(value, str):
        value.encode()
    if not isinstance(value, dict | list | set | tuple):
        return 1
    if id(value) not in known:
        known[id(value)] = math.inf
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_expanded_size(one, known) for one in inside)
    return known[id(value)]
