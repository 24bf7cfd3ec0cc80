import logging
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_clips import blank, draw, read_number, write_clip

import lib.frames.unpack as subject
from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.unpack import Unpacked, frame_reader, unpack
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile
from lib.utils.errors import InputError


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", frames=30)


def test_frames_lie_in_the_folder_under_their_numbers(clip, tmp_path):
    folder = tmp_path / "made" / "frames"
    assert unpack(clip, folder) == Unpacked(30, [])
    frames = FrameFolder(ImageStore(folder), ".")
    assert frames.numbers == list(range(30))
    assert [read_number(frames.read(number)) for number in frames.numbers] == list(range(30))
    assert np.abs(frames.read(7).astype(int) - draw(7)).mean() < 6


def test_interrupted_unpacking_resumes(clip, tmp_path, monkeypatch):
    folder = tmp_path / "frames"
    encode, written = cv2.imencode, []

    def interrupted(*args):
        if len(written) == 12:
            raise KeyboardInterrupt
        written.append(args)
        return encode(*args)

    with monkeypatch.context() as patch:
        patch.setattr(cv2, "imencode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            unpack(clip, folder)
    (folder / "000005.jpg").unlink()
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.jpg")}
    assert len(times) == 11
    assert unpack(clip, folder) == Unpacked(30, [])
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert len(list(folder.iterdir())) == 31

    monkeypatch.setattr(VideoFile, "frames", lambda *args: pytest.fail("there is nothing left to do"))
    assert unpack(clip, folder) == Unpacked(30, [])


@pytest.mark.parametrize("name", ["cover.jpg", "000099.jpg"])
def test_another_image_in_the_folder_does_not_count_as_a_frame(clip, tmp_path, monkeypatch, name):
    folder = tmp_path / "frames"
    unpack(clip, folder)
    (folder / name).write_bytes((folder / "000003.jpg").read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(VideoFile, "frames", lambda *args: pytest.fail("there is nothing left to do"))
        assert unpack(clip, folder) == Unpacked(30, [])
    (folder / "000005.jpg").unlink()
    assert unpack(clip, folder) == Unpacked(30, [])
    assert (folder / "000005.jpg").exists()


def test_a_full_disk_leaves_no_half_frame(clip, tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def full(path, content):
        if ".jpg" not in path.name:
            return write_bytes(path, content)
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(subject.Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left") as error:
            unpack(clip, tmp_path / "frames")
    assert error.value.filename == str(tmp_path / "frames/000000.jpg")
    assert [path.name for path in (tmp_path / "frames").iterdir()] == ["unpacked.json"]
    assert unpack(clip, tmp_path / "frames") == Unpacked(30, [])


def test_damaged_frames_are_left_out_and_named(clip, tmp_path, monkeypatch):
    blank(clip, 12, 13)  # a keyframe is the first
    folder = tmp_path / "frames"
    damaged = list(range(12, 24))
    assert unpack(clip, folder) == Unpacked(18, damaged)
    assert FrameFolder(ImageStore(folder), ".").numbers == [*range(12), *range(24, 30)]
    monkeypatch.setattr(VideoFile, "frames", lambda *args: pytest.fail("what is damaged is known"))
    assert unpack(clip, folder) == Unpacked(18, damaged)


def test_frames_are_read_by_the_names_that_labels_have(clip, tmp_path):
    blank(clip, 12, 13)
    read = frame_reader(clip, tmp_path / "frames")
    assert read_number(read("clip.mp4#7")) == read_number(read("000007.jpg")) == 7
    with pytest.raises(DamagedImageError, match=r"clip\.mp4: frame 13 is damaged"):
        read("clip.mp4#13")
    with pytest.raises(InputError, match=r"no frame clip\.mp4#30") as error:
        read("clip.mp4#30")
    assert not isinstance(error.value, DamagedImageError)
    assert read_number(frame_reader(tmp_path / "frames", tmp_path)("7.png")) == 7


def test_frames_of_something_else_are_not_mixed_in(clip, tmp_path):
    folder = tmp_path / "frames"
    unpack(clip, folder)
    os.utime(clip, (1, 1))
    with pytest.raises(InputError, match=r"frames: contains frames of a video other than .*clip\.mp4"):
        unpack(clip, folder)
    (folder / "unpacked.json").write_text("[]")
    with pytest.raises(InputError, match=r"unpacked\.json: not a record of an unpacked video"):
        unpack(clip, folder)
    (folder / "unpacked.json").unlink()
    with pytest.raises(InputError, match=r"frames: contains images that are not from .*clip\.mp4"):
        unpack(clip, folder)


def test_disk_usage_is_reported_once(clip, tmp_path, caplog):
    clip = write_clip(tmp_path / "long.mp4", frames=200)
    with caplog.at_level(logging.INFO):
        unpack(clip, tmp_path / "frames")
    [record] = caplog.records
    size = sum(path.stat().st_size for path in (tmp_path / "frames").glob("*.jpg")) / 1e6
    told = re.fullmatch(r".*/frames: 200 frames need about (.+) MB on disk", record.getMessage())
    assert float(told[1]) == pytest.approx(size, rel=0.2)
