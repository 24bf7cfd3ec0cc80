"""Joints that are added, renamed, and removed after the start: labels are kept, and so is the history."""

import pytest

from lib.annotation.joints import JointRow, ProjectJoints
from lib.annotation.journal import Journal
from lib.annotation.labels import EditedLabels
from lib.annotation.project import LabeledJointError, Project
from lib.utils.errors import InputError

NOSE, TAIL = (1.0, 2.0, 2), (3.0, 4.0, 1)
FIRST = ProjectJoints.chosen((("nose", "tail"), ((0, 1),)))
ADDED = FIRST.change([JointRow(0, "nose"), JointRow(1, "tail"), JointRow(None, "ear")], [(0, 1), (2, 0), (0, 2)])
REMOVED = ADDED.change([JointRow(1, "tail"), JointRow(2, "ear")], [])


def person(*joints, track=0, propagated=()):
    return {"track": track, "keypoints": [value for joint in joints for value in joint], "propagated": list(propagated)}


def step(name, people, number=0):
    return {"do": name, "at": number, "frames": {str(number): people}, "names": {}}


@pytest.fixture
def open_labels(tmp_path):
    return lambda joints: EditedLabels(Journal(tmp_path), joints.columns, frozenset(range(10)))


def test_joints_keep_their_columns():
    assert ADDED == ProjectJoints(names=("nose", "tail", "ear"), bones=((0, 1), (2, 0)), columns=(0, 1, 2))
    assert REMOVED == ProjectJoints(names=("tail", "ear"), bones=(), columns=(1, 2), removed=(("nose", 0),))
    again = REMOVED.change([JointRow(1, "end"), JointRow(None, "nose"), JointRow(None, "paw")], [])
    assert again == ProjectJoints(names=("end", "nose", "paw"), bones=(), columns=(1, 0, 3), removed=(("ear", 2),))
    assert ProjectJoints.read(again.record()) == again
    assert ProjectJoints.read({"joints": ["nose", "tail"], "bones": [[0, 1]]}) == FIRST


def test_names_of_the_command_line_keep_joints_of_the_same_name_with_their_bones():
    joints = FIRST.rename((("tail", "left_ear", "nose"), ((1, 2), (0, 2))))
    assert joints == ProjectJoints(names=("tail", "left_ear", "nose"), bones=((2, 0), (1, 2)), columns=(1, 2, 0))
    assert FIRST.rename((("a", "nose"), ())) == ProjectJoints(
        names=("a", "nose"), bones=(), columns=(2, 0), removed=(("tail", 1),)
    )


def test_pairs_follow_from_the_names():
    assert FIRST.pairs == ()
    rows = [JointRow(0, "left_paw"), JointRow(1, "right_paw")]
    assert FIRST.change(rows, []).pairs == ((0, 1),)


@pytest.mark.parametrize(
    ("rows", "bones", "part"),
    [
        ([], [], "0 joints"),
        ([JointRow(0, "a"), JointRow(1, "a")], [], "two joints are named 'a'"),
        ([JointRow(0, " ")], [], "1 to 60"),
        ([JointRow(5, "a")], [], "reload"),
        ([JointRow(0, "a"), JointRow(0, "b")], [], "reload"),
        ([JointRow(0, "a")], [(0, 1)], "bones"),
        ([JointRow(0, "a")], [(0, 0)], "bones"),
        ([JointRow(0, "a")], [(-1, 0)], "bones"),
    ],
)
def test_wrong_joints_are_refused(rows, bones, part):
    with pytest.raises(InputError, match=part):
        FIRST.change(rows, bones)


def test_an_added_joint_is_left_to_programs_in_frames_labeled_before(open_labels):
    labels = open_labels(FIRST)
    labels.change(step("a", [person(NOSE, TAIL)]))
    labels.change(step("b", [], number=1))
    again = open_labels(ADDED)
    assert again.frames[0].poses[0].keypoints == (*NOSE, *TAIL, 0, 0, 0)
    assert again.frames[0].poses[0].open_joints == (2,)
    assert (again.frames[0].is_complete, again.frames[1].is_complete) == (False, True)
    again.change(step("c", [person(NOSE, TAIL, NOSE)]))
    assert again.frames[0].is_complete
    again.change({"undo": "c"})
    again.change({"undo": "b"})
    assert again.frames[0].poses[0].open_joints == (2,)
    assert 1 not in again.frames
    assert open_labels(FIRST).frames[0].is_complete


def test_a_removed_joint_keeps_its_labels_also_through_edits_and_undo(open_labels):
    labels = open_labels(ADDED)
    labels.change(step("a", [person(NOSE, TAIL, (5, 6, 2))]))
    labels.change(step("b", [person(NOSE, (0, 0, 0), (0, 0, 0), propagated=[1, 2])], number=1))
    labels = open_labels(REMOVED)
    assert labels.frames.keys() == {0}  # nothing but the nose is labeled in frame 1
    assert labels.frames[0].poses[0].keypoints == (*TAIL, 5, 6, 2)
    labels.change(step("c", [person((7, 8, 2), (5, 6, 2))]))
    labels.change(step("d", [person((7, 8, 2), (0, 0, 0), propagated=[0, 1])], number=1))
    labels.save()
    back = REMOVED.change([JointRow(None, "nose"), JointRow(1, "tail"), JointRow(2, "ear")], [])
    labels = open_labels(back)
    assert labels.frames[0].poses[0].keypoints == (*NOSE, 7, 8, 2, 5, 6, 2)
    assert labels.frames[1].poses[0].keypoints[:3] == NOSE
    labels.change({"undo": "d"})
    labels.change({"undo": "c"})
    assert labels.frames[0].poses[0].keypoints == (*NOSE, *TAIL, 5, 6, 2)
    labels.change({"undo": "b"})
    assert labels.frames.keys() == {0}


def test_who_is_deleted_takes_along_the_labels_of_removed_joints(open_labels):
    labels = open_labels(ADDED)
    people = [person(NOSE, TAIL, NOSE, track=track) for track in (0, 1)]
    labels.change(step("a", people))
    labels.change(step("b", people, number=1))
    labels = open_labels(REMOVED)
    labels.change(step("c", [person(TAIL, NOSE, track=1)]))
    labels.change(step("d", [], number=1))
    labels = open_labels(ADDED)
    assert [pose.track for pose in labels.frames[0].poses] == [1]
    assert labels.frames[1].poses == ()


def test_the_joints_of_a_project_change_unless_a_labeled_one_would_be_removed(folder, tmp_path, label):
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    project.choose((("nose", "left_ear", "right_ear", "tail"), ()))
    label(project.open(0), (0, 20))
    project.choose((("nose", "left_ear", "right_ear", "tail", "paw"), ()))
    assert project.open(0).labels.frames[20].poses[0].open_joints == (4,)
    with pytest.raises(LabeledJointError, match="nose has labels in 4 poses"):
        project.choose((("left_ear", "right_ear", "tail"), ()))
    project.choose((("left_ear", "right_ear", "tail", "nose"), ()))
    project.close()
    again = Project(tmp_path / "project")
    assert again.joints.names == ("left_ear", "right_ear", "tail", "nose")
    assert again.joints.removed == (("paw", 4),)
    assert again.open(0).labels.frames[20].is_complete
    again.close()
