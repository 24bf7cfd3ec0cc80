"""Recording of webcams and of streams on the network, whose frames can be read only once."""

import logging
import platform
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.container import InputContainer, OutputContainer

from lib.frames.video_writer import ENCODERS
from lib.utils.errors import InputError
from lib.utils.files import atomic_path
from lib.utils.interrupts import HeldSignals
from lib.utils.progress import progress_bar

logger = logging.getLogger(__name__)

TIMEOUT = 30.0
"""Seconds without an answer or data."""
PATIENCE = 1.0
"""Seconds after Ctrl-C from which another one ends the program at once."""
STREAM = re.compile(r"(https?|rtsps?|rtmps?|udp|srt)://", re.IGNORECASE)
WEBCAMS: dict[str, tuple[str, str, dict[str, str]]] = {
    "Linux": ("/dev/video{}", "v4l2", {}),
    "Darwin": ("{}", "avfoundation", {"framerate": "30"}),  # its default of 29.97 is refused by most webcams
}
"""Name of a webcam by its number, FFmpeg's format, and its options, by operating system."""


def is_live(source: str) -> bool:
    """Return True for the number of a webcam and the address of a stream.

    Args:
        source: Number, address, or path.
    """
    return bool(STREAM.match(source)) or (source.isdecimal() and not Path(source).exists())


def live_name(source: str) -> str:
    """Return a name for the files of a webcam or a stream, such as "webcam0" or the file name in the address.

    Args:
        source: Number of a webcam, or address of a stream.
    """
    if source.isdecimal():
        return f"webcam{source}"
    parts = urlsplit(source)
    name = Path(parts.path).stem or parts.hostname or "stream"
    return re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_") or "stream"


def record(source: str, path: Path, num_frames: int | None = None) -> None:
    """Record a webcam or a stream to a Matroska file until it ends, the connection breaks, or Ctrl-C is pressed.

    Compressed video is copied without loss; only the raw images of a webcam are encoded. Ctrl-C ends the recording, not
    the program.

    Args:
        source: Number of a webcam, or address of a stream.
        path: File to write. It appears when the recording is complete.
        num_frames: Number of frames after which the recording ends.

    Raises:
        InputError: The webcam or stream cannot be opened, has no video, or sends no frame.
    """
    shown = f"webcam {source}" if source.isdecimal() else re.sub(r"//[^/@]*@", "//", source)  # without a password
    signals = HeldSignals(PATIENCE)
    with _opened(source, shown) as container, atomic_path(path) as temporary:
        with av.open(str(temporary), "w", format="matroska") as target:
            logger.info("recording %s to %s; Ctrl-C ends the recording", shown, path)
            signals.hold()
            try:
                count = _copy(container, target, num_frames, signals, shown)
            finally:
                signals.let_go()
        if signals.number not in (0, signal.SIGINT):
            signal.raise_signal(signals.number)
        if not count:
            raise InputError(f"{shown}: no frame was received")
    logger.info("%s: %d frames; to use them again: --video %s", path, count, path)


def _copy(
    container: InputContainer, target: OutputContainer, num_frames: int | None, signals: HeldSignals, shown: str
) -> int:
    """Copy the video to another file, and return the number of frames."""
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.codec_context is None:
        raise InputError(f"{shown}: it contains no video")
    is_raw = stream.codec_context.name == "rawvideo"
    if is_raw:
        codec = next(name for name in ENCODERS if name in av.codecs_available)
        copy = target.add_stream(codec, stream.average_rate or 25, options=ENCODERS[codec])
        copy.width, copy.height, copy.pix_fmt = stream.width, stream.height, "yuv420p"
    else:
        copy = target.add_stream_from_template(stream)
    count = 0
    with progress_bar(num_frames, "frame", desc="recorded") as bar:
        for packet in _packets(container, stream, shown):
            if is_raw:
                for frame in packet.decode():
                    frame.pts = None  # a constant frame rate
                    target.mux(copy.encode(frame))
            else:
                packet.stream = copy
                target.mux(packet)
            bar.update()
            count += 1
            if signals.number or count == num_frames:
                break
    if is_raw:
        target.mux(copy.encode())
    return count


def _packets(container: InputContainer, stream: av.VideoStream, shown: str) -> Iterator[av.Packet]:
    """Yield the packets from the first independent frame on, until the stream ends or breaks."""
    began = False
    try:
        for packet in container.demux(stream):
            began = began or packet.is_keyframe
            if began and packet.size:
                packet.dts = packet.pts if packet.dts is None else packet.dts
                if packet.dts is not None:
                    yield packet
    except av.FFmpegError as error:
        logger.warning("%s: the connection broke: %s", shown, error.strerror)


@contextmanager
def _opened(source: str, shown: str) -> Iterator[InputContainer]:
    name, kind = source, None
    options: dict[str, str] = {}
    if source.isdecimal():
        if platform.system() not in WEBCAMS:
            raise InputError(f"{shown}: webcams are supported on Linux and macOS; use the address of a stream")
        pattern, kind, options = WEBCAMS[platform.system()]
        name = pattern.format(source)
    try:
        container = av.open(name, format=kind, options=options, timeout=TIMEOUT)
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or error
        raise InputError(f"{shown}: cannot be opened: {reason}; check the address or the webcam") from None
    with container:
        yield container
