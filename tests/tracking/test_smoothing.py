import numpy as np
import pytest

from lib.tracking.smoothing import smooth_joints

FRAMES = 60
SIZES = np.full(FRAMES, 100.0)


def swing(joints=4):
    """Joints on ellipses, with different phases."""
    phases = np.linspace(0, 2 * np.pi, FRAMES)[:, None] + np.arange(joints)
    return np.stack([200 + 40 * np.cos(phases), 100 + 25 * np.sin(phases)], axis=2)


def noisy(truth, seed=0):
    return truth + np.random.default_rng(seed).normal(0, 2, truth.shape)


def error(found, truth):
    return np.linalg.norm(found - truth, axis=-1).mean()


def test_noise_and_jitter_become_less():
    truth = swing()
    rough = noisy(truth)
    smooth = smooth_joints(rough, np.ones(truth.shape[:2]), SIZES)
    assert error(smooth, truth) < 0.75 * error(rough, truth)
    jitter = [np.abs(np.diff(joints, n=2, axis=0)).mean() for joints in (smooth, rough)]
    assert jitter[0] < 0.35 * jitter[1]


def test_motion_without_noise_is_kept():
    truth = swing()
    assert error(smooth_joints(truth, np.ones(truth.shape[:2]), SIZES), truth) < 0.5


def test_unknown_positions_are_bridged():
    truth = swing()
    scores = np.ones(truth.shape[:2])
    scores[20:25, 1] = 0
    hidden = truth.copy()
    hidden[20:25, 1] = 0
    smooth = smooth_joints(hidden, scores, SIZES)
    straight = np.stack([np.interp(np.arange(20, 25), [19, 25], truth[[19, 25], 1, axis]) for axis in (0, 1)], axis=1)
    assert error(smooth[20:25, 1], truth[20:25, 1]) < 0.5 * error(straight, truth[20:25, 1])


def test_scores_are_certainty():
    truth = swing()
    rough = noisy(truth)
    rough[30, 0] += 12
    scores = np.ones(truth.shape[:2])
    sure = smooth_joints(rough, scores, SIZES)
    scores[30, 0] = 0.1
    unsure = smooth_joints(rough, scores, SIZES)
    assert error(unsure[30, 0], truth[30, 0]) < 0.6 * error(sure[30, 0], truth[30, 0])


def test_an_outlier_pulls_little():
    truth = swing()
    wrong = truth.copy()
    wrong[30, 0] += 150
    smooth = smooth_joints(wrong, np.ones(truth.shape[:2]), SIZES)
    assert error(smooth[30, 0], truth[30, 0]) < 15


def test_a_joint_that_is_never_known_is_unchanged():
    positions = np.zeros((FRAMES, 2, 2))
    positions[:, 0] = swing(1)[:, 0]
    scores = np.array([[1.0, 0.0]] * FRAMES)
    np.testing.assert_array_equal(smooth_joints(positions, scores, SIZES)[:, 1], 0)


def test_one_frame():
    found = smooth_joints(np.array([[[3.0, 4.0]]]), np.ones((1, 1)), np.array([50.0]))
    np.testing.assert_allclose(found, [[[3, 4]]])


def test_the_smoother_is_the_least_squares_estimate():
    """Without outliers it is the maximum of a Gaussian density, found here by solving for all frames at once."""
    from lib.tracking import smoothing as own

    frames = 12
    x = 50 + np.random.default_rng(1).normal(0, 2, frames).cumsum()
    positions = np.stack([x, np.zeros(frames)], axis=1)[:, None]
    found = smooth_joints(positions, np.ones((frames, 1)), np.full(frames, 100.0))[:, 0, 0]
    noise, acceleration = own.POSITION_NOISE * 100, own.ACCELERATION * 100
    rows, values = [], []
    for frame in range(frames):
        row = np.zeros(2 * frames)
        row[2 * frame] = 1 / noise
        rows.append(row)
        values.append(x[frame] / noise)
    factor = np.linalg.cholesky(np.linalg.inv(np.array([[1 / 4, 1 / 2], [1 / 2, 1]]) + 1e-9 * np.eye(2))).T
    for frame in range(frames - 1):
        change = np.zeros((2, 2 * frames))
        change[:, 2 * frame : 2 * frame + 2] = -np.array([[1, 1], [0, 1]])
        change[:, 2 * frame + 2 : 2 * frame + 4] = np.eye(2)
        rows += [*(factor @ change / acceleration)]
        values += [0, 0]
    expected = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0][::2]
    assert found == pytest.approx(expected, abs=0.1)
