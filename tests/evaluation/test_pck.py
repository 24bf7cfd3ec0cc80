import numpy as np
import pytest
from labeled_people import labeled_people

from lib.evaluation.pck import evaluate_jhmdb, evaluate_pck, joint_errors, pck
from lib.utils.errors import InputError


def test_errors_in_pixels_and_in_sizes_of_the_person():
    truth = np.array([[[0, 0], [10, 40], [5, 5]], [[3, 3], [9, 9], [0, 0]]], dtype=float)
    labeled = np.array([[True, True, False], [True, False, False]])
    estimates = truth + np.array([[[3, 4], [0, 1], [99, 99]], [[0, 2], [0, 0], [0, 0]]])
    pixels, shares = joint_errors(estimates, truth, labeled)
    np.testing.assert_allclose(pixels, [5, 1, 2])
    np.testing.assert_allclose(shares, [5 / 40, 1 / 40, np.inf])  # one joint has no size
    assert pck(shares) == pytest.approx(100 / 3)
    assert pck(shares, 0.125) == pytest.approx(200 / 3)


def test_nobody():
    pixels, shares = joint_errors(np.zeros((0, 3, 2)), np.zeros((0, 3, 2)), np.zeros((0, 3), dtype=bool))
    assert len(pixels) == len(shares) == 0
    assert np.isnan(pck(shares))


JHMDB = [
    *("neck", "belly", "head", "right_shoulder", "left_shoulder", "right_hip", "left_hip", "right_elbow"),
    *("left_elbow", "right_knee", "left_knee", "right_wrist", "left_wrist", "right_ankle", "left_ankle"),
]


def people(joints, labeled, boxes=None, names=("a", "b", "c")):
    return labeled_people(joints, labeled, names, range(1, len(joints) + 1), boxes)


@pytest.fixture
def two():
    """Boxes of 100 and 200 pixels around joints that span 80 and 50; the second one lacks joint c."""
    joints = [[[0, 0], [80, 0], [10, 60]], [[0, 0], [30, 50], [999, 999]]]
    return people(joints, [[True, True, True], [True, True, False]], [[0, 0, 100, 50], [0, 0, 20, 200]])


def test_pck_is_strict_and_joint_by_joint(two):
    """By the box, @0.1 is under 10 and 20 pixels."""
    estimates = two.joints + np.array([[[10, 0], [0, 9.9], [0, 21]], [[19.9, 0], [0, 9.9], [0, 0]]])
    result = evaluate_pck(two, estimates, "box")
    assert result["normalizer"] == "box"
    assert result["table"]["PCK@0.05"] == pytest.approx(100 * (0 + 0.5 + 0) / 3)
    assert result["table"]["PCK@0.1"] == pytest.approx(100 * (0.5 + 1 + 0) / 3)  # not 3 of 5
    assert result["table"]["PCK@0.2"] == pytest.approx(100 * (1 + 1 + 0) / 3)
    assert result["table"]["EPE"] == pytest.approx((10 + 9.9 + 21 + 19.9 + 9.9) / 5)
    assert result["joints"]["a"]["PCK@0.1"] == 50
    assert result["joints"]["a"]["EPE"] == pytest.approx(14.95)
    by_joints = evaluate_pck(two, estimates, "joints")["table"]  # @0.2: under 16 and 10 pixels
    assert by_joints["PCK@0.2"] == pytest.approx(100 * (0.5 + 1 + 0) / 3)


def test_auc_counts_thresholds_from_0(two):
    """Off by 7 of 30 pixels: hits at 0.25 … 0.95, 15 of the 20 thresholds 0, 0.05 … 0.95; exact: at all but 0."""
    shift = np.array([7.0, 0])
    assert evaluate_pck(two, two.joints + shift, "box")["table"]["AUC"] == pytest.approx(75)
    assert evaluate_pck(two, two.joints, "box")["table"]["AUC"] == pytest.approx(95)
    by_box = evaluate_pck(two, two.joints + shift, "box")["table"]["AUC@box"]  # 0.07 and 0.035: 18 and 19 of 20
    assert by_box == pytest.approx(100 * (18.5 + 18.5 + 18) / 20 / 3)


