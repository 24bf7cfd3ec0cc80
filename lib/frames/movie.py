"""Frames to a video file."""

from pathlib import Path

import cv2
import numpy as np

from lib.utils.errors import InputError


class MovieWriter:
    """Writes an .mp4 file frame by frame, in a `with` statement; the file is there once that ends well.

    Args:
        path: of the file; its folder is made.
        size: width, height of the frames.
        fps: frames per second.

    Raises:
        InputError: this OpenCV cannot write such a file.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.stem}.part{path.suffix}")  # OpenCV goes by the ending
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
        if not self._writer.isOpened():
            raise InputError(f"{path}: cannot be written, or this OpenCV cannot write .mp4 files")

    def __enter__(self) -> "MovieWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._writer.release()
        if kind is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    def write(self, frame: np.ndarray) -> None:
        """Add a frame (H, W, 3), uint8, BGR."""
        self._writer.write(frame)
