import numpy as np
import pytest

from lib.visualization.ranking import frame_needs, joint_doubts, rank_frames, spread_frames, suggest_frames

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
