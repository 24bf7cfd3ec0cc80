import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from file_server import serve
from video_clips import SIZE, blank, cut, draw, numbers, packets, patch, read_number, turn, write_clip

import lib.frames.video_file as subject
from lib.frames.video_file import VideoFile
from lib.utils.errors import InputError


@pytest.fixture(autouse=True)
def decodings(monkeypatch):
    """The numbers of threads that files are decoded with; a machine has four."""
    decode, noted = subject._decoded, []

    def decoded(path, threads):
        noted.append(threads)
        return decode(path, threads)

    monkeypatch.setattr(subject, "_decoded", decoded)
    monkeypatch.setattr(subject, "num_cores", lambda: 4)
    return noted


KINDS = {
    "h264.mp4": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "motion_jpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "fragments.mp4": {"movflags": "frag_keyframe+empty_moov"},
    "live.mkv": {"live": "1"},
    "broadcast.ts": {},
    "animation.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "one.mp4": {"frames": 1},
    "sound_first.mp4": {"sound": True},
    "varying.mp4": {"times": [40 * i + 15 * (i % 3) + 500 * (i > 30) for i in range(60)]},
    "varying.mkv": {"times": [40 * i + 15 * (i % 3) + 500 * (i > 30) for i in range(60)]},
}


@pytest.mark.parametrize("name", KINDS)
def test_frames_have_the_numbers_in_which_they_are_shown(tmp_path, name, decodings):
    video = VideoFile(write_clip(tmp_path / name, **KINDS[name]))
    count = KINDS[name].get("frames", 60)
    assert numbers(video) == list(range(count))
    assert decodings == [1, 4]  # the first frame; then once, fast
    assert video.size == SIZE
    assert video.first == 0
    assert video.fps == pytest.approx(25) or name.startswith("varying")
    assert [number for number, _ in video.frames(start=count - 1)] == [count - 1]


def test_colors_and_layout_of_an_image(tmp_path):
    [(_, image)] = VideoFile(write_clip(tmp_path / "one.mp4", frames=1)).frames()
    assert (image.dtype, image.shape, image.flags["C_CONTIGUOUS"]) == (np.uint8, (112, 160, 3), True)
    assert np.abs(image.astype(int) - draw(0)).mean() < 6


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (270, 3)])
def test_a_turned_video_is_read_as_it_is_shown(tmp_path, degrees, quarters):
    path = write_clip(tmp_path / "turned.mp4", frames=6)
    turn(path, degrees)
    video = VideoFile(path)
    assert video.size == (SIZE if quarters == 2 else SIZE[::-1])
    frames = [frame for _, frame in video.frames()]
    assert frames[0].shape == (video.size[1], video.size[0], 3)
    assert [read_number(np.rot90(frame, quarters)) for frame in frames] == list(range(6))  # back, counterclockwise


@pytest.mark.parametrize(("aspect", "size"), [("4/3", (213, 112)), ("3/4", (160, 149)), ("1", (160, 112))])
def test_pixels_become_square(tmp_path, aspect, size):
    video = VideoFile(write_clip(tmp_path / "wide.mp4", frames=3, aspect=Fraction(aspect)))
    assert video.size == size
    assert [frame.shape for _, frame in video.frames()] == [(size[1], size[0], 3)] * 3


@pytest.mark.parametrize("size", [(161, 113), (160, 240)])
def test_odd_and_upright_sizes(tmp_path, size):
    video = VideoFile(write_clip(tmp_path / "odd.mp4", size=size, pix_fmt="yuv444p", frames=20))
    assert video.size == size
    assert numbers(video) == list(range(20))


@pytest.mark.parametrize(("first", "count"), [(7, 53), (12, 10), (5, 20)])
def test_only_what_an_edit_list_shows_counts(tmp_path, first, count, decodings):
    path = write_clip(tmp_path / "cut.mp4")
    cut(path, first, count)
    assert numbers(VideoFile(path)) == list(range(first, first + count))
    assert decodings == [1, 4]


def test_frames_per_second_are_the_mean(tmp_path):
    video = VideoFile(write_clip(tmp_path / "clip.mp4", frames=20, times=[40 * i + 40 * (i > 9) for i in range(20)]))
    assert video.fps == pytest.approx(20 / (20 * 40 + 40) * 1000, rel=0.01)


