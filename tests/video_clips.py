"""Small video files whose frames tell their numbers: in black and white blocks, which lossy coding leaves readable."""

import struct
from fractions import Fraction

import av
import numpy as np

BITS = 10
BLOCK = 16  # pixels
SIZE = (160, 112)  # width, height


def draw(number, size=SIZE):
    """A frame (H, W, 3) with its number in its first rows."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    frame = np.full((height, width, 3), 60, np.uint8)
    frame[..., 0] = (2 * columns + 5 * number) % 256 // 2 + 40
    frame[..., 1] = (2 * rows + 3 * number) % 256 // 2 + 40
    bits = [255 * (number >> bit & 1) for bit in range(BITS)]
    frame[: 2 * BLOCK, : BITS * BLOCK] = np.repeat(bits, BLOCK)[:, None]
    return frame


def read_number(frame):
    """The number that is drawn in a frame; None for no frame, −1 for one that is not clear."""
    if frame is None:
        return None
    blocks = frame[BLOCK // 2 : -BLOCK // 2][:BLOCK, : BITS * BLOCK].reshape(BLOCK, BITS, BLOCK, 3)
    levels = blocks[:, :, 4:-4].mean(axis=(0, 2, 3))
    if np.minimum(levels, 255 - levels).max() > 60:
        return -1
    return sum(int(level > 127) << bit for bit, level in enumerate(levels))


def numbers(video):
    """The numbers that are drawn in the frames of a VideoFile, which it has to give the numbers 0, 1, …"""
    found = list(video.frames())
    assert [number for number, _ in found] == list(range(len(found)))
    return [read_number(frame) for _, frame in found]


def write_clip(
    path,
    frames=60,
    codec="libx264",
    size=SIZE,
    pix_fmt="yuv420p",
    gop=12,
    times=None,
    b_frames=2,
    sound=False,
    aspect=1,
    **muxing,
):
    """Write a clip at 25 frames per second, or with frames at `times` in milliseconds."""
    with av.open(str(path), "w", options=muxing) as container:
        audio = container.add_stream("aac", rate=44100) if sound else None  # the first stream
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt, stream.gop_size = pix_fmt, gop
        stream.codec_context.thread_count = 2  # the same packets on any machine
        stream.codec_context.max_b_frames = 0 if codec in ("gif", "mjpeg", "libvpx-vp9") else b_frames
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, size), format="bgr24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio:
            sample = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            sample.sample_rate = 44100
            container.mux([*audio.encode(sample), *audio.encode()])
    return path


def packets(path):
    """Place, size, and whether it is a keyframe's, of each packet in the order of the file."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size, packet.is_keyframe) for packet in container.demux(video=0) if packet.size]


def patch(path, place, content):
    """Overwrite bytes of a file, after the first place where the four letters of a box are, or at an offset."""
    data = bytearray(path.read_bytes())
    place = place if isinstance(place, int) else data.index(place)
    data[place : place + len(content)] = content
    path.write_bytes(data)


def blank(path, first, last, share=1):
    """Zeros in place of packets, `last` included, or of their rear share."""
    for place, size, _ in packets(path)[first : last + 1]:
        kept = round((1 - share) * size)
        patch(path, place + kept, bytes(size - kept))


def turn(path, degrees):
    """Write into an .mp4 file that a player has to turn it by so much, clockwise."""
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    patch(path, path.read_bytes().index(b"tkhd") + 44, matrix)


def cut(path, first, frames):
    """Write into the edit list of an .mp4 file of 25 frames per second that it shows only some of its frames."""
    place = path.read_bytes().index(b"elst") + 12
    begin = struct.unpack(">i", path.read_bytes()[place + 4 : place + 8])[0]  # what the reordering of frames takes
    patch(path, place, struct.pack(">Ii", 40 * frames, begin + 512 * first))
