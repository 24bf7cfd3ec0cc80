"""Weights from files of any age: this project's, the first implementations', MMPose's, ImageNet ones of several zoos.

Files are not trusted: only tensors and a few inert types are read, nothing in a file is run.
"""

import io
import pickle
import re
import warnings
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.utils.errors import InputError
from lib.utils.files import atomic_path
from lib.utils.weight_names import is_of_head, is_of_neck, net, our_names, trunk

_TRAINING = "training"  # key of a state dict's metadata


@dataclass(frozen=True)
class LoadReport:
    """What became of the tensors of a file and of a model, by their names in the model.

    Attributes:
        path: the file.
        file_net, model_net: what they are in words, such as "HRNet-W48 with 17 joints"; "" if it is not known.
        loaded: taken from the file.
        renamed: of these, name in the file → name in the model, where they differ.
        missing: in the model, not in the file; left as they were.
        unasked: in both, but not of the layers that were asked for; left as they were.
        unexpected: in the file, not in the model.
        other_shape: (name, shape in the file, shape in the model); left as they were.
        training: how the weights were trained, as `with_training` has it; empty if the file does not tell.
        overruled: in the file, and replaced by other values that MMPose's PoseWarper has for the same layer: name of
            the tensor left out → name of the one taken, both as in the file.
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
        """All tensors of the model that were left as they were."""
        return [*self.missing, *self.unasked, *(name for name, *_ in self.other_shape)]

    def raise_if_incomplete(self) -> None:
        """For testing, where nothing may be left at its initial value.

        Raises:
            InputError: a tensor of the model did not come from the file.
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
    """Copy the tensors of a checkpoint into a model, converted to the model's dtypes and devices.

    Understood are bare state dicts and training files, names with `module.` in front, MMPose's names, and ImageNet
    files of ResNet and HRNet (their classifiers are left out). What a pose net adds to its trunk may lack; the trunk
    must be whole. MMPose's files for stage 2 of PoseWarper may hold the last layer twice, in the head and in the neck:
    the neck's counts.

    Args:
        model: changed in place; untouched if an error is raised.
        path: the file.
        layers: take only tensors whose name starts with one of these parts ("conv1", "stage2"), as
            MODEL.EXTRA.PRETRAINED_LAYERS lists them; None or a list with "*": all.

    Raises:
        InputError: the model has no such layer.
        InputError: the file cannot be used: missing, truncated, no checkpoint, with code in it, of another net,
            or with values that are not finite.
    """
    path, own = Path(path), model.state_dict()
    parts = list(dict.fromkeys(name.split(".")[0] for name in own))
    if unknown := set(layers or ()) - {"*", *parts}:
        raise InputError(
            f"MODEL.EXTRA.PRETRAINED_LAYERS: the net has no layer {min(unknown)!r}; it has {', '.join(parts)}"
        )
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
    # Files older than PyTorch 0.4.1 do not count batches, and with a momentum nothing depends on the count.
    lacking = [name for name in own if name not in fitting and not name.endswith("num_batches_tracked")]
    needed = [name for name in lacking if not fitting or (name in asked and not is_of_head(name))]
    if needed:
        raise InputError(
            f"{path}: {_compare(**nets)}: only {len(fitting)} of its {len(tensors)} tensors fit, and {len(needed)} "
            f"that are needed are not among them ({_some(needed)}): take weights of the same net"
        )
    _check_finite(fitting, path)
    model.load_state_dict(fitting, strict=False)
    return LoadReport(
        path=path,
        **nets,
        loaded=list(fitting),
        renamed={old: new for old, new in renamed.items() if new in fitting},
        missing=[name for name in lacking if name not in tensors],
        unasked=[name for name in lacking if name in tensors and name not in asked],
        unexpected=[name for name in tensors if name not in own],
        other_shape=[
            (name, tuple(tensors[name].shape), tuple(own[name].shape))
            for name in lacking
            if name in tensors and name in asked
        ],
        training=training_of(state_dict),
        overruled=overruled,
    )


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(
                f"{path}: {name} holds values that are not finite: the training diverged; take another file"
            )


