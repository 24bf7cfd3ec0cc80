"""Scores that are probabilities, and what left-out labels change in them."""

import numpy as np
import pytest
from labeled_person import person

from lib.frames.arrays import ArrayFrames
from lib.propagation.leave_one_out import LeaveOneOut, leave_one_out_offsets
from lib.propagation.options import PropagationOptions
from lib.propagation.probability import RIGHT, fit_offsets, probabilities, shift
from lib.propagation.propagator import Propagator
from lib.propagation.targets import PropagatedPoses, Target, copy_labels

PEOPLE = [person(0), person(4)]


def poses(spread=0.01, disagreement=1.0, score=1.0):
    ones = np.ones((1, 2))
    return PropagatedPoses(PEOPLE[0].joints[None], score * ones, disagreement * ones, spread * ones)


def probability(likeness=lambda person: 0.5, **kwargs):
    def alike(people, targets, joints):
        return np.array([[likeness(target.person)] * joints.shape[1] for target in targets], dtype=float)

    found = probabilities(PEOPLE, [Target(0, 1)], poses(**kwargs), alike)
    assert found.shape == (1, 2)
    return found[0, 0]


def test_what_makes_a_joint_doubtful():
    usual = probability()
    assert 0.5 < usual < 1
    assert probability(spread=0.05) < usual < probability(spread=0.001)
    assert probability(lambda person: 0) < usual < probability(lambda person: 1)
    assert probability(disagreement=np.nan) < usual  # only one side has a label
    assert probability(lambda person: 0.5 * person) == usual  # like one of the two labels
    assert probability(score=0) == 0


def test_left_out_labels_shift_the_probabilities():
    scores = np.full((200, 2), 0.9)
    errors = np.where(np.arange(200)[:, None] % 2 < [1, 0], 2 * RIGHT, 0.5 * RIGHT)  # half of the first joint is wrong
    offsets = fit_offsets(scores, errors)
    np.testing.assert_allclose(shift(np.full((1, 2), 0.9), offsets)[0, 0], 0.5, atol=0.03)
    assert offsets[1] > 0.5
    assert shift(np.zeros((1, 2)), offsets).tolist() == [[0, 0]]
    np.testing.assert_allclose(shift(scores, np.zeros(2)), scores)
    unknown = fit_offsets(scores, np.full((200, 2), np.nan))
    np.testing.assert_allclose(unknown, 0)
    few = fit_offsets(scores[:1], errors[:1])
    assert abs(few[0]) < abs(offsets[0])


def test_offsets_compare_poses_with_the_labels_that_were_left_out():
    people = [person(number, x=number) for number in (0, 4, 8, 12)]

    def method(people, targets):
        found = copy_labels(people, targets)
        shifted = [[target.number - people[target.person].number, 0] for target in targets]
        return found._replace(joints=found.joints + np.array(shifted)[:, None], scores=found.scores * 0.7)

    assert (leave_one_out_offsets(people, method) > 0).all()
    assert (leave_one_out_offsets(people, copy_labels) < 0).all()  # 4 pixels off, of a person of 10
    assert leave_one_out_offsets(people[:2], method).tolist() == [0, 0]


@pytest.mark.parametrize("is_probable", [True, False])
def test_the_propagator_returns_probabilities(is_probable):
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    frames = {0: ArrayFrames([still] * 13)}
    options = PropagationOptions(method="dis", priors=("linear",), score_probabilities=is_probable)
    people = [person(number, x=20) for number in (0, 4, 8)]
    for one in people:
        one.joints[:, 1] += 30
    propagator = Propagator(options, frames)
    left_out = propagator.leave_one_out(people)
    assert len(left_out.offsets) == (2 if is_probable else 0)
    targets = [Target(0, 1), Target(2, 12)]
    scores = propagator.propagate(people, targets).scores
    raw = propagator.propagate(people, targets, LeaveOneOut(left_out.errors)).scores
    if is_probable:
        assert (scores > raw).all()  # the label that was left out was found
        assert (scores[1] < scores[0]).all()  # beyond the last label
    else:
        np.testing.assert_array_equal(scores, raw)
