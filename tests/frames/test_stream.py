import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_clips import blank, read_number, write_clip

from lib.dataset.clips import ClipDataset, ClipOptions, FixedFrames
from lib.dataset.people import Person
from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.stream import FrameStream
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile

OFFSETS = [0, -1, -2, 1, 2]


def unpacked(clip, folder):
    """The frames that can be read, as images that keep every pixel, in a folder."""
    folder.mkdir()
    for number, image in VideoFile(clip).frames():
        if image is not None:
            cv2.imwrite(str(folder / f"{number:06}.png"), image)
    return FrameFolder(ImageStore(folder), ".")


@pytest.fixture(params=["whole", "damaged", "damaged from the beginning"])
def clip(request, tmp_path):
    path = write_clip(tmp_path / "clip.mp4", frames=50)
    if request.param != "whole":
        first = 16 if request.param == "damaged" else 0
        blank(path, first, first)
    return path


def test_a_file_and_its_unpacked_frames_are_the_same(clip, tmp_path):
    folder, stream = unpacked(clip, tmp_path / "frames"), FrameStream(VideoFile(clip), window=16)
    for number in folder.numbers:
        assert stream.size(number) == folder.size(number) == (160, 112)
        assert np.array_equal(stream.read(number), folder.read(number))
        clip_numbers = stream.clip(number, OFFSETS)
        assert clip_numbers == folder.clip(number, OFFSETS)
        for neighbor in clip_numbers:
            image, found = stream.read_nearest(neighbor)
            expected, expected_found = folder.read_nearest(neighbor)
            assert found == expected_found
            assert read_number(image) == read_number(expected)


def test_clips_of_people_come_from_either(clip, tmp_path):
    folder, stream = unpacked(clip, tmp_path / "frames"), FrameStream(VideoFile(clip), window=16)
    people = [
        Person(
            video=0,
            frame=number,
            number=number,
            center=np.full(2, 56.0),
            scale=np.full(2, 0.5),
            joints=np.zeros((3, 2)),
            labeled=np.zeros(3, bool),
        )
        for number in folder.numbers
    ]
    both = [
        ClipDataset(
            people, {0: frames}, FixedFrames(OFFSETS), options=ClipOptions(image_size=(48, 64), heatmap_size=(12, 16))
        )
        for frames in (folder, stream)
    ]
    for index in range(len(people)):
        first, second = (clips[index] for clips in both)
        assert np.array_equal(first.frames, second.frames)
        assert first.replaced == second.replaced


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc to ask")
def test_memory_does_not_grow_with_the_video(tmp_path):
    video = VideoFile(write_clip(tmp_path / "long.mp4", frames=900, size=(320, 224)))
    stream, used = FrameStream(video, window=16), []
    for number in range(900):
        for neighbor in stream.clip(number, OFFSETS):
            assert read_number(stream.read(neighbor)) == neighbor
        used.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
    assert used[-1] - used[100] < 30 * 320 * 224 * 3  # of 800 frames


def test_reading_behind_the_window_raises_index_error(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", frames=30)
    for read in (FrameStream.read, FrameStream.read_nearest):
        stream = FrameStream(VideoFile(path), window=4)
        read(stream, 9)
        read(stream, 6)
        with pytest.raises(IndexError, match="frame 5 has left the window of 4 frames, which starts at 6"):
            read(stream, 5)
        with pytest.raises(IndexError, match=r"clip\.mp4: no frame 30; the last is 29"):
            read(stream, 30)


def test_a_damaged_frame(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", frames=60)
    blank(path, 12, 12)
    stream = FrameStream(VideoFile(path), window=4)
    with pytest.raises(DamagedImageError, match=r"clip\.mp4: frame 14 is damaged"):
        stream.read(14)
    assert [read_number(stream.read_nearest(number)[0]) for number in (14, 17, 18, 20, 23)] == [11, 11, 24, 24, 24]
    assert read_number(stream.read(11)) == 11
    assert stream.clip(11, OFFSETS) == [11, 10, 9, 12, 13]


def test_stream_starting_in_the_middle(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", frames=30)
    stream = FrameStream(VideoFile(path), window=8, start=12)
    assert stream.has(14)
    assert [read_number(stream.read(number)) for number in (14, 12, 13)] == [14, 12, 13]
    assert stream.clip(14, OFFSETS) == [14, 13, 12, 15, 16]
    assert stream.has(29)
    assert not stream.has(30)
    assert stream.clip(29, OFFSETS) == [29, 28, 27, 29, 29]
