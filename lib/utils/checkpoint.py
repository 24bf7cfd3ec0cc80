"""Weights from files of any age: this project's, the first implementations', MMPose's, ImageNet ones.

Files are not trusted: only tensors and a few inert types are read, nothing in a file is run.
"""

import io
import pickle
import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.utils.errors import InputError
from lib.utils.files import atomic_path

# Published name → ours, applied in this order. MMPose 0.x and 1.x put the parts of a net under backbone, neck and
# (keypoint_)head, and number PoseWarper's dilations from 0.
_RENAMES = [
    (re.compile(r"^module\."), ""),  # written through DataParallel or DistributedDataParallel
    (re.compile(r"^(backbone|neck)\."), ""),
    (re.compile(r"^(keypoint_)?head\.(?=final_layer\.|deconv_layers\.)"), ""),
    (re.compile(r"^trans_layer\."), "final_layer."),
    (re.compile(r"^offset_layers\.(\d+)"), lambda match: f"offsets{int(match[1]) + 1}"),
    (re.compile(r"^deform_conv_layers\.(\d+)"), lambda match: f"deform_conv{int(match[1]) + 1}"),
]

# What ImageNet files of ResNet and HRNet hold beyond the trunk.
_CLASSIFIER = re.compile(r"^(fc|classifier|incre_modules|downsamp_modules|final_layer\.\d+)\.")


@dataclass(frozen=True)
class LoadReport:
    """What became of the tensors of a file and of a model, by their names in the model.

    Attributes:
        path: the file.
        loaded: taken from the file.
        renamed: of these, name in the file → name in the model, where they differ.
        missing: in the model, not in the file; left as they were.
        unexpected: in the file, not in the model.
        other_shape: (name, shape in the file, shape in the model); left as they were.
    """

    path: Path
    loaded: list[str]
    renamed: dict[str, str]
    missing: list[str]
    unexpected: list[str]
    other_shape: list[tuple[str, tuple[int, ...], tuple[int, ...]]]

    def __str__(self) -> str:
        parts = [f"{self.path}: {len(self.loaded)} tensors loaded"]
        if self.renamed:
            old, new = next(iter(self.renamed.items()))
            parts[0] += f" ({len(self.renamed)} renamed, such as {old} to {new})"
        if self.missing:
            parts.append(f"{len(self.missing)} are not in the file and stay as they were: {_some(self.missing)}")
        if self.unexpected:
            parts.append(f"{len(self.unexpected)} in the file are not in the model: {_some(self.unexpected)}")
        if self.other_shape:
            parts.append(f"{len(self.other_shape)} have another shape and stay as they were: {self._shapes()}")
        return "; ".join(parts)

    def raise_if_incomplete(self) -> None:
        """For testing, where nothing may be left at its initial value.

        Raises:
            InputError: a tensor of the model did not come from the file.
        """
        problems = []
        if self.missing:
            problems.append(f"{len(self.missing)} tensors of the model are not in the file ({_some(self.missing)})")
        if self.other_shape:
            problems.append(f"{len(self.other_shape)} have another shape ({self._shapes()})")
        if problems:
            raise InputError(f"{self.path}: {' and '.join(problems)}: take the file and the experiment of one net")

    def _shapes(self) -> str:
        return _some(f"{name} {there} in the file, {here} in the model" for name, there, here in self.other_shape)


