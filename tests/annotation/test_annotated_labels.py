"""Edits of a page become labels; their history outlives the process."""

import pytest

from lib.annotation import journal as journal_module
from lib.annotation.edits import EditError, FrameLabels, LabeledPose
from lib.annotation.journal import Journal
from lib.annotation.labels import EditedLabels

NUMBERS = frozenset(range(10))


def person(track=0, x=1.0, propagated=(), v=2):
    return {"track": track, "keypoints": [x, 2.0, v, 3, 4.0, 2], "propagated": list(propagated)}


def step(name, frames, names=None, at=0):
    return {"do": name, "at": at, "frames": {str(number): people for number, people in frames.items()}} | {
        "names": names or {}
    }


@pytest.fixture
def open_labels(tmp_path):
    return lambda: EditedLabels(Journal(tmp_path), (0, 1), NUMBERS)


def test_joints_of_a_program_are_left_open_and_poses_without_others_are_no_labels(open_labels):
    labels = open_labels()
    labels.change(step("a", {3: [person(0), person(1, propagated=[1]), person(2, propagated=[0, 1])]}))
    poses = (LabeledPose(0, (1.0, 2.0, 2, 3.0, 4.0, 2), ()), LabeledPose(1, (1.0, 2.0, 2, 0.0, 0.0, 0), (1,)))
    assert labels.frames == {3: FrameLabels(poses, False)}
    labels.change(step("b", {3: [person(0)], 4: [], 5: [person(0, propagated=[0, 1])]}))
    assert labels.frames[3].is_complete
    assert labels.frames[4] == FrameLabels((), True)
    assert 5 not in labels.frames


def test_somebody_without_a_joint_is_no_label(open_labels):
    labels = open_labels()
    labels.change(step("a", {3: [{"track": 0, "keypoints": [0] * 6, "propagated": []}]}))
    assert labels.frames == {}
    labels.change({"undo": "a"})  # but it is a step, as in the page


def test_steps_are_undone_and_redone_also_by_another_process(open_labels):
    labels = open_labels()
    labels.change(step("a", {1: [person(x=1)]}, {"0": "Ann"}))
    labels.change(step("b", {1: [person(x=5)], 2: [person()]}, at=2))
    before = dict(labels.frames)
    assert sorted(labels.change({"undo": "b"})) == [1, 2]
    again = open_labels()
    assert again.frames.keys() == {1}
    assert again.frames[1].poses[0].keypoints[0] == 1
    again.change({"redo": "b"})
    assert again.frames == before
    again.change({"undo": "b"})
    again.change({"undo": "a"})
    assert (again.frames, again.names) == ({}, {})
    assert [one.name for one in open_labels().future] == ["b", "a"]


def test_a_snapshot_has_the_history(open_labels, monkeypatch):
    monkeypatch.setattr(journal_module, "SNAPSHOT_EVERY", 3)
    labels = open_labels()
    for number in range(7):
        labels.change(step(f"{number}", {number: [person()]}))
    labels.change({"undo": "6"})
    again = open_labels()
    assert again.journal.snapshot is not None
    assert (again.frames, again.past, again.future) == (labels.frames, labels.past, labels.future)


def test_movements_of_a_drag_are_one_step(open_labels):
    labels = open_labels()
    for x in (1, 2, 3):
        labels.change(step("drag", {1: [person(x=x)]}))
    assert len(labels.past) == 1
    labels.change({"undo": "drag"})
    assert labels.frames == {}
    labels.change({"redo": "drag"})
    assert labels.frames[1].poses[0].keypoints[0] == 3


def test_a_change_that_is_sent_again_counts_once(open_labels):
    labels = open_labels()
    for message in (step("a", {1: [person()]}), step("b", {2: [person()]}), {"undo": "b"}, {"redo": "b"}):
        labels.change(message)
        state = dict(labels.frames), list(labels.past), list(labels.future)
        labels.change(message)
        assert (labels.frames, [one.name for one in labels.past]) == (state[0], [one.name for one in state[1]])


@pytest.mark.parametrize(
    ("message", "part"),
    [
        (None, "an object"),
        ({}, "do, undo or redo"),
        ({"undo": "x"}, "no step 'x'"),
        (step("", {}), "name of a step"),
        (step("a", {}, at=10), "at: 10"),
        (step("a", {}, at=True), "at: True"),
        (step("a", {10: []}), "'10' is not a frame"),
        (step("a", {"../1": []}), "is not a frame"),
        ({"do": "a", "at": 0, "frames": []}, "frames: expected"),
        (step("a", {1: {}}), "a list of people"),
        (step("a", {1: [3]}), "people as objects"),
        (step("a", {1: [person(track=-1)]}), "track -1"),
        (step("a", {1: [person(track=1e9)]}), "track"),
        (step("a", {1: [person(), person()]}), "twice"),
        (step("a", {1: [person(x=float("inf"))]}), "out of range"),
        (step("a", {1: [person(x="1")]}), "expected numbers"),
        (step("a", {1: [person(v=3)]}), "v is 0, 1 or 2"),
        (step("a", {1: [person() | {"keypoints": [1, 2, 2]}]}), "6 numbers"),
        (step("a", {1: [person(propagated=[2])]}), "numbers of joints"),
        (step("a", {}, {"0": ""}), "names"),
        (step("a", {}, {"0": "Ann", "1": "Ann"}), "same name"),
        (step("a", {}, {"x": "Ann"}), "object of tracks"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(open_labels, message, part):
    labels = open_labels()
    labels.change(step("first", {1: [person()]}))
    before = dict(labels.frames)
    with pytest.raises(EditError, match=part):
        labels.change(message)
    assert open_labels().frames == labels.frames == before
    assert len(labels.journal.entries) == 1


def test_a_change_counts_even_if_the_disk_is_too_full_for_a_snapshot(open_labels, monkeypatch):
    monkeypatch.setattr(journal_module, "SNAPSHOT_EVERY", 2)
    labels = open_labels()

    def fail(state):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(labels.journal, "save", fail)
        for number in (1, 2, 3):
            labels.change(step(f"step {number}", {number: [person()]}))
    assert open_labels().frames == labels.frames
    assert len(labels.journal.entries) == 3
    labels.change(step("last", {1: None}))
    assert labels.journal.entries == []
