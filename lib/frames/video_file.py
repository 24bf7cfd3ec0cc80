"""Frames of a video file, numbered as when stepping through it in a player."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from lib.utils.cores import num_cores
from lib.utils.errors import InputError

VIDEO_SUFFIXES = (
    ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv"
)  # fmt: skip
MAX_THREADS = 8  # each holds a few frames
MAX_FAILURES = 100  # consecutive read errors after which a file is considered finished


def videos_in(folder: Path) -> list[Path]:
    """Return the video files in a folder, by their suffixes, sorted.

    Args:
        folder: Path to the folder.
    """
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())


class VideoFile:
    """A video file in any format that FFmpeg can read.

    Args:
        path: Path to the file.

    Attributes:
        size: Width and height in pixels as displayed: rotated as the file requests, with pixels enlarged to be square.
        fps: Frames per second according to the file, the mean if they vary; 25 if unknown.
        num_frames: Number of frames according to the file, which may be wrong; 0 if unknown.
        begin: Number of the first frame, which is 0.
        first: Number of the first frame that can be decoded.

    Raises:
        InputError: The file does not exist, has no video or an unknown codec, or no frame of it can be decoded.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{path}: no such video file")
        with _opened(self.path) as (container, stream):
            self.fps = float(stream.average_rate or stream.guessed_rate or 25)
            self.num_frames = stream.frames or round((container.duration or 0) / av.time_base * self.fps)
            aspect = stream.sample_aspect_ratio or 1
        self.begin = 0
        self.first, first = next((found for found in _decoded(self.path, threads=1) if found[1]), (-1, None))
        if first is None:
            raise InputError(f"{path}: none of its frames can be decoded")
        wide, high = round(first.width * max(aspect, 1)), round(first.height / min(aspect, 1))
        self._coded_size = wide, high
        self._quarter_turns = round(first.rotation / 90) % 4  # counterclockwise
        self.size = (high, wide) if self._quarter_turns % 2 else (wide, high)

    def file_name(self, number: int) -> str:
        """Return a name for a frame, such as clip.mp4#12.

        Args:
            number: Number of the frame.
        """
        return f"{self.path.name}#{number}"

    def frames(self, start: int = 0) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield all frames from number `start` on, in the order in which a player shows them.

        The first frame of the file is number 0. A damaged frame is None, and so are frames coded as differences from
        it, up to the next one that is coded independently. The frames before `start` are decoded too.

        Args:
            start: Number of the first frame.

        Yields:
            Number of the frame, and the frame as a (H, W, 3) uint8 BGR array or None.
        """
        for number, frame in self._decoded():
            if number >= start:
                yield number, None if frame is None else self._shown(frame)

    def _decoded(self) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """Decode with threads; if there is damage, decode again without threads and continue from the same frame."""
        done = 0
        try:
            for number, frame in _decoded(self.path, min(num_cores(), MAX_THREADS)):
                yield number, frame
                done = number + 1
        except _SomewhereDamagedError:
            yield from (found for found in _decoded(self.path, threads=1) if found[0] >= done)

    def _shown(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = self._coded_size
        image = frame.reformat(width, height, format="bgr24").to_ndarray()
        return np.ascontiguousarray(np.rot90(image, self._quarter_turns))


class _SomewhereDamagedError(Exception):
    """A decoder with threads found damage. Only a decoder without threads can locate the damaged packet."""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """Open a file and its video stream.

    Raises:
        InputError: The file has no video, or none that can be decoded.
    """
    try:
        container = av.open(str(path.absolute()))
    except av.FFmpegError as error:
        raise InputError(f"{path}: cannot be read as a video: {error.strerror}") from None
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream) or stream.disposition & av.stream.Disposition.attached_pic:
            raise InputError(f"{path}: it contains no video")
        if stream.codec_context is None:
            raise InputError(f"{path}: unknown video codec; convert the file, for example to H.264")
        yield container, stream


def _packets(container: InputContainer, stream: av.VideoStream) -> Iterator[av.Packet | None]:
    """Yield the packets of a stream in the order of the file, and None if data between them cannot be read."""
    failures = 0
    while failures < MAX_FAILURES:
        try:
            for packet in container.demux(stream):
                if packet.size:  # an empty packet would stop the decoder
                    failures = 0
                    yield packet
            return
        except av.FFmpegError:
            failures += 1
            yield None


def _decoded(path: Path, threads: int) -> Iterator[tuple[int, av.VideoFrame | None]]:
    """Yield the frames with their numbers, with None for damaged ones.

    Raises:
        _SomewhereDamagedError: Threads are used, and it is not known which frames are damaged.
    """
    with _opened(path) as (container, stream):
        decoder = stream.codec_context
        decoder.thread_type = "AUTO" if threads > 1 else "NONE"
        decoder.thread_count = threads
        decoder.copy_opaque = True  # so that a frame identifies its packet
        decoder.options = {"err_detect": "explode"}  # otherwise, damage is concealed
        pictures = _Pictures(exact=threads == 1)
        for index, packet in enumerate(_packets(container, stream)):
            if packet is None:
                pictures.damage()
                continue
            packet.opaque = index
            frames, whole = [], not packet.is_corrupt
            try:
                frames = decoder.decode(packet) if whole else []
            except av.FFmpegError:
                if threads > 1:
                    raise _SomewhereDamagedError from None
                whole = False
            if not packet.is_discard:  # discarded packets are cut off by an edit list
                pictures.send(index, packet, whole)
            for frame in frames:
                yield from pictures.receive(frame)
        try:
            for frame in decoder.decode(None):
                yield from pictures.receive(frame)
        except av.FFmpegError:
            if threads > 1:
                raise _SomewhereDamagedError from None
        yield from pictures.passed()


class _Pictures:
    """Numbers for the frames that a decoder gives, in the order of their times, and for those that it cannot decode.

    Args:
        exact: True if the decoder has no threads. In this case, an undamaged packet without a frame has none to show,
            unless there is damage nearby.
    """

    def __init__(self, exact: bool) -> None:
        self._exact = exact
        self._sent: dict[object, tuple[float, bool]] = {}  # packet index: (time, True if intact)
        self._last_time, self._last_dts = 0.0, -math.inf  # of the last packet
        self._shift = 0.0  # offset of times, which restart where files were joined
        self._is_clean = True  # True if the data that later packets refer to is intact
        self._in_doubt = False  # a container may flag damage one packet too early
        self._clean_from = -math.inf  # frames shown earlier refer to frames before the last keyframe
        self._number = -1
        self._before: tuple[float, bool] = (0.0, False)  # (time, True if intact) of the last numbered frame
        self._steps: list[float] = []  # minimum, maximum, sum, and number of the gaps between intact frames

    def damage(self) -> None:
        """Record that later packets may refer to lost data."""
        self._is_clean = False

    def send(self, index: int, packet: av.Packet, whole: bool) -> None:
        """Record that a packet was sent to the decoder, which reported it as intact or damaged."""
        if packet.dts is not None:
            if packet.dts + self._shift < self._last_dts:
                self._shift = self._last_dts + (packet.duration or 1) - packet.dts
            self._last_dts = packet.dts + self._shift
        stamp = packet.dts if packet.pts is None else packet.pts
        time = self._last_time = self._last_time if stamp is None else stamp + self._shift
        if not whole:
            self._is_clean = False
        elif packet.is_keyframe and not self._is_clean and not self._in_doubt:
            self._is_clean, self._clean_from = True, time
        self._in_doubt = packet.is_corrupt
        self._sent[index] = time, self._is_clean and time >= self._clean_from

    def receive(self, frame: av.VideoFrame) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """Yield a frame with its number, after those that were skipped. A damaged frame waits until it is skipped."""
        time, whole = self._sent.get(frame.opaque, (self._before[0], True))
        if frame.is_corrupt and whole:
            if not self._exact:
                raise _SomewhereDamagedError
            self._sent[frame.opaque] = time, False
            self.damage()
        elif whole:
            self._sent.pop(frame.opaque, None)
            yield from self.passed(time)
            yield from self._next(time, frame)

    def passed(self, until: float = math.inf) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """Yield the frames that were not received up to a time."""
        damaged = not all(whole for _, whole in self._sent.values())
        for time, index in sorted((time, index) for index, (time, _) in self._sent.items() if time < until):
            whole = self._sent.pop(index)[1]
            if whole and not self._exact:
                raise _SomewhereDamagedError
            if damaged:
                yield from self._next(time, None)

    def _next(self, time: float, frame: av.VideoFrame | None) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """Yield a frame with the next number, after None for lost frames that left only a gap in time."""
        whole, gap = frame is not None, time - self._before[0]
        if whole and self._before[1]:
            shortest, longest, total, count = self._steps or (gap, gap, 0, 0)
            self._steps = [min(shortest, gap), max(longest, gap), total + gap, count + 1]
        elif self._steps and self._steps[1] < 1.1 * self._steps[0]:  # a constant frame rate, except for rounding
            step = self._steps[2] / self._steps[3]
            for _ in range(round(gap / step) - 1):
                self._number += 1
                yield self._number, None
        self._before = time, whole
        self._number += 1
        yield self._number, frame
