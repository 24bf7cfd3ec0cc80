"""Export of nets to ONNX and torch.export files that run without this repository, checked before they are kept."""

import copy
import io
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.core.trained_model import build_trained_model, build_weights_path
from lib.dataset import build_skeleton
from lib.deform_conv import DeformConv2d
from lib.models import PoseWarper
from lib.models.inference import prepare_for_inference
from lib.pose.pixels import MEAN, STD
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, sha256
from lib.utils.onnx_file import ONNX, open_session, require_packages
from lib.utils.precision import dtype_of
from lib.utils.provenance import describe_command

OPSET = 19
"""First version of ONNX with DeformConv."""
TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}
"""Largest accepted difference from PyTorch, as a share of the largest heatmap value, by precision."""
BATCHES = (1, 3)
"""Batch sizes of the check."""
MAX_BATCH = 1024

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported file.

    Attributes:
        path: The file.
        error: Largest difference from PyTorch, as a share of the largest heatmap value.
        eager_seconds: Duration of one sample in PyTorch.
        seconds: Duration of one sample in the program that runs the file.
    """

    path: Path
    error: float
    eager_seconds: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A net to export: from one input, named `name`, to heatmaps."""

    path: Path
    net: nn.Module
    name: str
    example: Tensor
    metadata: Mapping[str, str]


class _Aggregation(nn.Module):
    """The second half of a PoseWarper: heatmaps (B, T, J, h, w) of single frames to those of the key frame."""

    def __init__(self, net: PoseWarper) -> None:
        super().__init__()
        self.net = net

    def forward(self, heatmaps: Tensor) -> Tensor:
        return self.net.aggregate(heatmaps)


class _PortableDeformConv(nn.Module):
    """A deformable convolution by torchvision's operator, which is loaded wherever torchvision is."""

    def __init__(self, layer: DeformConv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, input: Tensor, offset: Tensor) -> Tensor:
        sizes = {"stride": self.layer.stride, "padding": self.layer.padding, "dilation": self.layer.dilation}
        output: Tensor = torchvision.ops.deform_conv2d(input, offset.to(input.dtype), self.layer.weight, **sizes)
        return output


def export_net(
    cfg: CfgNode, folder: Path, out: Path, *, frames: int, precision: str, split: bool, force: bool = False
) -> list[Exported]:
    """Export the net of an experiment, and compare the files with PyTorch before they are kept.

    Args:
        cfg: The experiment.
        folder: Folder of its results, which has the weights unless TEST.MODEL_FILE is set.
        out: File to write, `.onnx` or `.pt2`.
        frames: Number of frames of a clip: 1 for the single-frame net, else that of TEST.AGGREGATE.OFFSETS.
        precision: "fp32" or "fp16", the type of the convolutions. Inputs and heatmaps are float32.
        split: Export the pose net and the warp separately, to NAME-pose and NAME-warp, so that each frame of a video
            passes the pose net once.
        force: Accept weights that were trained with other settings.

    Raises:
        InputError: The weights or a package are missing, or a file computes other heatmaps than PyTorch.
    """
    if out.suffix == ONNX:
        require_packages("onnx", "onnxscript", "onnxruntime")
    device = torch.device("cpu")
    cfg = _in_mode(cfg, "single" if frames == 1 else "aggregate")
    net, _ = build_trained_model(cfg, folder, device, force)
    pose_net = net.pose_net if isinstance(net, PoseWarper) else net
    net = prepare_for_inference(net if frames > 1 else pose_net, dtype_of(precision))
    metadata = _describe(cfg, build_weights_path(cfg, folder), precision)
    width, height = cfg.MODEL.IMAGE_SIZE
    generator = torch.Generator().manual_seed(0)
    clip = torch.randn(1, frames, 3, height, width, generator=generator)
    nets: list[tuple[Path, nn.Module, str, Tensor]]
    if not split:
        nets = [(out, net, "frames", clip) if frames > 1 else (out, net, "images", clip[:, 0])]
    else:
        assert isinstance(net, PoseWarper)  # the caller refuses to split others
        with torch.no_grad():
            heatmaps = net.estimate(clip)
        nets = [
            (_with_suffix(out, "-pose"), net.pose_net, "images", clip[:, 0]),
            (_with_suffix(out, "-warp"), _Aggregation(net), "heatmaps", heatmaps),
        ]
    parts = [_Part(path=path, net=net, name=name, example=one, metadata=metadata) for path, net, name, one in nets]
    return [_export(part, precision) for part in parts]


