"""Nets in ONNX files, as written by tools/export.py, run by ONNX Runtime in place of PyTorch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.utils.errors import InputError
from lib.utils.onnx_file import metadata_of, open_session


class OnnxNet(nn.Module):
    """Net in an ONNX file, with the input and output of the net that was exported.

    Args:
        path: Path to the file.
        device: Device to run on. CUDA requires the package onnxruntime-gpu.

    Attributes:
        joints: Names of the J joints.
        offsets: Frames of a clip relative to the key frame; [0] for a single-frame net.
        image_size: Width and height of the crops.

    Raises:
        InputError: The file cannot be read, was not written by tools/export.py, or contains only the warp.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        super().__init__()
        providers = ["CPUExecutionProvider"]
        if device.type == "cuda":
            providers.insert(0, "CUDAExecutionProvider")
        self._session = open_session(path, providers)
        metadata = metadata_of(self._session, path)
        (entry,) = self._session.get_inputs()
        self._name: str = entry.name
        if self._name not in ("frames", "images"):
            raise InputError(f"{path}: contains only the warp; export the net without --split")
        self.joints: list[str] = json.loads(metadata["joints"])
        self.offsets: list[int] = json.loads(metadata["offsets"]) if self._name == "frames" else [0]
        self.image_size: list[int] = json.loads(metadata["image_size"])

    def forward(self, frames: Tensor) -> Tensor:
        """Return the heatmaps (B, J, h, w) of the key frames.

        Args:
            frames: Clips (B, T, 3, H, W) or, for a single-frame net, images (B, 3, H, W), normalized (lib.pose.pixels).
        """
        values = np.ascontiguousarray(frames.detach().float().cpu().numpy())
        heatmaps: Any = self._session.run(None, {self._name: values})[0]
        return torch.from_numpy(heatmaps).to(frames.device)
