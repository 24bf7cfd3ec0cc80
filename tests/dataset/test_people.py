import numpy as np
import pytest

from lib.dataset.people import Person, is_well_centered, sparse_people

PEOPLE = [
    Person(
        video=v,
        frame=f,
        number=f,
        center=np.zeros(2),
        scale=np.ones(2),
        joints=np.zeros((17, 2)),
        labeled=np.ones(17, dtype=bool),
    )
    for v in range(6)
    for f in range(0, 20, 2)
    for _ in range(2)
]


@pytest.mark.parametrize(("videos", "frames"), [(2, 1), (3, 4), (6, 10), (99, 99)])
def test_requested_number_of_videos_and_frames(videos, frames):
    kept = sparse_people(PEOPLE, videos, frames, seed=0)
    assert len({person.video for person in kept}) == min(videos, 6)
    assert len({(person.video, person.frame) for person in kept}) == min(videos, 6) * min(frames, 10)
    assert len(kept) == 2 * min(videos, 6) * min(frames, 10)  # everybody of a labeled frame


def test_minus_one_selects_all_people():
    assert sparse_people(PEOPLE, -1, -1, seed=0) == PEOPLE


def test_selection_depends_only_on_the_seed():
    def chosen(frames, seed):
        return [(person.video, person.frame) for person in sparse_people(PEOPLE, 3, frames, seed)]

    assert chosen(2, 7) == chosen(2, 7)
    assert len({tuple(chosen(2, seed)) for seed in range(10)}) > 5
    assert {video for video, _ in chosen(1, 7)} == {video for video, _ in chosen(5, 7)}
    assert set(chosen(1, 7)) < set(chosen(5, 7))


@pytest.mark.parametrize(
    ("distance", "count", "kept"),
    # exp(−d² / (2 · 0.04 · 200 · 200)) against 0.45 for one joint and 0.65 for 17
    [(0, 1, True), (50.5, 1, True), (50.6, 1, False), (37.1, 17, True), (37.2, 17, False)],
)
def test_well_centered_people(distance, count, kept):
    labeled = np.arange(17) < count
    joints = np.full((17, 2), [100.0 + distance, 50.0])
    person = Person(
        video=0,
        frame=0,
        number=0,
        center=np.array([100.0, 50.0]),
        scale=np.ones(2),
        joints=joints,
        labeled=labeled,
    )
    assert is_well_centered(person) == kept
