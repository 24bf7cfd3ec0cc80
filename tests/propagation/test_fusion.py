from dataclasses import replace

import numpy as np
import pytest
from labeled_person import person

from lib.core.predictor import Poses
from lib.propagation.fusion import (
    ALIKE,
    EVEN_SCORE,
    combine,
    fuse,
    fuse_sides,
    joint_sources,
    opposite_labels,
    refine,
    robust_fuse,
)
from lib.propagation.leave_one_out import leave_one_out_error
from lib.propagation.targets import PropagatedPoses, Target, copy_labels


def unlike(people, targets, joints):
    """A likeness that tells nothing."""
    return np.zeros(joints.shape[:2])


def test_the_opposite_label_is_of_the_same_person():
    people = [person(0), person(4), person(8), person(4, track=1), person(8, track=-1)]
    targets = [Target(0, 1), Target(1, 5), Target(1, 3), Target(1, 4), Target(2, 9), Target(3, 5), Target(4, 7)]
    assert opposite_labels(people, targets) == [Target(1, 1), Target(2, 5), Target(0, 3), None, None, None, None]


def test_copied_labels_of_both_sides_are_interpolated_linearly():
    people = [person(0, x=0), person(4, x=8), person(4, track=1, x=50)]
    targets = [Target(0, 1), Target(1, 3), Target(2, 3), Target(1, 4)]
    poses = fuse_sides(people, targets, copy_labels)
    np.testing.assert_allclose(poses.joints[:, 0, 0], [2, 6, 50, 8])
    np.testing.assert_allclose(poses.scores, 1)


def test_a_joint_missing_on_one_side_comes_from_the_other():
    people = [person(0, x=0, labeled=(True, False)), person(4, x=8, labeled=(False, False))]
    poses = fuse_sides(people, [Target(0, 2)], copy_labels)
    np.testing.assert_allclose(poses.joints[0, 0], [0, 1])
    np.testing.assert_allclose(poses.scores[0], [1, 0])
    assert np.isfinite(poses.joints).all()


def test_fusion_is_a_weighted_mean():
    near = PropagatedPoses(np.array([[[0.0, 0.0]], [[1.0, 1.0]]]), np.array([[0.4], [0.5]]))
    far = PropagatedPoses(np.array([[[6.0, 3.0]], [[9.0, 9.0]]]), np.array([[0.8], [0.5]]))
    fused = fuse([near, far], [np.array([[0.4], [0]]), np.array([[0.2], [0]])])
    np.testing.assert_allclose(fused.joints, [[[2, 1]], [[1, 1]]])
    np.testing.assert_allclose(fused.scores, [[0.4 * 2 / 3 + 0.8 / 3], [0]])


def test_sides_are_weighted_by_score_and_nearness():
    def fading(people, targets):
        poses = copy_labels(people, targets)
        return PropagatedPoses(
            poses.joints, poses.scores * [[0.4 if people[target.person].number else 0.8] for target in targets]
        )

    poses = fuse_sides([person(0, x=0), person(4, x=8)], [Target(0, 1)], fading)
    np.testing.assert_allclose(poses.joints[0, 0], [8 * (0.4 / 3) / (0.8 + 0.4 / 3), 1])


def test_an_outlying_source_has_little_weight():
    zero = PropagatedPoses(np.zeros((1, 2, 2)), np.full((1, 2), 0.7))
    other = PropagatedPoses(np.array([[[60.0, 0.0], [3.0, 0.0]]]), zero.scores)
    weights = [np.full((1, 2), 6.0), np.full((1, 2), 1.0)]
    poses = robust_fuse([zero, other], weights, np.array([200.0]))
    # The heavy one pulls by 6 x, the other by what is doubted from 3 pixels on: 6 x = 3.
    np.testing.assert_allclose(poses.joints[0], [[0.5, 0], [3 / 7, 0]], atol=0.01)
    agreement = 6 * np.exp(-(0.25**2) / 2) / 7  # an agreement is 2 pixels
    np.testing.assert_allclose(poses.scores[0, 0], 0.7 * agreement, atol=0.01)
    torn = robust_fuse([zero, other], [weights[1], weights[1]], np.array([200.0]))
    assert 0 < torn.scores[0, 0] < 0.01


