"""Folders of images as videos."""

import cv2
import numpy as np
import pytest

from lib.frames.image_sequence import ImageSequence
from lib.utils.errors import InputError


def write(folder, names, size=(40, 30)):
    """Images of one gray value each, in the order of `names`."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((size[1], size[0], 3), 50 + 10 * index, np.uint8))
    return folder


def levels(video, start=0):
    return [(number, None if image is None else round(image.mean() / 10) * 10) for number, image in video.frames(start)]


def test_numbers_in_names_are_those_of_frames(tmp_path):
    video = ImageSequence(write(tmp_path / "a", ["f_9.png", "f_10.png", "f_12.png"]))
    assert levels(video) == [(9, 50), (10, 60), (11, None), (12, 70)]
    assert levels(video, 11) == [(11, None), (12, 70)]
    assert (video.begin, video.first, video.num_frames, video.size, video.fps) == (9, 9, 13, (40, 30), 25)
    assert video.is_numbered
    assert (video.file_name(10), video.file_name(11)) == ("f_10.png", "a#11")


@pytest.mark.parametrize("names", [["a.png", "b.png"], ["a1.png", "b1.png"], ["1.png", "b.png"], ["7.png", "70.png"]])
def test_other_images_are_counted(tmp_path, names):
    video = ImageSequence(write(tmp_path / "a", names))
    assert levels(video) == [(0, 50), (1, 60)]
    assert not video.is_numbered
    assert [video.file_name(number) for number in (0, 1)] == names


def test_images_of_different_sizes_are_padded(tmp_path):
    folder = write(tmp_path / "a", ["0.png"], (40, 30))
    cv2.imwrite(str(folder / "1.png"), np.full((50, 20, 3), 90, np.uint8))
    video = ImageSequence(folder)
    assert video.size == (40, 50)
    first, second = (image for _, image in video.frames())
    assert first.shape == second.shape == (50, 40, 3)
    assert (first[:30] == 50).all()
    assert not first[30:].any()
    assert (second[:, :20] == 90).all()
    assert not second[:, 20:].any()


def test_damaged_images_are_skipped(tmp_path):
    folder = write(tmp_path / "a", ["0.jpg", "1.jpg", "2.jpg"])
    (folder / "0.jpg").write_bytes(b"no image")
    (folder / "2.jpg").write_bytes((folder / "2.jpg").read_bytes()[:-20])  # its header is whole
    video = ImageSequence(folder)
    assert levels(video) == [(0, None), (1, 60), (2, None)]
    assert (video.begin, video.first) == (0, 1)


@pytest.mark.parametrize(("content", "message"), [(None, "no video files and no"), (b"a", "can be decoded")])
def test_folders_without_images(tmp_path, content, message):
    if content:
        (tmp_path / "0.png").write_bytes(content)
    with pytest.raises(InputError, match=message):
        ImageSequence(tmp_path)
