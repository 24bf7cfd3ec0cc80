"""YAML files of projects and data sets that other programs wrote."""

from pathlib import Path
from typing import Any

from lib.utils import yaml_files
from lib.utils.errors import InputError

SUFFIXES = (".yaml", ".yml")


def read_yaml(path: Path) -> dict[Any, Any]:
    """Return the content of a YAML file; its tags may not make objects.

    Args:
        path: The file.

    Raises:
        InputError: If the file is missing, not YAML, or not a mapping.
    """
    content = yaml_files.read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a mapping of keys to values")
    return content


def has_keys(path: Path, *keys: str) -> bool:
    """Return True if a file is YAML and has all of the keys."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        return {*keys} <= read_yaml(path).keys()
    except InputError:
        return False