def test_an_outlier_among_several_is_outvoted():
    at = [PropagatedPoses(np.array([[[x, 0.0]]]), np.ones((1, 1))) for x in (0.0, 1.0, 0.5, 100.0)]
    even = [np.ones((1, 1))] * 4
    poses = robust_fuse(at, even, np.array([200.0]))
    assert 0.5 <= poses.joints[0, 0, 0] <= 1.5 + 1e-6  # three pull by what they are off, the fourth by 3 pixels at most
    assert 0.6 < poses.scores[0, 0] < 0.75  # three of four agree
    unknown = robust_fuse(at, [np.zeros((1, 1))] * 4, np.array([200.0]))
    assert unknown.scores[0, 0] == 0
    np.testing.assert_array_equal(unknown.joints, at[0].joints)


def test_a_joint_with_one_label_is_not_interpolated():
    people = [person(0, x=0), person(4, x=2, labeled=(True, False))]
    poses = combine(people, [Target(0, 2)], [shifted(2), copy_labels], [0.1, 0.1], unlike)
    np.testing.assert_allclose(poses.joints[0, 1], [12, 2])  # the second joint: the first label's, moved


def shifted(x, score=1):
    """A method that copies labels and adds an error."""

    def target(people, targets):
        poses = copy_labels(people, targets)
        return PropagatedPoses(poses.joints + np.array([x, 0]), poses.scores * score)

    return target


def test_the_error_of_a_method_is_measured_on_left_out_labels():
    people = [
        person(8, x=16),
        person(0, x=0),
        person(4, x=8),
        person(12, x=30),
        person(4, track=1),
        person(4, track=-1),
    ]
    # 4 is taken from 0 and 8, where it lies between them, and 8 from 4 and 12: linear interpolation says 19, it is 16.
    assert leave_one_out_error(people, copy_labels) == pytest.approx(np.median([0, 0, 3, 3]) / 200)
    assert leave_one_out_error(people, shifted(5)) == pytest.approx(np.median([5, 5, 8, 8]) / 200)
    assert np.isnan(leave_one_out_error(people[:3:2], copy_labels))  # nobody is between two labels
    half = [replace(one, labeled=np.array([True, False])) for one in people[:4]]
    assert leave_one_out_error(half, copy_labels) == pytest.approx(1.5 / 200)


def test_methods_are_weighted_by_their_errors():
    people, targets = [person(0, x=0), person(4, x=1)], [Target(0, 2)]
    poses = combine(people, targets, [shifted(0), shifted(2)], [0.1, 0.2], unlike)
    np.testing.assert_allclose(poses.joints[0, 0], [0.5 + 2 / 5, 1])  # 0.5 and 2.5, weights 4 : 1
    faint = combine(people, targets, [shifted(0), shifted(2, score=0.1)], [0.1, 0.2], unlike)
    np.testing.assert_allclose(faint.joints, poses.joints)  # the scores of a method do not affect its error
    unknown = combine(people, targets, [shifted(0), shifted(2)], [float("nan"), 0.2], unlike)
    np.testing.assert_allclose(unknown.joints[0, 0], [0.5 + 1, 1])
    together = combine([person(0), person(4)], targets, [shifted(0), shifted(0, score=0.1)], [0.1, 0.2], unlike)
    np.testing.assert_allclose(together.scores, 0.8 + 0.1 / 5)


def test_a_source_whose_surroundings_are_like_those_of_the_label_has_more_weight():
    def at_label(people, targets, joints):
        labels = np.array([people[target.person].joints for target in targets])
        return (joints == labels).all(axis=2)

    targets = [Target(0, 2)]
    joints = combine([person(0)], targets, [shifted(0), shifted(2)], [0.1, 0.1], at_label).joints
    np.testing.assert_allclose(joints[0, 0], [2 / (1 + np.exp(ALIKE)), 1])
    sides = [person(0), person(4, x=8)]  # the first method is like the label before, the second like that after
    joints = combine(sides, targets, [shifted(0), shifted(1)], [0.1, 0.1], at_label).joints
    assert 4 < joints[0, 0, 0] < 4.5
    joints = combine(sides, targets, [copy_labels, shifted(0)], [0.1, 0.1], at_label).joints
    np.testing.assert_allclose(joints[0, 0], [4, 1])


