"""Detection of people with YOLOX in an ONNX file, which is light enough for a CPU."""

from pathlib import Path

import cv2
import numpy as np
import torch

from lib.formats.boxes import DetectedBox
from lib.tracking.boxes import FrameByFrame, distinct_boxes
from lib.utils.errors import InputError
from lib.utils.onnx_file import open_session

STRIDES = (8, 16, 32)
"""Pixels per cell of the three grids, in the order of the output."""
PADDING = 114
"""Value of the pixels below and to the right of the image."""
DEFAULT_SIDE = 640
"""Height and width of the input if the file leaves them open."""
MAX_OVERLAP = 0.45
"""IoU of two boxes above which the one with the lower score is left out, as in YOLOX's demonstration."""
CLASS = 0
"""Index of the class person."""


class YoloxDetector(FrameByFrame):
    """Detector of the people in frames: YOLOX as exported by its tools/export_onnx.py (Ge et al., arXiv 2107.08430).

    The net takes an image (1, 3, H, W), float32 BGR from 0 to 255, scaled to fit at the top left. For each cell of the
    three grids, it returns (1, N, 5 + classes): the center relative to the cell and the logarithm of the width and
    height, all in cells, the probability of an object, and that of each class, of which the first is person.

    Args:
        path: Path to the file.
        device: Device to run on. CUDA requires the package onnxruntime-gpu.
        min_score: Minimum score of the boxes to return.

    Raises:
        InputError: The file cannot be read, or its net has other inputs or outputs.
    """

    def __init__(self, path: Path, device: torch.device, min_score: float) -> None:
        providers = ["CUDAExecutionProvider"] if device.type == "cuda" else []
        self._session = open_session(path, [*providers, "CPUExecutionProvider"])
        self._min_score = min_score
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or len(outputs[0].shape) != 3:
            raise InputError(f"{path}: not a YOLOX: it must have one input (1, 3, H, W) and one output (1, N, 5 + C)")
        self._name = inputs[0].name
        sides = [side if isinstance(side, int) else DEFAULT_SIDE for side in inputs[0].shape[2:]]
        self._size = sides[0], sides[1]
        self._cells, self._strides = _grids(*self._size)
        shape = self._run(np.zeros((*self._size, 3), np.uint8)).shape
        if len(shape) != 2 or shape[0] != len(self._cells) or shape[1] < 6:
            raise InputError(
                f"{path}: not a YOLOX: its output is {shape} for an input of {self._size[0]}×{self._size[1]}; it must "
                f"be ({len(self._cells)}, 5 + classes)"
            )

    def find(self, number: int, image: np.ndarray) -> list[DetectedBox]:
        """Return the boxes of a frame.

        Args:
            number: Number of the frame.
            image: Image of the frame, (H, W, 3) uint8 BGR.
        """
        height, width = self._size
        factor = min(height / image.shape[0], width / image.shape[1])
        size = int(image.shape[1] * factor), int(image.shape[0] * factor)
        padded = np.full((height, width, 3), PADDING, np.uint8)
        padded[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        found = self._run(padded)
        scores = found[:, 4] * found[:, 5 + CLASS]
        kept = scores >= self._min_score
        found, scores, strides = found[kept].astype(np.float64), scores[kept], self._strides[kept]
        centers = (found[:, :2] + self._cells[kept]) * strides[:, None]
        sides = np.exp(found[:, 2:4]) * strides[:, None]
        boxes = np.hstack([centers - sides / 2, sides]) / factor  # x, y, w, h
        return distinct_boxes(number, boxes, scores, MAX_OVERLAP)

    def _run(self, padded: np.ndarray) -> np.ndarray:
        """Return the output (N, 5 + classes) for an image (H, W, 3) uint8 BGR of the input's size."""
        values = padded.transpose(2, 0, 1)[None].astype(np.float32)
        output: np.ndarray = self._session.run(None, {self._name: values})[0]
        return output[0]


def _grids(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells (N, 2) x, y of the three grids, row by row, and their strides (N,)."""
    cells = [
        np.stack(np.meshgrid(range(width // stride), range(height // stride)), axis=-1).reshape(-1, 2)
        for stride in STRIDES
    ]
    strides = [np.full(len(own), stride) for own, stride in zip(cells, STRIDES, strict=True)]
    return np.concatenate(cells), np.concatenate(strides)
