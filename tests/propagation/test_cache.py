from dataclasses import replace

import numpy as np
import pytest
from labeled_person import person

from lib.propagation import cache as segments
from lib.propagation.cache import propagate_cached
from lib.propagation.targets import PropagatedPoses, Target

PEOPLE = [person(0, x=0), person(4, x=8), person(8, x=20), person(0, track=1, x=100)]
MOVES = [Target(0, 1), Target(3, 1), Target(0, 2), Target(1, 3), Target(1, 5), Target(2, 7), Target(2, 9), Target(3, 9)]


class Recorder:
    """A method that records its targets."""

    def __init__(self):
        self.asked = []

    def __call__(self, people, targets):
        self.asked.append(targets)
        joints = np.array([people[target.person].joints + target.number for target in targets])
        return PropagatedPoses(
            joints, np.full(joints.shape[:2], 0.5), np.array([[target.number, np.nan] for target in targets])
        )


def assert_moved(poses, people, targets):
    np.testing.assert_array_equal(poses.joints, [people[target.person].joints + target.number for target in targets])
    np.testing.assert_array_equal(poses.disagreement[:, 0], [target.number for target in targets])
    assert poses.scores.shape == (len(targets), 2)


def test_a_correction_updates_only_dependent_segments(tmp_path):
    method = Recorder()
    assert_moved(propagate_cached(PEOPLE, MOVES, method, tmp_path, "a"), PEOPLE, MOVES)
    assert sorted(method.asked[0]) == sorted(MOVES)
    assert_moved(propagate_cached(PEOPLE, MOVES, method, tmp_path, "a"), PEOPLE, MOVES)
    assert len(method.asked) == 1
    corrected = [*PEOPLE[:2], person(8, x=21), PEOPLE[3]]
    assert_moved(propagate_cached(corrected, MOVES, method, tmp_path, "a"), corrected, MOVES)
    assert method.asked[1] == [Target(1, 5), Target(2, 7), Target(2, 9)]
    propagate_cached(PEOPLE, MOVES, method, tmp_path, "b")
    assert sorted(method.asked[2]) == sorted(MOVES)  # other settings


def test_segments_of_another_version_are_propagated_again(tmp_path, monkeypatch):
    method = Recorder()
    propagate_cached(PEOPLE, MOVES, method, tmp_path, "a")
    monkeypatch.setattr(segments, "VERSION", segments.VERSION + 1)
    propagate_cached(PEOPLE, MOVES, method, tmp_path, "a")
    assert sorted(method.asked[1]) == sorted(MOVES)


@pytest.mark.parametrize(
    "other",
    [
        person(0, x=0, labeled=(True, False)),
        replace(PEOPLE[0], center=np.ones(2, np.float32)),
        replace(PEOPLE[0], scale=np.full(2, 3, np.float32)),
    ],
)
def test_every_part_of_a_label_is_in_the_digest(tmp_path, other):
    method = Recorder()
    propagate_cached(PEOPLE, MOVES, method, tmp_path, "a")
    propagate_cached([other, *PEOPLE[1:]], MOVES, method, tmp_path, "a")
    assert method.asked[1] == [Target(0, 1), Target(0, 2), Target(1, 3)]


def test_a_new_label_splits_a_segment(tmp_path):
    method = Recorder()
    propagate_cached(PEOPLE[:2], [Target(0, 1), Target(1, 3)], method, tmp_path, "a")
    propagate_cached([*PEOPLE[:2], person(2)], [Target(0, 1), Target(1, 3)], method, tmp_path, "a")
    assert method.asked[1] == [Target(0, 1), Target(1, 3)]


def test_interrupted_downloads_resume(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "CHUNK", 2)
    method = Recorder()

    def breaks(people, targets):
        if len(method.asked) == 2:
            raise KeyboardInterrupt
        return method(people, targets)

    with pytest.raises(KeyboardInterrupt):
        propagate_cached(PEOPLE, MOVES, breaks, tmp_path, "a")
    first = [target for asked in method.asked for target in asked]
    assert_moved(propagate_cached(PEOPLE, MOVES, method, tmp_path, "a"), PEOPLE, MOVES)
    later = [target for asked in method.asked[2:] for target in asked]
    assert len(method.asked[0]) >= 2
    assert sorted(first + later) == sorted(MOVES)


def test_a_damaged_file_is_propagated_again(tmp_path):
    method = Recorder()
    propagate_cached(PEOPLE, MOVES, method, tmp_path, "a")
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        path.write_bytes(path.read_bytes()[: 100 * (number % 2)])
    assert_moved(propagate_cached(PEOPLE, MOVES, method, tmp_path, "a"), PEOPLE, MOVES)
    assert sorted(method.asked[1]) == sorted(MOVES)


def test_a_missing_disagreement_is_cached(tmp_path):
    def method(people, targets):
        return Recorder()(people, targets)._replace(disagreement=None)

    for _ in range(2):
        assert propagate_cached(PEOPLE, MOVES, method, tmp_path, "a").disagreement is None


def test_progress_counts_the_poses_in_the_cache(tmp_path, capsys):
    propagate_cached(PEOPLE[:2], MOVES[:1], Recorder(), tmp_path, "a")
    propagate_cached(PEOPLE, [MOVES[0], *MOVES[4:]], Recorder(), tmp_path, "a")
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert [line for line in lines if "propagated:  20%" in line and "1/5" in line]
    assert "propagated: 100%" in lines[-1]


@pytest.mark.parametrize(("seconds", "sizes"), [(3, [2, 2, 2, 2, 2]), (1, [2, 4, 4])])
def test_chunks_grow_while_they_are_quick(tmp_path, monkeypatch, seconds, sizes):
    monkeypatch.setattr(segments, "CHUNK", 2)
    now = [0.0]
    monkeypatch.setattr(segments.time, "monotonic", lambda: now[0])
    method = Recorder()

    def slow(people, targets):
        now[0] += seconds
        return method(people, targets)

    people = [person(2 * number, x=number) for number in range(11)]
    targets = [Target(number, 2 * number + 1) for number in range(10)]  # ten segments of one frame
    assert_moved(propagate_cached(people, targets, slow, tmp_path, "a"), people, targets)
    assert [len(asked) for asked in method.asked] == sizes
