from dataclasses import replace

import numpy as np
import pytest
from labeled_person import person

from lib.core.fusion import EVEN_PEAK, agree, combine, fuse, fuse_sides, hidden_error, joint_sources, partners, refine
from lib.core.inference import Poses
from lib.core.propagation import Move, Moved, stay


def test_the_partner_is_the_same_persons_next_label_on_the_other_side():
    people = [person(0), person(4), person(8), person(4, track=1), person(8, track=-1)]
    moves = [Move(0, 1), Move(1, 5), Move(1, 3), Move(1, 4), Move(2, 9), Move(3, 5), Move(4, 7)]
    assert partners(people, moves) == [Move(1, 1), Move(2, 5), Move(0, 3), None, None, None, None]


def test_labels_that_stay_fused_from_both_sides_are_linear_interpolation():
    people = [person(0, x=0), person(4, x=8), person(4, track=1, x=50)]
    moves = [Move(0, 1), Move(1, 3), Move(2, 3), Move(1, 4)]
    moved = fuse_sides(people, moves, stay)
    np.testing.assert_allclose(moved.points[:, 0, 0], [2, 6, 50, 8])
    np.testing.assert_allclose(moved.scores, 1)


def test_a_joint_that_one_side_lacks_is_the_other_sides():
    people = [person(0, x=0, visible=(True, False)), person(4, x=8, visible=(False, False))]
    moved = fuse_sides(people, [Move(0, 2)], stay)
    np.testing.assert_allclose(moved.points[0, 0], [0, 1])
    np.testing.assert_allclose(moved.scores[0], [1, 0])
    assert np.isfinite(moved.points).all()


def test_fusion_is_a_weighted_mean():
    near = Moved(np.array([[[0.0, 0.0]], [[1.0, 1.0]]]), np.array([[0.4], [0.5]]))
    far = Moved(np.array([[[6.0, 3.0]], [[9.0, 9.0]]]), np.array([[0.8], [0.5]]))
    fused = fuse([near, far], [np.array([[0.4], [0]]), np.array([[0.2], [0]])])
    np.testing.assert_allclose(fused.points, [[[2, 1]], [[1, 1]]])
    np.testing.assert_allclose(fused.scores, [[0.4 * 2 / 3 + 0.8 / 3], [0]])


def test_sides_are_weighted_by_score_and_nearness():
    def fading(people, moves):
        moved = stay(people, moves)
        return Moved(moved.points, moved.scores * [[0.4 if people[move.person].number else 0.8] for move in moves])

    moved = fuse_sides([person(0, x=0), person(4, x=8)], [Move(0, 1)], fading)
    np.testing.assert_allclose(moved.points[0, 0], [8 * (0.4 / 3) / (0.8 + 0.4 / 3), 1])


def test_a_source_far_from_the_others_takes_little():
    zero = Moved(np.zeros((1, 2, 2)), np.full((1, 2), 0.7))
    other = Moved(np.array([[[60.0, 0.0], [3.0, 0.0]]]), zero.scores)
    weights = [np.full((1, 2), 6.0), np.full((1, 2), 1.0)]
    moved = agree([zero, other], weights, np.array([200.0]))
    # The heavy one pulls by 6 x, the other by what is doubted from 3 pixels on: 6 x = 3.
    np.testing.assert_allclose(moved.points[0], [[0.5, 0], [3 / 7, 0]], atol=0.01)
    agreement = 6 * np.exp(-(0.25**2) / 2) / 7  # an agreement is 2 pixels
    np.testing.assert_allclose(moved.scores[0, 0], 0.7 * agreement, atol=0.01)
    torn = agree([zero, other], [weights[1], weights[1]], np.array([200.0]))
    assert 0 < torn.scores[0, 0] < 0.01


def test_an_outlier_among_several_is_outvoted():
    at = [Moved(np.array([[[x, 0.0]]]), np.ones((1, 1))) for x in (0.0, 1.0, 0.5, 100.0)]
    even = [np.ones((1, 1))] * 4
    moved = agree(at, even, np.array([200.0]))
    assert 0.5 <= moved.points[0, 0, 0] <= 1.5 + 1e-6  # three pull by what they are off, the fourth by 3 pixels at most
    assert 0.6 < moved.scores[0, 0] < 0.75  # three of four agree
    unknown = agree(at, [np.zeros((1, 1))] * 4, np.array([200.0]))
    assert unknown.scores[0, 0] == 0
    np.testing.assert_array_equal(unknown.points, at[0].points)


def test_a_joint_of_one_label_alone_is_not_interpolated():
    people = [person(0, x=0), person(4, x=2, visible=(True, False))]
    moved = combine(people, [Move(0, 2)], [shifted(2), stay], [0.1, 0.1])
    np.testing.assert_allclose(moved.points[0, 1], [12, 2])  # the second joint: the first label's, moved


def shifted(x, score=1):
    """A mover that leaves labels where they are, but for an error."""

    def move(people, moves):
        moved = stay(people, moves)
        return Moved(moved.points + np.array([x, 0]), moved.scores * score)

    return move


def test_the_error_of_a_mover_is_that_on_labels_it_is_not_shown():
    people = [
        person(8, x=16),
        person(0, x=0),
        person(4, x=8),
        person(12, x=30),
        person(4, track=1),
        person(4, track=-1),
    ]
    # 4 is taken from 0 and 8, where it lies between them, and 8 from 4 and 12: linear interpolation says 19, it is 16.
    assert hidden_error(people, stay) == pytest.approx(np.median([0, 0, 3, 3]) / 200)
    assert hidden_error(people, shifted(5)) == pytest.approx(np.median([5, 5, 8, 8]) / 200)
    assert np.isnan(hidden_error(people[:3:2], stay))  # nobody is between two labels
    half = [replace(one, visible=np.array([True, False])) for one in people[:4]]
    assert hidden_error(half, stay) == pytest.approx(1.5 / 200)