def _in_mode(cfg: CfgNode, mode: str) -> CfgNode:
    """Return the configuration of what is exported, without the path of the weights."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.TEST.MODE, cfg.TEST.AGGREGATE.SHARE_CROPS = mode, False
    cfg.freeze()
    return cfg


def outputs(out: Path, split: bool) -> list[Path]:
    """Return the files that `export_net` writes.

    Args:
        out: File to write.
        split: Export the pose net and the warp separately.
    """
    return [_with_suffix(out, "-pose"), _with_suffix(out, "-warp")] if split else [out]


def _with_suffix(path: Path, end: str) -> Path:
    return path.with_name(f"{path.stem}{end}{path.suffix}")


def _describe(cfg: CfgNode, weights: Path, precision: str) -> dict[str, str]:
    """Return everything that a program needs to use the net, and where the net comes from."""
    skeleton = build_skeleton(cfg)
    described: dict[str, Any] = {
        "joints": list(skeleton.names),
        "bones": [list(bone) for bone in skeleton.bones],
        "flip_order": skeleton.flip_order.tolist(),
        "image_size": list(cfg.MODEL.IMAGE_SIZE),
        "heatmap_size": list(cfg.MODEL.HEATMAP_SIZE),
        "color_order": "rgb" if cfg.DATASET.COLOR_RGB else "bgr",
        "mean": list(MEAN),
        "std": list(STD),
        "target_type": cfg.MODEL.TARGET_TYPE,
        "sigma": cfg.MODEL.SIGMA,
        "offsets": list(cfg.TEST.AGGREGATE.OFFSETS) if cfg.MODEL.WARP.ENABLED else [0],
        "weights": list(cfg.TEST.AGGREGATE.WEIGHTS) if cfg.MODEL.WARP.ENABLED else [1.0],
        "precision": precision,
        "weights_sha256": sha256(weights),
        "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
        **describe_command(),
        "config": cfg.dump(),
    }
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in described.items()}


def _export(part: _Part, precision: str) -> Exported:
    """Export a net, and compare the file with the net."""
    save, open_file = (_save_onnx, _open_onnx) if part.path.suffix == ONNX else (_save_program, _open_program)
    with atomic_path(part.path) as temporary:
        save(part, temporary)
        run = open_file(temporary)
        error = max(_compare(part, run, size) for size in BATCHES)
        if not error <= TOLERANCE[precision]:
            raise InputError(
                f"{part.path}: not written: it differs from PyTorch by {error:.1e} of the largest heatmap value, "
                f"more than {TOLERANCE[precision]:.0e}"
            )
        eager = _time(lambda: _eager(part.net, part.example))
        seconds = _time(lambda: run(part.example.numpy()))
    return Exported(path=part.path, error=error, eager_seconds=eager, seconds=seconds)


def _save_onnx(part: _Part, path: Path) -> None:
    from onnxscript import opset19

    for name in ("onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.WARNING)

    def deform_conv2d(
        input: Any, offset: Any, weight: Any, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
    ) -> Any:
        taps = int(weight.shape[2]) * int(weight.shape[3])
        return opset19.DeformConv(
            input,
            weight,
            opset19.CastLike(offset, input),
            strides=list(stride),
            pads=[*padding, *padding],
            dilations=list(dilation),
            group=1,
            offset_group=int(offset.shape[1]) // (2 * taps),
        )

    program = torch.onnx.export(
        _trace(part.net, part.example),
        dynamo=True,
        opset_version=OPSET,
        custom_translation_table={torch.ops.posewarper.deform_conv2d.default: deform_conv2d},
        input_names=[part.name],
        output_names=["heatmaps" if part.name != "heatmaps" else "aggregated"],
        verbose=False,
    )
    assert program is not None  # with dynamo=True
    program.model.metadata_props.update(part.metadata)
    program.save(path, external_data=False)


def _trace(net: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """Return the program of a net for any batch size."""
    # An example of one sample would fix the batch size.
    example = example.repeat_interleave(2, dim=0)
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    with torch.no_grad():
        return torch.export.export(net.eval(), (example,), dynamic_shapes=({0: batch},))


def _open_onnx(path: Path) -> Run:
    session = open_session(path)
    (entry,) = session.get_inputs()
    return lambda values: session.run(None, {entry.name: values})[0]


def _save_program(part: _Part, path: Path) -> None:
    net = copy.deepcopy(part.net)
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, DeformConv2d):
                setattr(module, name, _PortableDeformConv(child))
    buffer = io.BytesIO()  # torch.export.save to a file reports a full disk as a RuntimeError
    torch.export.save(_trace(net, part.example), buffer, extra_files={"metadata.json": json.dumps(dict(part.metadata))})
    path.write_bytes(buffer.getbuffer())


def _open_program(path: Path) -> Run:
    net = torch.export.load(path).module()
    return lambda values: _eager(net, torch.from_numpy(values))


@torch.no_grad()
def _eager(net: nn.Module, values: Tensor) -> np.ndarray:
    output: np.ndarray = net(values).numpy()
    return output


def _compare(part: _Part, run: Run, size: int) -> float:
    """Return the largest difference between the file and the net, as a share of the largest value."""
    generator = torch.Generator().manual_seed(size)
    values = part.example.expand(size, *part.example.shape[1:])
    values = (values + 0.1 * values.std() * torch.randn(values.shape, generator=generator)).contiguous()
    expected = _eager(part.net, values)
    found = run(values.numpy())
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))


def _time(run: Callable[[], object]) -> float:
    """Return the seconds that the second of two calls takes."""
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
