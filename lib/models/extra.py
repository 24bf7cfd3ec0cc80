"""Reader of `MODEL.EXTRA`, the section of an experiment file that describes the pose net."""

from collections.abc import Collection, Mapping
from typing import Any

from lib.utils.errors import InputError


def read_extra(extra: Mapping[str, Any], key: str, allowed: Collection[Any] | None = None) -> Any:
    """Return the value of a key of `MODEL.EXTRA`.

    Args:
        extra: The section, nested as in the file.
        key: Dotted key below `MODEL.EXTRA`, such as "STAGE2.NUM_BLOCKS".
        allowed: Supported values; None: any.

    Raises:
        InputError: The key is missing, or its value is not supported.
    """
    value = extra
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise InputError(f"MODEL.EXTRA.{key} is missing: add it to the experiment file")
        value = value[part]
    if allowed is not None and value not in allowed:
        choices = ", ".join(map(str, allowed))
        raise InputError(f"MODEL.EXTRA.{key} is {value!r}: supported values are {choices}")
    return value


def read_sizes(extra: Mapping[str, Any], key: str, length: int) -> list[int]:
    """Return a list of positive whole numbers from `MODEL.EXTRA`.

    Args:
        extra: The section, nested as in the file.
        key: Dotted key below `MODEL.EXTRA`, such as "STAGE2.NUM_BLOCKS".
        length: Required length of the list.

    Raises:
        InputError: The key is missing, or its value is not such a list.
    """
    sizes = read_extra(extra, key)
    is_list = isinstance(sizes, (list, tuple)) and all(isinstance(size, int) and size > 0 for size in sizes)
    if not is_list or len(sizes) != length:
        raise InputError(f"MODEL.EXTRA.{key} is {sizes!r}: it must list {length} positive whole numbers")
    return list(sizes)
