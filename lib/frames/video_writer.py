"""Writing of frames to a video file."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import cv2
import numpy as np

from lib.utils.files import atomic_path

# The first available one is used. With slower presets, B-frames, or threads, the output of x264 is not reproducible.
ENCODERS: dict[Literal["libx264", "mpeg4"], dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "superfast", "bf": "0"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},
}


class VideoWriter:
    """Writes an .mp4 file frame by frame in a `with` statement; the file appears when the block completes successfully.

    The codec is H.264 for browsers, or MPEG-4 if PyAV's FFmpeg was built without x264. Browsers' H.264 requires an even
    width and height, so the last row or column is repeated if necessary.

    Args:
        path: Path of the file. Its folder is created if necessary.
        size: Width and height of the frames in pixels.
        fps: Frames per second.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self._path = path
        self._size = size
        self._rate = Fraction(fps).limit_denominator(1001)

    def __enter__(self) -> "VideoWriter":
        width, height = self._size
        self._border = 0, height % 2, 0, width % 2  # top, bottom, left, right
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self._path))
            options = {"movflags": "faststart"}
            self._container = stack.enter_context(av.open(str(temporary), "w", format="mp4", options=options))
            codec = next(name for name in ENCODERS if name in av.codecs_available)
            self._stream = self._container.add_stream(codec, self._rate, options=ENCODERS[codec])
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.thread_count = 1
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
            stack.push(self._flush)
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)

    def _flush(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Write the frames that are still in the encoder."""
        if kind is None:
            self._container.mux(self._stream.encode())

    def write(self, frame: np.ndarray) -> None:
        """Add a frame.

        Args:
            frame: (H, W, 3) uint8 BGR array.
        """
        whole: np.ndarray = cv2.copyMakeBorder(frame, *self._border, cv2.BORDER_REPLICATE)
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(whole, format="bgr24")))
