"""ONNX files of tools/export.py: their metadata, and the sessions that run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lib.utils.errors import InputError

ONNX = ".onnx"


def require_packages(*names: str) -> None:
    """Check that packages for ONNX files are installed.

    Args:
        *names: Names of the packages.

    Raises:
        InputError: A package is missing.
    """
    if missing := [name for name in names if find_spec(name) is None]:
        raise InputError(f"ONNX files need {' and '.join(missing)}: pip install -r requirements-export.txt")


def open_session(path: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> Any:
    """Return a session of ONNX Runtime that runs a file.

    Args:
        path: Path to the file.
        providers: Execution providers, the preferred one first.

    Raises:
        InputError: The file cannot be read, or ONNX Runtime is not installed.
    """
    require_packages("onnxruntime")
    import onnxruntime

    if not path.is_file():
        raise InputError(f"{path} does not exist")
    try:
        return onnxruntime.InferenceSession(path, providers=list(providers))
    except Exception as error:  # ONNX Runtime has many types of errors, without a common base
        raise InputError(f"{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from None


def metadata_of(session: Any, path: Path) -> Mapping[str, str]:
    """Return the metadata of a file that tools/export.py wrote.

    Args:
        session: Session of the file.
        path: Path to the file, for messages.

    Raises:
        InputError: The file is of another origin.
    """
    found: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    if "config" not in found:
        raise InputError(f"{path}: not a file of tools/export.py: it does not hold the configuration of its net")
    return found
