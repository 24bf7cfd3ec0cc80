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


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "movie.mp4").mkdir()
    with pytest.raises(InputError, match=r"movie\.mp4"):
        MovieWriter(tmp_path / "movie.mp4", (64, 48), 10)
