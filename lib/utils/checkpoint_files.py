"""Checkpoint files. They are not trusted: only tensors and a few inert types are read, and no code in a file is run."""

import io
import json
import os
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.utils.errors import InputError
from lib.utils.files import ZIP_ERRORS, atomic_path

SAFETENSORS = ".safetensors"
_TRAINING = "training"  # key in a state dict's metadata


class DamagedCheckpointError(InputError):
    """Error for a file that is missing, truncated, or damaged, and not known to be of another kind."""


def save_checkpoint(path: str | Path, content: Any, previous: Path | None = None) -> None:
    """Write a checkpoint atomically.

    Args:
        path: Path to the file.
        content: Tensors, numbers, text, and lists and dictionaries of them, as accepted by `read_checkpoint`.
        previous: Path in the same folder that an existing file moves to; None: it is replaced.

    Raises:
        OSError: The disk is full, or writing is not permitted.
    """
    buffer = io.BytesIO()  # torch.save to a file reports a full disk as a RuntimeError
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        if previous and Path(path).exists():
            os.replace(path, previous)


def read_checkpoint(path: str | Path) -> Any:
    """Read a file written by `torch.save`, in the zip or the older format, or a `.safetensors` file, to the CPU.

    Args:
        path: Path to the file.

    Returns:
        The content of the file.

    Raises:
        DamagedCheckpointError: The file is missing, empty, truncated, or not a checkpoint.
        InputError: The file contains objects other than tensors, numbers, and other inert values; or the package
            safetensors is not installed.
    """
    path = Path(path)
    if path.suffix == SAFETENSORS:
        return _read_safetensors(path)
    _check_size(path)
    try:
        with torch.serialization.safe_globals(_inert_types()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about protocols that it then rejects with an error
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DamagedCheckpointError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # corrupt data can raise any exception
        if isinstance(error, pickle.UnpicklingError) and (found := re.search(r"GLOBAL (\S+)", str(error))):
            raise InputError(
                f"{path}: refused, because loading it would run {found[1]}, which weights do not need; "
                f"use a file that contains only a state dict"
            ) from None
        raise DamagedCheckpointError(
            f"{path}: not a checkpoint, or an empty, truncated, or unsafe one; use a file written by torch.save "
            f"that contains only tensors, numbers, and text"
        ) from None


def _check_size(path: Path) -> None:
    """Refuse a zip file that would take more memory than its size; torch.save does not compress."""
    with suppress(OSError, *ZIP_ERRORS):  # which torch.load reports
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        is_stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not is_stored or sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise DamagedCheckpointError(
                f"{path}: refused, because it is compressed or its parts overlap, which torch.save does not do"
            )


def check_content(path: Path) -> None:
    """Check the checksums in a file of `torch.save`, which PyTorch itself does not check.

    Files in the format of PyTorch before 1.6 have no checksums.

    Args:
        path: Path to a file that `read_checkpoint` can read.

    Raises:
        DamagedCheckpointError: The content of the file has changed since it was written.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except ZIP_ERRORS as error:
        damaged = str(error)
    if damaged is not None:
        raise DamagedCheckpointError(f"{path}: damaged: the content does not match its checksum ({damaged})")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        import safetensors.torch  # optional, as no published row uses this format
    except ImportError:
        raise InputError(f"{path}: this kind of file requires a package: pip install safetensors") from None
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors = OrderedDict((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
            training = json.loads((file.metadata() or {}).get(_TRAINING, "{}"))
        tensors._metadata = {"": {_TRAINING: training}}  # type: ignore[attr-defined]  # as Module.state_dict does
        return tensors
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception:  # corrupt data can raise any exception
        raise InputError(f"{path}: not a safetensors file, or an empty or truncated one") from None


def save_safetensors(path: str | Path, state_dict: Mapping[str, Tensor]) -> None:
    """Write a state dict as a `.safetensors` file, with the record of `with_training`, atomically.

    Args:
        path: Path to the file.
        state_dict: Tensors by name.

    Raises:
        InputError: The package safetensors is not installed.
        OSError: The disk is full, or writing is not permitted.
    """
    try:
        from safetensors.torch import save
    except ImportError:
        raise InputError(f"{path}: this kind of file requires a package: pip install safetensors") from None
    tensors = {name: tensor.contiguous() for name, tensor in state_dict.items()}
    content = save(tensors, {"format": "pt", _TRAINING: json.dumps(training_of(state_dict))})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a plain state dict or a training checkpoint, under the names they have in the file.

    Args:
        path: Path to the file.

    Returns:
        Dictionary that maps names to tensors.

    Raises:
        InputError: The file cannot be read (see `read_checkpoint`) or contains no weights.
    """
    return tensors_of(find_state_dict(read_checkpoint(path)), path)


def find_state_dict(content: Any) -> Any:
    """Return the state dict in a training checkpoint, or the content itself if it is a plain state dict.

    Args:
        content: Content of a file, as returned by `read_checkpoint`.
    """
    if not isinstance(content, Mapping):
        return content
    # A training with TRAIN.EMA stores its averaged weights as `average`. In training checkpoints of the original
    # implementations, `model` is the name of the net. MMEngine stores averaged weights as `state_dict` and the weights
    # that they are averaged from as `ema_state_dict`.
    parts = [content.get(key) for key in ("average", "state_dict", "model", "best_state_dict", "ema_state_dict")]
    return next((part for part in parts if isinstance(part, Mapping)), content)


def tensors_of(state_dict: Any, path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name.

    Args:
        state_dict: State dict, as returned by `find_state_dict`.
        path: Path to its file, for messages.

    Raises:
        InputError: It has no tensors.
    """
    if isinstance(state_dict, Mapping):
        tensors = {
            name: value for name, value in state_dict.items() if isinstance(name, str) and isinstance(value, Tensor)
        }
        if tensors:
            return tensors
    raise InputError(f"{path}: contains no weights; use a file with a state dict")


def with_training(state_dict: dict[str, Tensor], training: dict[str, Any]) -> dict[str, Tensor]:
    """Add a record of how the weights were trained to a state dict.

    The record is stored in the metadata that PyTorch keeps with the tensors of a state dict, in the same file. Loading
    the file, even with `weights_only=True`, still gives a plain state dict, and the record cannot be separated from it.

    Args:
        state_dict: State dict of a net, modified in place.
        training: Numbers, text, and lists and dictionaries of them, with at least `config` (YAML) and `joints` (names).

    Returns:
        The state dict.
    """
    state_dict._metadata[""][_TRAINING] = training  # type: ignore[attr-defined]  # set by Module.state_dict
    return state_dict


def training_of(state_dict: Any) -> dict[str, Any]:
    """Return the record that `with_training` added to a state dict, or an empty dictionary if there is none.

    Args:
        state_dict: State dict as read from a file.
    """
    metadata = getattr(state_dict, "_metadata", None)
    root = metadata.get("") if isinstance(metadata, Mapping) else None
    training = root.get(_TRAINING) if isinstance(root, Mapping) else None
    if not isinstance(training, dict):
        return {}
    is_whole = isinstance(training.get("config"), str) and isinstance(training.get("joints"), list)
    return training if is_whole else {}


class _Unread:
    """Placeholder for an object that is stored with weights but never used; ignores all arguments and state."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _inert_types() -> list[Any]:
    """Return the non-tensor types in genuine files: NumPy values (`perf`), options (`args`), MMEngine's log."""
    # NumPy 2 moved the module, so files name the old or the new one. __reduce__ returns the installed functions.
    rebuild_scalar, rebuild_array = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    types: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        types += [(rebuild_scalar, f"{module}.scalar"), (rebuild_array, f"{module}._reconstruct")]
    types.append((_Unread, "argparse.Namespace"))
    # The log's entries refer to methods of this class, which pickle stores as calls to getattr.
    return [*types, (_Unread, "mmengine.logging.history_buffer.HistoryBuffer"), (_Unread, "builtins.getattr")]