def test_disagreement_lowers_the_score():
    people, targets = [person(0)], [Target(0, 2)]  # 200 pixels the crop: an agreement of 2
    disagreement = combine(people, targets, [shifted(0), shifted(4)], [0.1, 0.1], unlike)  # each 2 from the mean
    together, alone = (combine(people, targets, [shifted(0)] * number, [0.1] * number, unlike) for number in (2, 1))
    np.testing.assert_allclose(disagreement.scores, together.scores * np.exp(-0.5))
    np.testing.assert_allclose(together.scores, alone.scores)
    absent = combine(people, targets, [shifted(0), shifted(40, score=0)], [0.1, 0.1], unlike)
    np.testing.assert_allclose(absent.scores, alone.scores)  # one that knows nothing does not disagree


def test_disagreement_of_two_sides():
    people = [person(0, x=0), person(4, x=8, labeled=(True, False)), person(4, track=1)]
    targets = [Target(0, 1), Target(2, 5)]
    assert fuse_sides(people, targets, copy_labels).disagreement is None  # they lie apart as the person moves
    for poses in (
        fuse_sides(people, targets, shifted(3)),
        combine(people, targets, [shifted(3), shifted(5), copy_labels], [0.1, 0.2, 0.1], unlike),
    ):
        np.testing.assert_allclose(poses.disagreement, [[8, np.nan], [np.nan, np.nan]])
    assert combine(people, targets, [copy_labels, copy_labels], [0.1, 0.1], unlike).disagreement is None

    def pulled(people, targets):  # forward by 1, backward by 2
        poses = copy_labels(people, targets)
        steps = np.array([1 if target.number > people[target.person].number else -2 for target in targets])
        return PropagatedPoses(poses.joints + np.stack([steps, 0 * steps], axis=1)[:, None], poses.scores)

    # Each side is the mean by trust: 4 × 1 + 0 and 8 − (4 × 2 + 0) / 5, and at the first joint alone there are two.
    both = combine(people, targets[:1], [pulled, shifted(0)], [0.1, 0.2], unlike)
    np.testing.assert_allclose(both.disagreement[0, 0], 8 - 8 / 5 - 4 / 5)


def test_the_frames_that_joints_come_from():
    people = [person(4, x=8, labeled=(True, False)), person(0, x=0), person(4, track=1)]
    targets = [Target(1, 1), Target(0, 3), Target(2, 5)]
    assert joint_sources(people, targets, both_sides=True) == [[[0, 4], [0]], [[0, 4], [0]], [[4], [4]]]
    assert joint_sources(people, targets, both_sides=False) == [[[0], [0]], [[4], []], [[4], [4]]]


def test_a_copied_label_counts_only_between_two_labels():
    people, targets = [person(0, x=0), person(4, x=2)], [Target(0, 2), Target(1, 6)]
    poses = combine(people, targets, [shifted(2), copy_labels], [0.1, 0.1], unlike)
    np.testing.assert_allclose(poses.joints[:, 0, 0], [1 + 1, 2 + 2])
    lone = combine(people, targets, [copy_labels, copy_labels], [0.1, 0.1], unlike)
    np.testing.assert_allclose(lone.joints[1], people[1].joints)


def test_refinement_moves_joints_to_nearby_estimates():
    people = [person(0, labeled=(True, False)), person(10, x=50)]
    targets = [Target(0, 0), Target(0, 2), Target(1, 12), Target(1, 13)]
    poses = PropagatedPoses(
        np.array([p.joints + 4.0 for p in (people[0], people[0], people[1], people[1])]), np.full((4, 2), 0.5)
    )
    asked = []

    def look(share):
        def infer(taken, offsets):
            asked.append((share, offsets, [(one.number, one.center.tolist()) for one in taken]))
            joints = np.array([one.joints + 8.0 for one in taken])
            return Poses(joints, np.full(joints.shape[:2], EVEN_SCORE), 0)

        return infer

    drawn = refine(look, people, targets, poses, spread=0.01)
    assert asked == [(0.02, [0], [(2, [4, 4]), (12, [4, 4])]), (0.03, [0], [(13, [4, 4])])]  # the crop goes along
    np.testing.assert_allclose(drawn.joints[0], poses.joints[0])  # a label stays
    np.testing.assert_allclose(drawn.joints[1:, 0], poses.joints[1:, 0] + 4)  # half of the 8
    np.testing.assert_allclose(drawn.joints[1, 1], poses.joints[1, 1])  # no label, nothing to look near
    np.testing.assert_allclose(drawn.scores[2:], (0.5 + EVEN_SCORE) / 2)
