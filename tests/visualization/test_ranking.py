import numpy as np
import pytest

from lib.visualization.ranking import (
    frame_needs,
    joint_doubts,
    possible_swaps,
    rank_frames,
    spread_frames,
    suggest_frames,
)

NAN = np.nan


def test_doubt_is_what_the_score_leaves_and_grows_with_disagreement():
    scores = np.array([[1.0, 0.25, 1.4, 0.8, NAN]])
    doubts = joint_doubts(scores, np.array([[NAN, NAN, NAN, 5.0, 3.0]]), np.array([100.0]))
    np.testing.assert_allclose(doubts, [[0, 0.75, 0, 0.6, NAN]])  # 5 pixels are CLOSE: the score is worth half
    smaller = joint_doubts(scores, np.array([[NAN, NAN, NAN, 5.0, 3.0]]), np.array([50.0]))
    assert smaller[0, 3] == pytest.approx(1 - 0.8 / 5)


def test_a_frame_needs_an_eye_as_its_most_doubtful_person_does():
    doubts = np.array([[0.0, 0.8], [0.2, 0.2], [1.0, NAN], [NAN, NAN]])
    needs = frame_needs(4, np.array([0, 0, 1, 2]), doubts)
    np.testing.assert_allclose(needs, [0.6, 1.0, 0, 0])
    assert rank_frames(needs) == [1, 0]
    assert rank_frames(np.array([0.5, 0, 0.5])) == [0, 2]


def test_suggestions_are_in_need_far_from_labels_and_from_each_other():
    numbers = np.arange(41)
    labeled = np.isin(numbers, [0, 40])
    alike = np.where(labeled, 0, 0.5)
    assert suggest_frames(numbers, labeled, alike, 1) == [20]
    taken = suggest_frames(numbers, labeled, alike, 6)
    gaps = np.diff(sorted([0, 40, *taken]))
    assert gaps.min() >= 3
    worst = alike.copy()
    worst[30:33] = 1
    assert suggest_frames(numbers, labeled, worst, 3)[0] == 30
    assert not set(suggest_frames(numbers, labeled, worst, 3)[1:]) & {29, 31}
    near = np.where(labeled, 0, 0.1)
    near[2] = 1  # need counts more than distance, but not alone
    assert suggest_frames(numbers, labeled, near, 2) == [2, 21]


def test_no_suggestion_without_need_or_room():
    numbers = np.arange(5)
    none = np.zeros(5, dtype=bool)
    assert suggest_frames(numbers, none, np.zeros(5), 3) == []
    assert suggest_frames(numbers[:0], none[:0], np.zeros(0), 3) == []
    assert suggest_frames(numbers, numbers % 2 == 0, np.ones(5), 3) == []
    assert len(suggest_frames(numbers, none, np.ones(5), 9)) == 3  # never neighbors
    far = np.array([0, 1000])  # numbers count, not places
    assert suggest_frames(far, np.array([True, False]), np.ones(2), 1) == [1]


def test_frames_to_show_have_labels_needs_and_the_rest_evenly():
    labeled = np.zeros(100, dtype=bool)
    labeled[[0, 99]] = True
    needs = np.zeros(100)
    needs[40:44] = [0.4, 0.9, 0.8, 0.7]
    shown = spread_frames(labeled, needs, 8)
    assert len(shown) == 8
    assert {0, 41, 42, 43, 99} <= set(shown)
    assert np.diff(shown).max() < 60
    assert spread_frames(labeled, needs, 100) == list(range(100))
    assert spread_frames(np.ones(100, dtype=bool), needs, 3) == [0, 50, 99]


def walk(*paths):
    """Poses of two joints, 100 pixels of size, that go through x positions; None: not in the frame."""
    rows = [(t, who, x) for who, path in enumerate(paths) for t, x in enumerate(path) if x is not None]
    frame, track, x = (np.array(column) for column in zip(*rows, strict=True))
    joints = np.stack([np.stack([x, x * 0.0], axis=1), np.stack([x, x * 0 + 100.0], axis=1)], axis=1).astype(float)
    return frame, track, joints


def swaps(frame, track, joints, is_checked=None):
    checked = np.zeros(len(frame), dtype=bool) if is_checked is None else is_checked
    return possible_swaps(frame, track, joints, sizes=np.full(len(frame), 100.0), is_checked=checked)


def test_who_jumps_to_each_others_place_may_have_swapped():
    poses = walk([0, 10, 500, 490], [500, 490, 0, 10])
    (swap,) = swaps(*poses)
    assert (swap.frame, swap.before, swap.after, swap.doubt) == (2, (1, 5), (2, 6), 1)
    order = np.array([7, 2, 0, 5, 1, 3, 6, 4])  # annotations in any order
    (swap,) = swaps(*(values[order] for values in poses))
    assert [order[row] for row in (*swap.before, *swap.after)] in ([1, 5, 2, 6], [5, 1, 6, 2])
    assert swaps(*walk([0, 10, 20, 30], [500, 490, 480, 470])) == []
    assert swaps(*walk([0, 200, 400, 600], [2000, 1800, 1600, 1400])) == []  # fast, but far from each other
    assert swaps(*walk([0, 0, 0, 0], [30, 30, 30, 30])) == []  # near, but they do not move


def test_the_distances_of_both_assignments_decide():
    assert swaps(*walk([0, 0], [100, 42])) == []  # (58 + 10) / (42 + 100 + 10) = 0.45
    (swap,) = swaps(*walk([0, 0], [100, 29]))  # (71 + 10) / (29 + 100 + 10)
    assert swap.doubt == pytest.approx(81 / 139)


def test_a_run_of_doubtful_frames_counts_once_and_people_who_come_and_go_do_not():
    (swap,) = swaps(*walk([0, 20, 40, 60, 80, 100, 120], [110, 90, 70, 50, 30, 10, -10]))
    assert swap.frame == 3
    assert len(swaps(*walk([0, 10, 300, 310, 10, 0], [300, 310, 10, 0, 300, 310]))) == 2
    assert swaps(*walk([0, 10, None, None], [None, None, 0, 10])) == []
    assert swaps(*walk([0, 10])) == []
    assert swaps(np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros((0, 2, 2))) == []


def test_three_who_stand_apart_leave_the_two_who_swap():
    (swap,) = swaps(*walk([0, 300], [300, 0], [900, 905]))
    assert (swap.before, swap.after) == ((0, 2), (1, 3))


def test_poses_that_a_person_set_have_not_swapped():
    frame, track, joints = walk([0, 10, 500, 490], [500, 490, 0, 10])
    assert swaps(frame, track, joints, np.isin(frame, [1, 2])) == []
    (swap,) = swaps(frame, track, joints, frame == 1)
    assert swap.frame == 2
    (swap,) = swaps(frame, track, joints, frame == 2)
    assert (swap.frame, swap.after) == (1, (2, 6))  # the frame that a person has not seen


def test_joints_that_both_have_are_compared():
    frame, track, joints = walk([0, 500], [500, 0])
    joints[0, 0] = joints[2, 1] = np.nan
    (swap,) = swaps(frame, track, joints)
    assert swap.doubt == 1
    joints[0] = np.nan
    assert swaps(frame, track, joints) == []
