import weakref

import numpy as np
import pytest

from lib.video.windows import windows


def stream(numbers, damaged=()):
    for number in numbers:
        yield number, None if number in damaged else np.full((2, 3, 3), number, np.uint8)


def test_all_frames_come_once_with_those_around_them():
    found = [(window.keys, sorted(window.images)) for window in windows(stream(range(7)), 0, 7, count=3, reach=2)]
    assert found == [([0, 1, 2], [0, 1, 2, 3, 4]), ([3, 4, 5], [1, 2, 3, 4, 5, 6]), ([6], [1, 2, 3, 4, 5, 6])]


def test_a_part_of_a_video_sees_what_is_around_it():
    found = [(window.keys, sorted(window.images)) for window in windows(stream(range(3, 30)), 5, 9, count=2, reach=2)]
    assert [keys for keys, _ in found] == [[5, 6], [7, 8]]
    assert found[0][1] == [3, 4, 5, 6, 7, 8]
    assert found[1][1][-1] == 10  # of the frames behind the part, no more are read than are needed


def test_frames_alone():
    assert [window.keys for window in windows(stream(range(3)), 0, float("inf"), count=1, reach=0)] == [[0], [1], [2]]
    assert not list(windows(stream(range(3)), 5, 9, count=1, reach=0))


def test_offsets_end_where_the_video_does():
    first, *_, last = windows(stream(range(6)), 0, 6, count=1, reach=2)
    assert first.clip(0, [0, -1, -2, 1, 2]) == [0, 0, 0, 1, 2]
    assert last.clip(5, [0, -1, -2, 1, 2]) == [5, 4, 3, 5, 5]


def test_the_nearest_whole_frame_stands_in():
    (window,) = windows(stream(range(5), damaged=(1, 2)), 0, 5, count=5, reach=2)
    for number, stand_in in ((0, 0), (1, 0), (2, 3), (4, 4)):
        image, found = window.read_nearest(number)
        assert (image[0, 0, 0], found) == (stand_in, number == stand_in)
    assert window.images[1] is None
    assert window.read(3)[0, 0, 0] == 3


@pytest.mark.parametrize(("count", "reach"), [(1, 0), (1, 2), (8, 2), (3, 5)])
def test_few_frames_are_in_memory(count, reach):
    alive = weakref.WeakSet()
    most = 0

    class Frame(np.ndarray):
        __hash__ = object.__hash__

    def watched():
        nonlocal most
        for number in range(200):
            image = np.zeros((2, 2, 3), np.uint8).view(Frame)
            alive.add(image)
            most = max(most, len(alive))
            yield number, image
            del image

    assert sum(len(window.keys) for window in windows(watched(), 0, 200, count, reach)) == 200
    assert most <= 2 * (count + reach)
