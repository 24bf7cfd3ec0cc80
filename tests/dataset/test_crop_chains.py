from dataclasses import replace

import numpy as np
import pytest

from lib.dataset.crop_chains import CropChains
from lib.dataset.people import Person


def person(number, x, width=0.6, video=0):
    center, scale = np.array([x, 50], np.float32), np.array([width, width * 4 / 3], np.float32)
    return Person(
        video=video,
        frame=number,
        number=number,
        center=center,
        scale=scale,
        joints=np.zeros((1, 2)),
        labeled=np.zeros(1, dtype=bool),
    )


def test_a_moving_person_is_one_chain():
    people = [person(number, 100 + 20 * number) for number in range(8)]
    chains = CropChains(people, 4)
    assert chains.order == list(range(8))
    assert [chains.nearest(3, number) for number in range(8)] == list(range(8))


def test_two_people_of_a_frame_have_chains_of_their_own():
    people = [one for number in range(4) for one in (person(number, 100 + number), person(number, 125 - number))]
    chains = CropChains(people, 4)
    assert chains.order == [0, 2, 4, 6, 1, 3, 5, 7]
    assert [chains.nearest(0, 2), chains.nearest(1, 2)] == [4, 5]


def test_the_larger_overlap_decides():
    first, second = person(0, 100), person(0, 150)
    chains = CropChains([first, second, person(1, 130), person(1, 160)], 4)
    assert chains.order == [0, 2, 1, 3]
    chains = CropChains([first, second, person(1, 140)], 4)
    assert chains.order == [0, 1, 2]


@pytest.mark.parametrize(
    "other",
    [
        person(5, 100),  # more than four frames later
        person(1, 160),  # an overlap of a third
        person(1, 100, width=1.2),  # an overlap of a quarter
        replace(person(1, 100), video=1),
    ],
)
def test_a_gap_a_jump_and_another_video_start_a_new_chain(other):
    chains = CropChains([person(0, 100), other], 4)
    assert [chains.nearest(index, other.number) for index in range(2)] == [0, 1]


def test_a_frame_without_the_person_has_the_crop_of_the_nearest_frame():
    chains = CropChains([person(number, 100) for number in (4, 8, 9)], 4)
    assert [chains.nearest(0, number) for number in (0, 3, 4, 5, 6, 7, 8, 12)] == [0, 0, 0, 0, 0, 1, 1, 2]
    assert [chains.nearest(1, number) for number in (6, 8)] == [1, 1]
