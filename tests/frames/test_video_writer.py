import resource

import av
import cv2
import numpy as np
import pytest

from lib.frames.video_file import VideoFile
from lib.frames.video_writer import VideoWriter

LEVELS = (20, 120, 220)


def write(path, size=(64, 48)):
    with VideoWriter(path, size, 29.97) as video:
        for level in LEVELS:
            video.write(np.full((size[1], size[0], 3), level, np.uint8))


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_frames_come_back(tmp_path, monkeypatch, codec):
    if codec == "mpeg4":  # a build without x264
        monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    path = tmp_path / "new" / "video.mp4"
    write(path)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == codec
        assert container.streams.video[0].pix_fmt == "yuv420p"  # or browsers do not play it
    assert VideoFile(path).fps == pytest.approx(29.97, rel=1e-5)
    frames = [frame for _, frame in VideoFile(path).frames()]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert np.abs(np.array([frame.mean() for frame in frames]) - LEVELS).max() < 4


def test_sides_of_an_odd_length_grow(tmp_path):
    write(tmp_path / "video.mp4", (63, 47))
    assert cv2.VideoCapture(str(tmp_path / "video.mp4")).read()[1].shape == (48, 64, 3)


def test_index_precedes_the_frames_in_the_file(tmp_path):
    write(tmp_path / "video.mp4")
    content = (tmp_path / "video.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_interrupted_writing_leaves_no_file(tmp_path):
    def break_off():
        with VideoWriter(tmp_path / "video.mp4", (64, 48), 10) as video:
            video.write(np.zeros((48, 64, 3), np.uint8))
            assert not (tmp_path / "video.mp4").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_video_that_was_there(tmp_path):
    path = tmp_path / "video.mp4"
    write(path)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OSError, match=r"File too large: .*/video\.mp4'$") as error:
            write(path, (320, 240))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.filename == str(path)
    assert [one.name for one in tmp_path.iterdir()] == ["video.mp4"]
    assert path.read_bytes() == before
