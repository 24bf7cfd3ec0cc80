import cv2
import numpy as np
import pytest

from lib.frames.movie import MovieWriter
from lib.utils.errors import InputError


def test_frames_come_back(tmp_path):
    path = tmp_path / "new" / "movie.mp4"
    levels = (20, 120, 220)
    with MovieWriter(path, (64, 48), 10) as movie:
        for level in levels:
            movie.write(np.full((48, 64, 3), level, np.uint8))
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == 10
    frames = []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert np.abs(np.array([frame.mean() for frame in frames]) - levels).max() < 4


def test_a_movie_that_is_broken_off_leaves_nothing(tmp_path):
    def break_off():
        with MovieWriter(tmp_path / "movie.mp4", (64, 48), 10) as movie:
            movie.write(np.zeros((48, 64, 3), np.uint8))
            assert not (tmp_path / "movie.mp4").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"movie\.avi_of_no_kind"):
        MovieWriter(tmp_path / "movie.avi_of_no_kind", (0, 0), 10)