def save_checkpoint(path: str | Path, content: Any) -> None:
    """Write a checkpoint, all or nothing.

    Args:
        content: tensors, numbers, text, and lists and dicts of them: what `read_checkpoint` accepts.
    Raises:
        OSError: there is no room for it, or no permission.
    """
    buffer = io.BytesIO()  # torch.save into a file reports a full disk as some RuntimeError
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_checkpoint(path: str | Path) -> Any:
    """The content of a file of `torch.save`, in the zip or the older format, or of a `.safetensors`; on the CPU.

    Raises:
        InputError: the file is missing, empty, truncated, not a checkpoint, or holds more than tensors, numbers and
            other inert values; or the package safetensors is missing.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with torch.serialization.safe_globals(_inert_types()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of protocols that it then refuses, and the error says it
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # damaged bytes can end in an exception of any kind
        if isinstance(error, pickle.UnpicklingError) and (found := re.search(r"GLOBAL (\S+)", str(error))):
            raise InputError(
                f"{path}: refused, because loading it would run {found[1]}, which weights have no need of: "
                f"take a file that holds a state dict only"
            ) from None
        raise InputError(
            f"{path}: not a checkpoint, or an empty, truncated or unsafe one: take a file of torch.save that holds "
            f"tensors, numbers and text only"
        ) from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file  # not required: no published row is such a file
    except ImportError:
        raise InputError(f"{path}: a package is missing for files of this kind: pip install safetensors") from None
    try:
        return load_file(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception:  # damaged bytes can end in an exception of any kind
        raise InputError(f"{path}: not a safetensors file, or an empty or truncated one") from None


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a bare state dict or of a training file, by the names that they have there.

    Raises:
        InputError: as `read_checkpoint`, or the file holds no weights.
    """
    return _tensors(_state_dict(read_checkpoint(path)), path)


def _state_dict(content: Any) -> Any:
    """The state dict of a training file, or of one that is nothing else."""
    if not isinstance(content, Mapping):
        return content
    # In the first implementations' training files `model` is the net's name. MMEngine keeps the average of weights
    # as `state_dict`, and what it averages as `ema_state_dict`.
    parts = [content.get(key) for key in ("state_dict", "model", "best_state_dict", "ema_state_dict")]
    return next((part for part in parts if isinstance(part, Mapping)), content)


def _tensors(state_dict: Any, path: str | Path) -> dict[str, Tensor]:
    if isinstance(state_dict, Mapping):
        tensors = {
            name: value for name, value in state_dict.items() if isinstance(name, str) and isinstance(value, Tensor)
        }
        if tensors:
            return tensors
    raise InputError(f"{path}: holds no weights: take a file with a state dict")


def with_training(state_dict: OrderedDict[str, Tensor], training: dict[str, Any]) -> OrderedDict[str, Tensor]:
    """A state dict that tells how its weights were trained.

    It stands in the metadata that PyTorch keeps beside the tensors of a state dict, in the same file: whoever loads
    that, with `weights_only=True` too, gets a plain state dict, and the two cannot come apart.

    Args:
        state_dict: a net's.
        training: numbers, text, and lists and dicts of them; `config` (YAML) and `joints` (names) at least.
    """
    state_dict._metadata[""][_TRAINING] = training
    return state_dict


def training_of(state_dict: Any) -> dict[str, Any]:
    """The counterpart of `with_training`, of a state dict that was read; empty if it does not tell."""
    metadata = getattr(state_dict, "_metadata", None)
    root = metadata.get("") if isinstance(metadata, Mapping) else None
    training = root.get(_TRAINING) if isinstance(root, Mapping) else None
    if not isinstance(training, dict):
        return {}
    is_whole = isinstance(training.get("config"), str) and isinstance(training.get("joints"), list)
    return training if is_whole else {}


class _Unread:
    """Stands in for an object beside the weights that nobody reads; does nothing whatever the file asks of it."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _inert_types() -> list[Any]:
    """What genuine files hold beside tensors: NumPy numbers and arrays (`perf`), options (`args`), MMEngine's log."""
    # NumPy 2 moved the module, and files of either age name their own; __reduce__ yields the installed NumPy's.
    rebuild_scalar, rebuild_array = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    types: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        types += [(rebuild_scalar, f"{module}.scalar"), (rebuild_array, f"{module}._reconstruct")]
    types.append((_Unread, "argparse.Namespace"))
    # The log's entries name methods of this class, which pickle writes as calls of getattr.
    return [*types, (_Unread, "mmengine.logging.history_buffer.HistoryBuffer"), (_Unread, "builtins.getattr")]


def _rename(
    tensors: Mapping[str, Tensor], own: Collection[str], path: Path
) -> tuple[dict[str, Tensor], dict[str, str], dict[str, str]]:
    """The tensors under the model's names, `own`; old name → new name where they differ; and `overruled`."""
    names: dict[str, str] = {}  # ours → the file's
    overruled = {}
    for old, new in our_names(tensors, own).items():
        other = names.setdefault(new, old)
        if other == old:
            continue
        # Equal tensors are one, by whichever name.
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
    """How many of each first part: `9 of deconv_layers, 2 of final_layer`."""
    parts = Counter(name.split(".")[0] for name in names)
    return _some((f"{count} of {part}" for part, count in parts.items()), limit=5)


def _some(items: Iterable[str], limit: int = 3) -> str:
    items = list(items)
    return ", ".join(items[:limit]) + (", …" if len(items) > limit else "")