def load_weights(model: nn.Module, path: str | Path, layers: Collection[str] | None = None) -> LoadReport:
    """Copy the tensors of a checkpoint into a model, converted to the model's dtypes and devices.

    Understood are bare state dicts and training files, names with `module.` in front, MMPose's names, ImageNet
    files of ResNet and HRNet (their classifiers are left out).

    Args:
        model: changed in place; untouched if an error is raised.
        path: the file.
        layers: take only tensors whose name starts with one of these parts ("conv1", "stage2"), as
            MODEL.EXTRA.PRETRAINED_LAYERS lists them; None or a list with "*": all.

    Raises:
        InputError: the file cannot be used: missing, truncated, no checkpoint, with code in it, of another net,
            or with values that are not finite.
    """
    path = Path(path)
    tensors, renamed = _rename(read_state_dict(path), path)
    own = model.state_dict()
    file_net, model_net = _net(tensors), _net(own)
    if file_net and model_net and file_net != model_net:
        raise InputError(f"{path}: holds the weights of {file_net}, but the experiment's net is {model_net}")

    if layers is not None and "*" not in layers:
        tensors = {name: tensor for name, tensor in tensors.items() if name.split(".")[0] in layers}
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and tensor.shape == own[name].shape}
    if not fitting or 2 * len(fitting) < len(tensors):
        looks_like = f"; it looks like {file_net}" if file_net else ""
        raise InputError(
            f"{path}: only {len(fitting)} of its {len(tensors)} tensors fit the experiment's net{looks_like}: "
            f"take the weights of the same net"
        )
    damaged = [name for name, tensor in fitting.items() if not tensor.isfinite().all()]
    if damaged:
        raise InputError(
            f"{path}: {damaged[0]} holds values that are not finite: the training diverged; take another file"
        )
    model.load_state_dict(fitting, strict=False)
    return LoadReport(
        path=path,
        loaded=list(fitting),
        renamed={old: new for old, new in renamed.items() if new in fitting},
        # Files older than PyTorch 0.4.1 do not count batches, and with a momentum nothing depends on the count.
        missing=[name for name in own if name not in tensors and not name.endswith("num_batches_tracked")],
        unexpected=[name for name in tensors if name not in own],
        other_shape=[
            (name, tuple(tensor.shape), tuple(own[name].shape))
            for name, tensor in tensors.items()
            if name in own and name not in fitting
        ],
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
    """The content of a file of `torch.save`, in the zip or the older format, on the CPU.

    Raises:
        InputError: the file is missing, empty, truncated, not a checkpoint, or holds more than tensors, numbers and
            other inert values.
    """
    path = Path(path)
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


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a bare state dict or of a training file, by the names that they have there.

    Raises:
        InputError: as `read_checkpoint`, or the file holds no weights.
    """
    content = read_checkpoint(path)
    if isinstance(content, Mapping):
        # In the first implementations' training files `model` is the net's name.
        parts = [content.get(key) for key in ("state_dict", "model", "best_state_dict")]
        state_dict = next((part for part in parts if isinstance(part, Mapping)), content)
        tensors = {
            name: value for name, value in state_dict.items() if isinstance(name, str) and isinstance(value, Tensor)
        }
        if tensors:
            return tensors
    raise InputError(f"{path}: holds no weights: take a file with a state dict")


class _Unread:
    """Stands in for an object beside the weights that nobody reads; does nothing whatever the file asks of it."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _inert_types() -> list[Any]:
    """What genuine files hold beside tensors: NumPy numbers and arrays (`perf`), MMEngine's log."""
    # NumPy 2 moved the module, and files of either age name their own; __reduce__ yields the installed NumPy's.
    rebuild_scalar, rebuild_array = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    types: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        types += [(rebuild_scalar, f"{module}.scalar"), (rebuild_array, f"{module}._reconstruct")]
    # The log's entries name methods of this class, which pickle writes as calls of getattr.
    return [*types, (_Unread, "mmengine.logging.history_buffer.HistoryBuffer"), (_Unread, "builtins.getattr")]


def _rename(tensors: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors under this project's names, without an ImageNet classifier, and old name → new name."""
    result: dict[str, Tensor] = {}
    renamed = {}
    for old, tensor in tensors.items():
        new = old
        for pattern, replacement in _RENAMES:
            new = pattern.sub(replacement, new)
        if _CLASSIFIER.match(new):
            continue
        if new in result:
            raise InputError(f"{path}: holds {new} twice, with and without a prefix: keep one of them")
        result[new] = tensor
        if new != old:
            renamed[old] = new
    return result, renamed


def _net(tensors: Mapping[str, Tensor]) -> str | None:
    """Which trunk the tensors belong to, told by their names; None: neither HRNet nor ResNet."""
    branch = tensors.get("stage2.0.branches.0.0.conv1.weight")
    if branch is not None and branch.ndim == 4:
        return f"HRNet-W{len(branch)}"
    if "layer4.0.conv1.weight" in tensors:
        # The number counts these convolutions, the first one and the classifier; shortcuts do not count.
        convolutions = [name for name in tensors if re.fullmatch(r"layer\d+\.\d+\.conv\d\.weight", name)]
        return f"ResNet-{len(convolutions) + 2}"
    return None


def _some(items: Iterable[str], limit: int = 3) -> str:
    items = list(items)
    return ", ".join(items[:limit]) + (", …" if len(items) > limit else "")
