"""Reading `MODEL.EXTRA`, the architecture's own section of an experiment file."""

from collections.abc import Collection, Mapping
from typing import Any

from lib.utils.errors import InputError


def read_extra(extra: Mapping[str, Any], key: str, allowed: Collection[Any] | None = None) -> Any:
    """The value of a key of `MODEL.EXTRA`.

    Args:
        extra: the section, nested as in the file.
        key: the key below `MODEL.EXTRA`, dotted: "STAGE2.NUM_BLOCKS".
        allowed: the supported values; None: any.

    Raises:
        InputError: the key is missing or its value is not supported.
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
    """A list of `length` positive whole numbers from `MODEL.EXTRA`.

    Raises:
        InputError: the key is missing or holds something else.
    """
    sizes = read_extra(extra, key)
    is_list = isinstance(sizes, (list, tuple)) and all(isinstance(size, int) and size > 0 for size in sizes)
    if not is_list or len(sizes) != length:
        raise InputError(f"MODEL.EXTRA.{key} is {sizes!r}: it must list {length} positive whole numbers")
    return list(sizes)