def test_unlabeled_joints_are_left_out():
    truth = people(np.zeros((2, 3, 2)), [[True, False, False], [True, True, False]], np.ones((2, 4)))
    result = evaluate_pck(truth, truth.joints + np.array([[[9, 9], [0, 0], [0, 0]], [[0, 0], [0, 0], [0, 0]]]), "box")
    assert result["table"]["PCK@0.1"] == 75
    assert np.isnan(result["joints"]["c"]["PCK@0.1"])
    assert np.isnan(result["joints"]["c"]["EPE"])


def test_people_without_size_are_left_out_with_a_warning(two, caplog):
    truth = people([[[0, 0], [10, 0], [0, 0]], [[5, 5], [0, 0], [0, 0]]], [[True, True, False], [True, False, False]])
    table = evaluate_pck(truth, truth.joints + 1.0, "joints")["table"]
    assert table["PCK@0.2"] == 100
    assert table["EPE"] == pytest.approx(2**0.5)
    assert "1 people are left out of PCK" in caplog.text


def test_normalizers_require_joints_or_boxes(two):
    with pytest.raises(InputError, match="no joint 'left_shoulder'"):
        evaluate_pck(two, two.joints, "torso")
    two.boxes[1] = np.nan
    with pytest.raises(InputError, match="annotation 2 of the ground truth: no 'bbox'"):
        evaluate_pck(two, two.joints, "box")


def jhmdb():
    """Three people in boxes of 100 pixels; the torsos, left shoulder to right hip, are 50, 0.5 and 50 pixels long."""
    joints = np.zeros((3, 15, 2))
    joints[:, JHMDB.index("right_hip"), 0] = 50, 0.5, 50
    joints[:, 2:, 1] += np.arange(13) * 100 * (np.array(JHMDB[2:]) != "left_shoulder")
    joints[:, JHMDB.index("right_hip"), 1] = joints[:, JHMDB.index("left_shoulder"), 1] = 0
    return people(joints, np.ones((3, 15), dtype=bool), [[0, 0, 100, 60]] * 3, JHMDB)


def test_jhmdb_by_box_and_by_torso():
    truth = jhmdb()
    estimates = truth.joints.copy()
    estimates[:, JHMDB.index("head"), 0] += 19.9, 5, 9.9
    estimates[:, JHMDB.index("left_knee"), 0] += 20, 3, 10
    estimates[:, JHMDB.index("belly"), 0] += 99
    estimates[1, JHMDB.index("right_hip"), 0] = 20  # the torso of whom the labels give none: hits under 4 pixels
    result = evaluate_jhmdb(truth, estimates)
    assert list(result["table"]) == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"]
    third = 100 / 3
    box, torso = result["table"], result["torso"]
    assert (box["Head"], box["Knee"]) == pytest.approx((100, (100 + 2 * third) / 2))
    assert box["Mean"] == pytest.approx((13 * 100 + 2 * third + 0) / 15)
    assert (torso["Head"], torso["Knee"]) == pytest.approx((third, (100 + third) / 2))
    assert (box["Hip"], torso["Hip"]) == pytest.approx((100, (100 + 2 * third) / 2))
    assert torso["Mean"] == pytest.approx((11 * 100 + third + third + 2 * third + 0) / 15)


def test_a_torso_of_which_one_end_is_not_labeled_is_the_estimated_one():
    truth = jhmdb()
    truth.keypoints[0, JHMDB.index("left_shoulder"), 2] = 0
    estimates = truth.joints.copy()
    estimates[0, JHMDB.index("left_shoulder"), 0] = -150  # 200 pixels
    estimates[:, JHMDB.index("head"), 0] += 39, 0, 0
    estimates[1, JHMDB.index("right_hip"), 0] = 2
    assert evaluate_jhmdb(truth, estimates)["torso"]["Head"] == 100


def test_jhmdb_needs_its_joints(two):
    with pytest.raises(InputError, match="lacks head, left_shoulder"):
        evaluate_jhmdb(two, two.joints)
