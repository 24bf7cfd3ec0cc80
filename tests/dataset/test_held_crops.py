from dataclasses import replace

import numpy as np

from lib.dataset.held_crops import HoldOptions, hold_crops
from lib.dataset.people import Person

LIMITS = HoldOptions(max_growth=1.2, max_frames=8)


def person(number, x, width=0.6, video=0):
    center, scale = np.array([x, 50], np.float32), np.array([width, width * 4 / 3], np.float32)
    return Person(
        video=video,
        frame=number,
        number=number,
        center=center,
        scale=scale,
        box_score=1.0,
        joints=np.zeros((1, 2)),
        labeled=np.zeros(1, dtype=bool),
    )


def corners(one):
    half = one.scale.astype(float) * 100
    return one.center - half, one.center + half


def crops_of(people):
    return [(*one.center.tolist(), *one.scale.tolist()) for one in people]


def test_crops_that_do_not_move_stay_as_they_are():
    people = [person(number, 100.3) for number in range(8)]
    held, order = hold_crops(people, LIMITS, 4)
    assert crops_of(held) == crops_of(people)
    assert order == list(range(8))


def test_a_held_crop_contains_the_crops_it_replaces_and_is_not_much_larger():
    rng = np.random.default_rng(0)
    people = [person(n, 100 + 4 * n + rng.uniform(-2, 2), rng.uniform(0.55, 0.65)) for n in range(40)]
    held, _ = hold_crops(people, LIMITS, 4)
    assert 5 < len(set(crops_of(held))) < 20
    for one, own in zip(held, people, strict=True):
        (low, high), (own_low, own_high) = corners(one), corners(own)
        assert (low <= own_low + 1e-3).all()
        assert (high >= own_high - 1e-3).all()
        assert 1 - 1e-6 <= one.scale[0] / own.scale[0] <= 1.2 + 1e-6
        np.testing.assert_allclose(one.scale[1] / one.scale[0], 4 / 3, rtol=1e-6)


def test_a_new_crop_begins_after_too_many_frames_a_gap_or_a_jump():
    still = [person(number, 100) for number in range(9)]
    held, _ = hold_crops([*still[:8], person(8, 101)], LIMITS, 4)
    assert held[8].center[0] == 101
    held, _ = hold_crops([person(0, 100), person(5, 101)], LIMITS, 4)
    assert held[0].center[0] == 100
    held, _ = hold_crops([person(0, 100), person(1, 140)], LIMITS, 4)
    assert held[0].center[0] == 100
    held, _ = hold_crops([person(0, 100), replace(person(1, 101), video=1)], LIMITS, 4)
    assert held[0].center[0] == 100


def test_two_people_of_a_frame_have_crops_of_their_own():
    people = [one for number in range(4) for one in (person(number, 100 + number), person(number, 110 - number))]
    held, order = hold_crops(people, LIMITS, 4)
    assert len(set(crops_of(held))) == 2
    assert order == [0, 2, 4, 6, 1, 3, 5, 7]
