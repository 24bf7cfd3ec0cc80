"""Loading of weights from this project, the original implementations, MMPose, and several ImageNet model zoos.

Files are not trusted: only tensors and a few inert types are read, and no code in a file is run.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.utils.checkpoint_files import find_state_dict, read_checkpoint, tensors_of, training_of
from lib.utils.errors import InputError
from lib.utils.weight_names import HEAD_LAYERS, is_of_head, is_of_neck, net, our_names, trunk


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
        training: Record of how the weights were trained, see lib.utils.checkpoint_files; empty if the file has none.
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
            parts.append(f"not in the requested layers, and left at initial values: {_by_part(self.unasked)}")
        if self.other_shape:
            parts.append(f"of another shape, and left at initial values: {self._shapes()}")
        if self.unexpected:
            parts.append(f"not in the model, and left out: {_by_part(self.unexpected)}")
        if self.overruled:
            pairs = (f"{taken}, not {left_out}" for left_out, taken in self.overruled.items())
            parts.append(f"different values for the same layer, of which these are used: {_some(pairs)}")
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
                f"use weights that were trained for this net; training can start from this file (MODEL.PRETRAINED)"
            )

    def _shapes(self) -> str:
        return _some(f"{name} {there} in the file, {here} in the model" for name, there, here in self.other_shape)


def load_weights(model: nn.Module, path: str | Path, layers: Collection[str] | None = None) -> LoadReport:
    """Load the tensors of a checkpoint into a model, converted to the model's dtypes and devices.

    Supported are plain state dicts and training checkpoints, names prefixed with `module.`, MMPose's names, Hugging
    Face's names of ViTPose, and ImageNet files (without their classifiers). The trunk must be complete; the layers that
    a pose net adds to it may be missing. MMPose's files for stage 2 of PoseWarper may store the last layer twice, in
    the head and in the neck; the one in the neck is used. A pose net with a method `fit_weights`, such as `pose_vit`,
    converts tensors of other shapes.

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
    state_dict = find_state_dict(read_checkpoint(path))
    tensors, renamed, overruled = _rename(tensors_of(state_dict, path), own, path)
    if fit_weights := getattr(getattr(model, "pose_net", model), "fit_weights", None):
        tensors = fit_weights(tensors)
    nets = {"file_net": net(tensors), "model_net": net(own)}
    if trunk(tensors) and trunk(own) and trunk(tensors) != trunk(own):
        raise InputError(f"{path}: {_compare(**nets)}; use weights of that net, or the experiment of these weights")

    asked = {name for name in own if layers is None or "*" in layers or name.split(".")[0] in layers}
    present = [name for name in own if name in asked and name in tensors]
    fitting = {name: tensors[name] for name in present if tensors[name].shape == own[name].shape}
    # Files from before PyTorch 0.4.1 have no batch counts, which BatchNorm with a momentum does not use anyway.
    lacking = [name for name in own if name not in fitting and not name.endswith("num_batches_tracked")]
    needed = [name for name in lacking if not fitting or (name in asked and not is_of_head(name))]
    if needed:
        raise InputError(
            f"{path}: {_compare(**nets)}: only {len(fitting)} of its {len(tensors)} tensors fit, and {len(needed)} "
            f"that are needed are not among them ({_some(needed)}); use weights of the same net; "
            f"only {' and '.join(HEAD_LAYERS)} and the warping head may lack weights"
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
        other_shape=[(name, tuple(tensors[name].shape), tuple(own[name].shape)) for name in present if name in lacking],
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
                f"{path}: {name} has values that are not finite, because the training diverged; use another file"
            )


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
                raise InputError(
                    f"{path}: contains {new} twice, as {other} and {old}, with different values; keep one of them"
                )
            taken, left_out = (old, other) if is_of_neck(old) else (other, old)
            names[new], overruled[left_out] = taken, taken
    result = {new: tensors[old] for new, old in names.items()}
    return result, {old: new for new, old in names.items() if old != new}, overruled


def _compare(file_net: str, model_net: str) -> str:
    return f"contains {file_net or 'another net'}, but the experiment's net is {model_net or 'of another kind'}"


def _by_part(names: Iterable[str]) -> str:
    """Count names by their first part: `9 of deconv_layers, 2 of final_layer`."""
    parts = Counter(name.split(".")[0] for name in names)
    return _some((f"{count} of {part}" for part, count in parts.items()), limit=5)


def _some(items: Iterable[str], limit: int = 3) -> str:
    items = list(items)
    return ", ".join(items[:limit]) + (", …" if len(items) > limit else "")