def test_a_wrong_count_in_the_header(tmp_path):
    path = write_clip(tmp_path / "clip.avi", codec="mpeg4")
    for box, offset in ((b"avih", 24), (b"strh", 40)):
        patch(path, path.read_bytes().index(box) + offset, struct.pack("<I", 37))
    video = VideoFile(path)
    assert video.num_frames == 37
    assert numbers(video) == list(range(60))


def test_two_frames_in_one_packet(tmp_path):
    """As DivX packed them: a frame and the one shown before it, and then a packet that only takes its time."""
    source = write_clip(tmp_path / "plain.avi", codec="mpeg4", frames=41, gop=300, b_frames=1)
    path = tmp_path / "packed.avi"
    with av.open(str(source)) as plain, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(plain.streams.video[0])
        for number, content in enumerate(pack([bytes(packet) for packet in plain.demux(video=0) if packet.size])):
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), number == 0
            packet.pts = packet.dts = number
            container.mux(packet)
    assert len(packets(path)) == 41
    assert numbers(VideoFile(path)) == list(range(41))


def pack(contents):
    """Each B frame into the packet before it, and in its place one that says that nothing is coded."""
    vop, packed = b"\0\0\1\xb6", []
    header, _, picture = contents[0].partition(vop)
    packed.append(header.partition(b"\0\0\1\xb2")[0] + b"\0\0\1\xb2DivX503b1393p" + vop + picture)
    for before, between in zip(contents[1::2], contents[2::2], strict=True):
        assert between[4] >> 6 == 2  # a B frame
        bits = f"{int.from_bytes(before[4:8], 'big'):032b}"
        seconds = bits.index("0", 2) + 1
        placeholder = (
            bits[:seconds] + "1" + bits[seconds + 1 : seconds + 6] + "1" + "0" + "0"
        )  # its time, nothing coded
        placeholder += "1" * (-len(placeholder) % 8)
        packed += [before + between, vop + int(placeholder, 2).to_bytes(len(placeholder) // 8, "big")]
    return packed


def test_files_that_were_joined(tmp_path):
    parts = [write_clip(tmp_path / f"{name}.ts", frames=20, gop=10) for name in "ab"]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = numbers(VideoFile(path))
    assert len(found) == 40
    assert set(found[:16]) == set(range(16))
    assert found[20:] == list(range(20))


def test_damage_reaches_up_to_the_next_keyframe(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    whole = [frame for _, frame in VideoFile(path).frames()]
    blank(path, 17, 17)
    found = numbers(VideoFile(path))
    assert len(found) == 60
    assert found[:14] == list(range(14))
    assert found[24:] == list(range(24, 60))
    lost = [number for number, drawn in enumerate(found) if drawn is None]
    assert 1 <= len(lost) <= 8
    for (number, frame), before in zip(VideoFile(path).frames(), whole, strict=True):
        assert frame is None or np.array_equal(frame, before), number


@pytest.mark.parametrize(
    ("codec", "name", "keyframe", "share"),
    [
        ("libx264", "clip.mp4", False, 1),
        ("libx264", "clip.mp4", True, 1),
        ("libx264", "clip.mp4", True, 0.5),
        ("libx265", "clip.mp4", False, 1),
        ("libx265", "clip.mp4", True, 1),
        ("mpeg4", "clip.avi", False, 1),
        ("mpeg4", "clip.avi", False, 0.5),
        ("mpeg4", "clip.mp4", True, 1),
        ("mjpeg", "clip.avi", True, 1),
        ("mjpeg", "clip.avi", True, 0.5),
    ],
)
def test_intact_frames_of_damaged_files_are_complete(tmp_path, codec, name, keyframe, share):
    """Of each coding: a packet in the middle is zeros, or half of it; a frame that is given is what it was."""
    if codec not in av.codecs_available:
        pytest.skip(f"no {codec}")
    path = write_clip(tmp_path / name, codec=codec, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p")
    whole = [frame for _, frame in VideoFile(path).frames()]
    place = next(index for index, packet in enumerate(packets(path)) if index > 20 and packet[2] == keyframe)
    blank(path, place, place, share)
    found = list(VideoFile(path).frames())
    assert [number for number, _ in found] == list(range(60))
    assert 1 <= sum(frame is None for _, frame in found) <= 40
    assert all(frame is None or np.array_equal(frame, before) for (_, frame), before in zip(found, whole, strict=True))


def test_damage_at_the_beginning(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    blank(path, 0, 0)
    video = VideoFile(path)
    assert numbers(video) == [None] * 12 + list(range(12, 60))
    assert (video.first, video.size) == (12, SIZE)


def test_many_packets_in_a_row_are_damaged(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    blank(path, 21, 41)  # the keyframes 24 and 36 among them
    found = numbers(VideoFile(path))
    assert found[:19] == list(range(19))
    assert found[24:48] == [None] * 24
    assert found[48:] == list(range(48, 60))


def test_nothing_but_damage_up_to_the_end(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    blank(path, 48, 59)
    read = numbers(VideoFile(path))  # the decoder drops a frame that is whole, too
    assert len(read) == 60
    assert all(drawn in (None, number) for number, drawn in enumerate(read))
    assert read[:45] == list(range(45))


def test_damage_where_times_between_frames_vary(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", **KINDS["varying.mp4"])
    blank(path, 29, 31)
    read = numbers(VideoFile(path))
    assert len(read) == 60
    assert read[36:] == list(range(36, 60))


@pytest.mark.parametrize(("first", "last"), [(25, 32), (25, 33), (26, 32), (18, 20), (30, 40)])
def test_numbers_go_on_behind_lost_bytes(tmp_path, first, last):
    """The rate is constant, so that times tell how many frames are lost."""
    path = write_clip(tmp_path / "clip.ts")
    found, content = packets(path), path.read_bytes()
    path.write_bytes(content[: found[first][0]] + content[found[last + 1][0] :])
    read = numbers(VideoFile(path))
    assert len(read) == 60
    assert all(drawn in (None, number) for number, drawn in enumerate(read))
    assert read[: first - 5] == list(range(first - 5))
    assert read[-12:] == list(range(48, 60))


@pytest.mark.parametrize(
    ("name", "muxing"), [("clip.mp4", {"movflags": "faststart"}), ("clip.mkv", {}), ("clip.avi", {})]
)
def test_a_file_that_breaks_off(tmp_path, name, muxing):
    path = write_clip(tmp_path / name, **muxing)
    whole = path.read_bytes()
    path.write_bytes(whole[: packets(path)[40][0] + 5])
    read = numbers(VideoFile(path))
    assert read[:36] == list(range(36))
    assert 38 <= len([number for number in read if number is not None]) <= 40
    assert all(drawn in (None, number) for number, drawn in enumerate(read))


def test_the_frames_do_not_depend_on_threads(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "clip.mp4", gop=60)
    blank(path, 30, 30)
    with_threads = list(VideoFile(path).frames())
    monkeypatch.setattr(subject, "num_cores", lambda: 1)
    without = list(VideoFile(path).frames())
    for (number, frame), (other_number, other) in zip(with_threads, without, strict=True):
        assert number == other_number
        assert (frame is None) == (other is None)
        assert frame is None or np.array_equal(frame, other)


def test_non_videos_are_rejected_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.mp4: no such video file"):
        VideoFile(tmp_path / "nothing.mp4")
    with pytest.raises(InputError, match="no such video file"):
        VideoFile(tmp_path)
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    with pytest.raises(InputError, match=r"text\.mp4: cannot be read as a video: [^\n]+$"):
        VideoFile(tmp_path / "text.mp4")

    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    content = clip.read_bytes()
    clip.write_bytes(content.replace(b"avc1", b"zzz1"))
    with pytest.raises(InputError, match=r"clip\.mp4: unknown video codec"):
        VideoFile(clip)
    clip.write_bytes(content)
    blank(clip, 0, 4)
    with pytest.raises(InputError, match=r"clip\.mp4: none of its frames can be decoded"):
        VideoFile(clip)

    with av.open(str(tmp_path / "sound.m4a"), "w") as container:
        audio = container.add_stream("aac", rate=44100)
        sample = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        sample.sample_rate = 44100
        container.mux([*audio.encode(sample), *audio.encode()])
    with pytest.raises(InputError, match=r"sound\.m4a: it contains no video"):
        VideoFile(tmp_path / "sound.m4a")


def test_a_playlist_leads_to_no_other_host(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", frames=5)
    with serve({"/clip.ts": clip.read_bytes()}) as server:
        (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\n{server.address}/clip.ts\n#EXT-X-ENDLIST\n")
        with pytest.raises(InputError, match=r"list\.m3u8"):
            VideoFile(tmp_path / "list.m3u8")
        assert not server.ranges
