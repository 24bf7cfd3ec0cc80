from dataclasses import replace

import numpy as np
import pytest
from labeled_person import person

from lib.core import segments
from lib.core.propagation import Move, Moved
from lib.core.segments import move_kept

PEOPLE = [person(0, x=0), person(4, x=8), person(8, x=20), person(0, track=1, x=100)]
MOVES = [Move(0, 1), Move(3, 1), Move(0, 2), Move(1, 3), Move(1, 5), Move(2, 7), Move(2, 9), Move(3, 9)]


class Recorder:
    """A mover that tells what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, people, moves):
        self.asked.append(moves)
        points = np.array([people[move.person].joints + move.number for move in moves])
        return Moved(points, np.full(points.shape[:2], 0.5), np.array([[move.number, np.nan] for move in moves]))


def assert_moved(moved, people, moves):
    np.testing.assert_array_equal(moved.points, [people[move.person].joints + move.number for move in moves])
    np.testing.assert_array_equal(moved.apart[:, 0], [move.number for move in moves])
    assert moved.scores.shape == (len(moves), 2)


def test_after_a_correction_only_what_hangs_on_it_is_done_anew(tmp_path):
    mover = Recorder()
    assert_moved(move_kept(PEOPLE, MOVES, mover, tmp_path, "a"), PEOPLE, MOVES)
    assert sorted(mover.asked[0]) == sorted(MOVES)
    assert_moved(move_kept(PEOPLE, MOVES, mover, tmp_path, "a"), PEOPLE, MOVES)
    assert len(mover.asked) == 1
    corrected = [*PEOPLE[:2], person(8, x=21), PEOPLE[3]]
    assert_moved(move_kept(corrected, MOVES, mover, tmp_path, "a"), corrected, MOVES)
    assert mover.asked[1] == [Move(1, 5), Move(2, 7), Move(2, 9)]
    move_kept(PEOPLE, MOVES, mover, tmp_path, "b")
    assert sorted(mover.asked[2]) == sorted(MOVES)  # other settings


@pytest.mark.parametrize(
    "other",
    [
        person(0, x=0, visible=(True, False)),
        replace(PEOPLE[0], center=np.ones(2, np.float32)),
        replace(PEOPLE[0], scale=np.full(2, 3, np.float32)),
    ],
)
def test_whatever_changes_in_a_label_counts(tmp_path, other):
    mover = Recorder()
    move_kept(PEOPLE, MOVES, mover, tmp_path, "a")
    move_kept([other, *PEOPLE[1:]], MOVES, mover, tmp_path, "a")
    assert mover.asked[1] == [Move(0, 1), Move(0, 2), Move(1, 3)]


def test_a_new_label_between_two_makes_two_stretches_of_one(tmp_path):
    mover = Recorder()
    move_kept(PEOPLE[:2], [Move(0, 1), Move(1, 3)], mover, tmp_path, "a")
    move_kept([*PEOPLE[:2], person(2)], [Move(0, 1), Move(1, 3)], mover, tmp_path, "a")
    assert mover.asked[1] == [Move(0, 1), Move(1, 3)]


def test_what_was_interrupted_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "CHUNK", 2)
    mover = Recorder()

    def breaks(people, moves):
        if len(mover.asked) == 2:
            raise KeyboardInterrupt
        return mover(people, moves)

    with pytest.raises(KeyboardInterrupt):
        move_kept(PEOPLE, MOVES, breaks, tmp_path, "a")
    first = [move for asked in mover.asked for move in asked]
    assert_moved(move_kept(PEOPLE, MOVES, mover, tmp_path, "a"), PEOPLE, MOVES)
    later = [move for asked in mover.asked[2:] for move in asked]
    assert len(mover.asked[0]) >= 2
    assert sorted(first + later) == sorted(MOVES)


def test_a_damaged_file_is_done_anew(tmp_path):
    mover = Recorder()
    move_kept(PEOPLE, MOVES, mover, tmp_path, "a")
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        path.write_bytes(path.read_bytes()[: 100 * (number % 2)])
    assert_moved(move_kept(PEOPLE, MOVES, mover, tmp_path, "a"), PEOPLE, MOVES)
    assert sorted(mover.asked[1]) == sorted(MOVES)


def test_labels_that_are_apart_by_nothing(tmp_path):
    def mover(people, moves):
        return Recorder()(people, moves)._replace(apart=None)

    for _ in range(2):
        assert move_kept(PEOPLE, MOVES, mover, tmp_path, "a").apart is None
