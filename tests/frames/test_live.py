"""Recording of webcams and streams, with a local server and a stand-in for the webcam."""

import platform
import signal
import socket

import av
import pytest
from file_server import serve
from video_clips import numbers, write_clip

from lib.frames import live
from lib.frames.live import is_live, live_name, record
from lib.frames.video_file import VideoFile
from lib.utils.errors import InputError


@pytest.fixture
def webcam(tmp_path, monkeypatch):
    """Makes av.open read a clip in place of a webcam; returns the arguments of these calls."""
    opened, calls = av.open, []

    def plug(clip, at=None):
        """Plug in a clip; Ctrl-C is pressed when packet number `at` is read."""

        def open_webcam(name, *args, **options):
            if "format" not in options or options["format"] == "matroska":
                return opened(name, *args, **options)
            calls.append((name, options["format"]))
            return Interrupted(opened(str(clip)), at)

        monkeypatch.setattr(live.av, "open", open_webcam)
        return calls

    monkeypatch.setattr(platform, "system", lambda: "Linux")
    return plug


class Interrupted:
    """A container that presses Ctrl-C while it is read."""

    def __init__(self, container, at):
        self._container, self._at = container, at
        self.streams = container.streams

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._container.close()

    def demux(self, stream):
        for index, packet in enumerate(self._container.demux(stream)):
            if index == self._at:
                signal.raise_signal(signal.SIGINT)
            yield packet


def test_a_stream_is_copied(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    with serve({"/live/clip.mp4": clip.read_bytes()}) as server:
        record(f"{server.address}/live/clip.mp4", tmp_path / "a.mkv")
    plain, copied = VideoFile(clip), VideoFile(tmp_path / "a.mkv")
    assert numbers(copied) == list(range(30))
    assert copied.fps == plain.fps
    for (_, one), (_, other) in zip(plain.frames(), copied.frames(), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize(("system", "device"), [("Linux", ("/dev/video2", "v4l2")), ("Darwin", ("2", "avfoundation"))])
def test_a_webcam_is_a_device(tmp_path, webcam, monkeypatch, system, device):
    monkeypatch.setattr(platform, "system", lambda: system)
    calls = webcam(write_clip(tmp_path / "clip.mp4", frames=20, b_frames=0))
    record("2", tmp_path / "a.mkv", num_frames=12)
    assert calls == [device]
    assert numbers(VideoFile(tmp_path / "a.mkv")) == list(range(12))


def test_raw_images_are_encoded(tmp_path, webcam):
    webcam(write_clip(tmp_path / "clip.avi", frames=10, codec="rawvideo", pix_fmt="yuyv422"))
    record("0", tmp_path / "a.mkv")
    assert numbers(VideoFile(tmp_path / "a.mkv")) == list(range(10))
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert container.streams.video[0].codec_context.name in ("h264", "mpeg4")


@pytest.mark.parametrize("codec", ["libx264", "rawvideo"])
def test_ctrl_c_ends_the_recording(tmp_path, webcam, ctrl_c, codec):
    webcam(write_clip(tmp_path / "clip.avi", frames=20, codec=codec, b_frames=0), at=7)
    record("0", tmp_path / "a.mkv")
    assert numbers(VideoFile(tmp_path / "a.mkv")) == list(range(8))
    with pytest.raises(KeyboardInterrupt):  # Ctrl-C works as before
        signal.raise_signal(signal.SIGINT)


def test_a_stream_that_begins_between_keyframes(tmp_path, webcam):
    clip = write_clip(tmp_path / "clip.ts", frames=30, gop=12, b_frames=0)
    begin = clip.read_bytes().index(b"\x47", 188 * 20)
    (tmp_path / "late.ts").write_bytes(clip.read_bytes()[begin - begin % 188 :])
    webcam(tmp_path / "late.ts")
    record("0", tmp_path / "a.mkv")
    found = numbers(VideoFile(tmp_path / "a.mkv"))
    assert found[0] in (0, 12, 24)
    assert found == list(range(found[0], 30))


def test_a_broken_connection_ends_the_recording(tmp_path, webcam, monkeypatch, caplog):
    webcam(write_clip(tmp_path / "clip.mp4", frames=20, b_frames=0))
    demux = Interrupted.demux

    def broken(self, stream):
        for index, packet in enumerate(demux(self, stream)):
            if index == 5:
                raise av.error.ConnectionResetError(104, "Connection reset by peer")
            yield packet

    monkeypatch.setattr(Interrupted, "demux", broken)
    record("0", tmp_path / "a.mkv")
    assert "webcam 0: the connection broke: Connection reset by peer" in caplog.text
    assert numbers(VideoFile(tmp_path / "a.mkv")) == list(range(5))


def test_sources_that_cannot_be_recorded(tmp_path, webcam, monkeypatch):
    def refused(source):
        with pytest.raises(InputError) as error:
            record(source, tmp_path / "new/a.mkv")
        assert not list(tmp_path.glob("new/*"))
        assert "\n" not in str(error.value)
        return str(error.value)

    with serve({"/a.mp4": b"not a video"}) as server:
        assert f"{server.address}/none.mp4: cannot be opened" in refused(f"{server.address}/none.mp4")
        assert f"{server.address}/a.mp4: cannot be opened" in refused(f"{server.address}/a.mp4")
        secret = server.address.replace("//", "//me:secret@")
        assert "secret" not in refused(f"{secret}/none.mp4")
    monkeypatch.setattr(live, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "cannot be opened" in refused(f"http://127.0.0.1:{silent.getsockname()[1]}/a.mp4")
    assert "webcam 7: cannot be opened: No such file" in refused("7")
    webcam(write_clip(tmp_path / "clip.mp4"))
    monkeypatch.setattr(Interrupted, "demux", lambda self, stream: iter(()))
    assert "no frame was received" in refused("0")
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    assert "webcams are supported on Linux and macOS" in refused("0")


def test_what_is_live(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(map(is_live, ["0", "12", "http://a.org/b.mp4", "RTSP://a/b", "srt://a:9000"]))
    assert not any(map(is_live, ["clip.mp4", "folder/0", "file:///etc/passwd", "concat:a|b", "-1"]))
    (tmp_path / "0").mkdir()
    assert not is_live("0")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("0", "webcam0"),
        ("http://a.org/live/clip.mp4?x=1", "clip"),
        ("rtsp://me:secret@camera.local:554/", "camera_local"),
        ("http://a.org/%2e%2e", "2e_2e"),
    ],
)
def test_names_of_files(source, name):
    assert live_name(source) == name
