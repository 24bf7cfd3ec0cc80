"""Loading of weights from this project, the original implementations, MMPose, and several ImageNet model zoos.

Files are not trusted: only tensors and a few inert types are read, and no code in a file is run.
"""

import io
import os
import pickle
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.utils.errors import InputError
from lib.utils.files import atomic_path
from lib.utils.weight_names import HEAD_LAYERS, is_of_head, is_of_neck, net, our_names, trunk

_TRAINING = "training"  # key in a state dict's metadata


class DamagedCheckpointError(InputError):
    """Error for a file that is missing, truncated, or damaged, and not known to be of another kind."""


@dataclass(frozen=True)
class LoadReport:
    """Result of loading a file into a model; all names of tensors are those in the model unless stated otherwise.

    Attributes:
        path: Path to the file.
        file_net: Description of the net in the file, such as "HRNet-W48 with 17 joints"; "" if it is not known.
        model_net: Description of the model in the same form.
        loaded: Tensors loaded from the file.
        renamed: Name in the file → name in the model, for the loaded tensors whose names differ.
        missing: Tensors of the model that are not in the file; left unchanged.
        unasked: Tensors in both that are not in the requested layers; left unchanged.
        unexpected: Tensors of the file that are not in the model.
        other_shape: Tensors whose shapes differ, as (name, shape in the file, shape in the model); left unchanged.
        training: Record of how the weights were trained, see `with_training`; empty if the file has none.
        overruled: Tensors of the file that were replaced by different values that MMPose's PoseWarper stores for the
            same layer: name of the discarded tensor → name of the loaded one, both as in the file.
    """

    path: Path
    file_net: str
    model_net: str
    loaded: list[str]
    renamed: dict[str, str]
    missing: list[str]
    unasked: list[str]
    unexpected: list[str]
    other_shape: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    training: dict[str, Any]
    overruled: dict[str, str]

    def __str__(self) -> str:
        parts = [f"{self.path}: {self.file_net or 'weights'}; {len(self.loaded)} tensors loaded"]
        if self.renamed:
            old, new = next(iter(self.renamed.items()))
            parts[0] += f" ({len(self.renamed)} renamed, such as {old} to {new})"
        if self.missing:
            parts.append(f"not in the file, and left at initial values: {_by_part(self.missing)}")
        if self.unasked:
            parts.append(f"not of the layers asked for, and left at initial values: {_by_part(self.unasked)}")
        if self.other_shape:
            parts.append(f"of another shape, and left at initial values: {self._shapes()}")
        if self.unexpected:
            parts.append(f"not in the model, and left out: {_by_part(self.unexpected)}")
        if self.overruled:
            pairs = (f"{taken}, not {left_out}" for left_out, taken in self.overruled.items())
            parts.append(f"different values for one layer, of which these are taken: {_some(pairs)}")
        return "; ".join(parts)

    @property
    def initial(self) -> list[str]:
        """All tensors of the model that were left unchanged."""
        return [*self.missing, *self.unasked, *(name for name, *_ in self.other_shape)]

    def raise_if_incomplete(self) -> None:
        """Raise an error if a tensor still has its initial value, as a net to be tested must be complete.

        Raises:
            InputError: A tensor of the model was not loaded from the file.
        """
        problems = []
        if self.missing:
            problems.append(f"not in the file are {_by_part(self.missing)}")
        if self.other_shape:
            problems.append(f"of another shape are {self._shapes()}")
        if problems:
            raise InputError(
                f"{self.path}: {_compare(self.file_net, self.model_net)}: {' and '.join(problems)}: "
                f"take weights that were trained for it; training can start from these (MODEL.PRETRAINED)"
            )

    def _shapes(self) -> str:
        return _some(f"{name} {there} in the file, {here} in the model" for name, there, here in self.other_shape)


def load_weights(model: nn.Module, path: str | Path, layers: Collection[str] | None = None) -> LoadReport:
    """Load the tensors of a checkpoint into a model, converted to the model's dtypes and devices.

    Supported are plain state dicts and training checkpoints, names prefixed with `module.`, MMPose's names, and
    ImageNet files of ResNet and HRNet (without their classifiers). The trunk must be complete; the layers that a pose
    net adds to it may be missing. MMPose's files for stage 2 of PoseWarper may store the last layer twice, in the head
    and in the neck; the one in the neck is used.

    Args:
        model: Model to load the weights into, modified in place. It is unchanged if an error is raised.
        path: Path to the file.
        layers: Load only the tensors whose name starts with one of these parts ("conv1", "stage2"), as listed in
            MODEL.EXTRA.PRETRAINED_LAYERS. If None or if it contains "*", load all.

    Returns:
        Report of the loaded and the remaining tensors.

    Raises:
        InputError: The model has no such layer.
        InputError: The file cannot be used: it is missing, truncated, or not a checkpoint, contains code, belongs to
            another net, or has values that are not finite.
    """
    path, own = Path(path), model.state_dict()
    _check_layers(layers, own)
    state_dict = _state_dict(read_checkpoint(path))
    tensors, renamed, overruled = _rename(_tensors(state_dict, path), own, path)
    nets = {"file_net": net(tensors), "model_net": net(own)}
    if trunk(tensors) and trunk(own) and trunk(tensors) != trunk(own):
        raise InputError(f"{path}: {_compare(**nets)}: take weights of that net, or these weights' experiment")

    asked = {name for name in own if layers is None or "*" in layers or name.split(".")[0] in layers}
    fitting = {
        name: tensors[name]
        for name in own
        if name in asked and name in tensors and tensors[name].shape == own[name].shape
    }
    # Files from before PyTorch 0.4.1 have no batch counts, which BatchNorm with a momentum does not use anyway.
    lacking = [name for name in own if name not in fitting and not name.endswith("num_batches_tracked")]
    needed = [name for name in lacking if not fitting or (name in asked and not is_of_head(name))]
    if needed:
        raise InputError(
            f"{path}: {_compare(**nets)}: only {len(fitting)} of its {len(tensors)} tensors fit, and {len(needed)} "
            f"that are needed are not among them ({_some(needed)}): take weights of the same net; "
            f"only {' and '.join(HEAD_LAYERS)} and the warping head may lack weights"
        )
    _check_finite(fitting, path)
    model.load_state_dict(fitting, strict=False)
    present = [name for name in lacking if name in tensors]
    return LoadReport(
        path=path,
        **nets,
        loaded=list(fitting),
        renamed={old: new for old, new in renamed.items() if new in fitting},
        missing=[name for name in lacking if name not in tensors],
        unasked=[name for name in present if name not in asked],
        unexpected=[name for name in tensors if name not in own],
        other_shape=[(name, tuple(tensors[name].shape), tuple(own[name].shape)) for name in present if name in asked],
        training=training_of(state_dict),
        overruled=overruled,
    )


