import numpy as np
import pytest

from lib.evaluation.pck import joint_errors, pck


def test_errors_in_pixels_and_in_sizes_of_the_person():
    truth = np.array([[[0, 0], [10, 40], [5, 5]], [[3, 3], [9, 9], [0, 0]]], dtype=float)
    visible = np.array([[True, True, False], [True, False, False]])
    estimates = truth + np.array([[[3, 4], [0, 1], [99, 99]], [[0, 2], [0, 0], [0, 0]]])
    pixels, shares = joint_errors(estimates, truth, visible)
    np.testing.assert_allclose(pixels, [5, 1, 2])
    np.testing.assert_allclose(shares, [5 / 40, 1 / 40, np.inf])  # one joint has no size
    assert pck(shares) == pytest.approx(100 / 3)
    assert pck(shares, 0.125) == pytest.approx(200 / 3)


def test_nobody():
    pixels, shares = joint_errors(np.zeros((0, 3, 2)), np.zeros((0, 3, 2)), np.zeros((0, 3), dtype=bool))
    assert len(pixels) == len(shares) == 0
    assert np.isnan(pck(shares))