def test_movers_count_by_their_errors():
    people, moves = [person(0, x=0), person(4, x=1)], [Move(0, 2)]
    moved = combine(people, moves, [shifted(0), shifted(2)], [0.1, 0.2])
    np.testing.assert_allclose(moved.points[0, 0], [0.5 + 2 / 5, 1])  # 0.5 and 2.5, weights 4 : 1
    faint = combine(people, moves, [shifted(0), shifted(2, score=0.1)], [0.1, 0.2])
    np.testing.assert_allclose(faint.points, moved.points)  # what a mover scores tells nothing of what it errs
    unknown = combine(people, moves, [shifted(0), shifted(2)], [float("nan"), 0.2])
    np.testing.assert_allclose(unknown.points[0, 0], [0.5 + 1, 1])
    together = combine([person(0), person(4)], moves, [shifted(0), shifted(0, score=0.1)], [0.1, 0.2])
    np.testing.assert_allclose(together.scores, 0.8 + 0.1 / 5)


def test_movers_that_disagree_are_less_sure():
    people, moves = [person(0)], [Move(0, 2)]  # 200 pixels the crop: an agreement of 2
    apart = combine(people, moves, [shifted(0), shifted(4)], [0.1, 0.1])  # each 2 from the mean
    together, alone = (combine(people, moves, [shifted(0)] * number, [0.1] * number) for number in (2, 1))
    np.testing.assert_allclose(apart.scores, together.scores * np.exp(-0.5))
    np.testing.assert_allclose(together.scores, alone.scores)
    absent = combine(people, moves, [shifted(0), shifted(40, score=0)], [0.1, 0.1])
    np.testing.assert_allclose(absent.scores, alone.scores)  # one that knows nothing does not disagree


def test_how_far_two_sides_are_apart():
    people = [person(0, x=0), person(4, x=8, visible=(True, False)), person(4, track=1)]
    moves = [Move(0, 1), Move(2, 5)]
    assert fuse_sides(people, moves, stay).apart is None  # they lie apart as the person moves
    for moved in (
        fuse_sides(people, moves, shifted(3)),
        combine(people, moves, [shifted(3), shifted(5), stay], [0.1, 0.2, 0.1]),
    ):
        np.testing.assert_allclose(moved.apart, [[8, np.nan], [np.nan, np.nan]])
    assert combine(people, moves, [stay, stay], [0.1, 0.1]).apart is None

    def pulled(people, moves):  # forward by 1, backward by 2
        moved = stay(people, moves)
        steps = np.array([1 if move.number > people[move.person].number else -2 for move in moves])
        return Moved(moved.points + np.stack([steps, 0 * steps], axis=1)[:, None], moved.scores)

    # Each side is the mean by trust: 4 × 1 + 0 and 8 − (4 × 2 + 0) / 5, and at the first joint alone there are two.
    both = combine(people, moves[:1], [pulled, shifted(0)], [0.1, 0.2])
    np.testing.assert_allclose(both.apart[0, 0], 8 - 8 / 5 - 4 / 5)


def test_the_frames_that_joints_come_from():
    people = [person(4, x=8, visible=(True, False)), person(0, x=0), person(4, track=1)]
    moves = [Move(1, 1), Move(0, 3), Move(2, 5)]
    assert joint_sources(people, moves, both_sides=True) == [[[0, 4], [0]], [[0, 4], [0]], [[4], [4]]]
    assert joint_sources(people, moves, both_sides=False) == [[[0], [0]], [[4], []], [[4], [4]]]


def test_a_label_that_stays_counts_between_two_labels_alone():
    people, moves = [person(0, x=0), person(4, x=2)], [Move(0, 2), Move(1, 6)]
    moved = combine(people, moves, [shifted(2), stay], [0.1, 0.1])
    np.testing.assert_allclose(moved.points[:, 0, 0], [1 + 1, 2 + 2])
    lone = combine(people, moves, [stay, stay], [0.1, 0.1])
    np.testing.assert_allclose(lone.points[1], people[1].joints)


def test_the_net_draws_poses_to_what_it_sees_near_them():
    people = [person(0, visible=(True, False)), person(10, x=50)]
    moves = [Move(0, 0), Move(0, 2), Move(1, 12), Move(1, 13)]
    moved = Moved(
        np.array([p.joints + 4.0 for p in (people[0], people[0], people[1], people[1])]), np.full((4, 2), 0.5)
    )
    asked = []

    def look(share):
        def infer(taken, offsets):
            asked.append((share, offsets, [(one.number, one.center.tolist()) for one in taken]))
            points = np.array([one.joints + 8.0 for one in taken])
            return Poses(points, np.full(points.shape[:2], EVEN_PEAK), 0)

        return infer

    drawn = refine(look, people, moves, moved, spread=0.01)
    assert asked == [(0.02, [0], [(2, [4, 4]), (12, [4, 4])]), (0.03, [0], [(13, [4, 4])])]  # the crop goes along
    np.testing.assert_allclose(drawn.points[0], moved.points[0])  # a label stays
    np.testing.assert_allclose(drawn.points[1:, 0], moved.points[1:, 0] + 4)  # half of the 8
    np.testing.assert_allclose(drawn.points[1, 1], moved.points[1, 1])  # no label, nothing to look near
    np.testing.assert_allclose(drawn.scores[2:], (0.5 + EVEN_PEAK) / 2)