def _check_layers(layers: Collection[str] | None, own: Collection[str]) -> None:
    """Reject layers that the model (with tensors named `own`) does not have."""
    parts = list(dict.fromkeys(name.split(".")[0] for name in own))
    if unknown := set(layers or ()) - {"*", *parts}:
        raise InputError(
            f"MODEL.EXTRA.PRETRAINED_LAYERS: the net has no layer {min(unknown)!r}; it has {', '.join(parts)}"
        )


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(
                f"{path}: {name} holds values that are not finite: the training diverged; take another file"
            )


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
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with torch.serialization.safe_globals(_inert_types()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about protocols that it then rejects with an error
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DamagedCheckpointError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # corrupt data can raise any exception
        if isinstance(error, pickle.UnpicklingError) and (found := re.search(r"GLOBAL (\S+)", str(error))):
            raise InputError(
                f"{path}: refused, because loading it would run {found[1]}, which weights have no need of: "
                f"take a file that holds a state dict only"
            ) from None
        raise DamagedCheckpointError(
            f"{path}: not a checkpoint, or an empty, truncated or unsafe one: take a file of torch.save that holds "
            f"tensors, numbers and text only"
        ) from None


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
    except zipfile.BadZipFile as error:
        damaged = str(error)
    if damaged is not None:
        raise DamagedCheckpointError(f"{path}: damaged: the content does not match its checksum ({damaged})")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file  # optional, as no published row uses this format
    except ImportError:
        raise InputError(f"{path}: a package is missing for files of this kind: pip install safetensors") from None
    try:
        return load_file(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception:  # corrupt data can raise any exception
        raise InputError(f"{path}: not a safetensors file, or an empty or truncated one") from None


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a plain state dict or a training checkpoint, under the names they have in the file.

    Args:
        path: Path to the file.

    Returns:
        Dictionary that maps names to tensors.

    Raises:
        InputError: The file cannot be read (see `read_checkpoint`) or contains no weights.
    """
    return _tensors(_state_dict(read_checkpoint(path)), path)


def _state_dict(content: Any) -> Any:
    """Return the state dict in a training checkpoint, or the content itself if it is a plain state dict."""
    if not isinstance(content, Mapping):
        return content
    # A training with TRAIN.EMA stores its averaged weights as `average`. In training checkpoints of the original
    # implementations, `model` is the name of the net. MMEngine stores averaged weights as `state_dict` and the weights
    # that they are averaged from as `ema_state_dict`.
    parts = [content.get(key) for key in ("average", "state_dict", "model", "best_state_dict", "ema_state_dict")]
    return next((part for part in parts if isinstance(part, Mapping)), content)


def _tensors(state_dict: Any, path: str | Path) -> dict[str, Tensor]:
    if isinstance(state_dict, Mapping):
        tensors = {
            name: value for name, value in state_dict.items() if isinstance(name, str) and isinstance(value, Tensor)
        }
        if tensors:
            return tensors
    raise InputError(f"{path}: holds no weights: take a file with a state dict")


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


def _rename(
    tensors: Mapping[str, Tensor], own: Collection[str], path: Path
) -> tuple[dict[str, Tensor], dict[str, str], dict[str, str]]:
    """Return the tensors under the model's names (`own`), the old name → new name of renamed ones, and `overruled`."""
    names: dict[str, str] = {}  # ours → the file's
    overruled = {}
    for old, new in our_names(tensors, own).items():
        other = names.setdefault(new, old)
        if other == old:
            continue
        # It does not matter which of two equal tensors is used.
        if not torch.equal(tensors[old], tensors[other]):
            if is_of_neck(old) == is_of_neck(other):
                raise InputError(f"{path}: holds {new} twice, as {other} and {old}, which differ: keep one of them")
            taken, left_out = (old, other) if is_of_neck(old) else (other, old)
            names[new], overruled[left_out] = taken, taken
    result = {new: tensors[old] for new, old in names.items()}
    return result, {old: new for new, old in names.items() if old != new}, overruled


def _compare(file_net: str, model_net: str) -> str:
    return f"holds {file_net or 'another net'}, and the experiment's net is {model_net or 'of another kind'}"


def _by_part(names: Iterable[str]) -> str:
    """Count names by their first part: `9 of deconv_layers, 2 of final_layer`."""
    parts = Counter(name.split(".")[0] for name in names)
    return _some((f"{count} of {part}" for part, count in parts.items()), limit=5)


def _some(items: Iterable[str], limit: int = 3) -> str:
    items = list(items)
    return ", ".join(items[:limit]) + (", …" if len(items) > limit else "")
