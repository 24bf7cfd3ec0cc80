"""PCKh of MPII and MPII-TRB on people whose scores can be counted by hand."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from labeled_people import labeled_people

from lib.evaluation.pckh import evaluate_mpii, evaluate_mpii_trb
from lib.formats.mpii import JOINTS, MpiiTruth, read_predictions, read_truth
from lib.utils.errors import InputError

DATA = os.environ.get("POSEWARPER_TEST_DATA")
NAN = float("nan")


@pytest.fixture
def truth():
    """Two people with heads of 0.6 · 50 = 30 and 0.6 · 100 = 60 pixels."""
    joints = np.random.default_rng(1).uniform(0, 999, (2, 16, 2)).round()
    heads = np.array([[10, 10, 40, 50], [0, 0, 60, 80]], dtype=float)
    return MpiiTruth(JOINTS, joints, np.ones((2, 16), dtype=bool), heads)


def moved(truth, **pixels):
    """Estimates that are off by so many pixels, for both people, by joint; the others are right."""
    joints = truth.joints.copy()
    for name, distances in pixels.items():
        joints[:, JOINTS.index(name), 0] += distances
    return joints


def test_half_a_head_and_the_names_of_the_table(truth):
    """15 and 30 pixels are half a head: hits, a little more is not."""
    joints = moved(truth, head=(15, 30.1), lsho=(15.1, 30.1), rwri=(-15, -30), lank=(99, 99), rank=(0, 99))
    result = evaluate_mpii(truth, joints)
    assert list(result["table"]) == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean", "Mean@0.1"]
    columns = {"Head": 50, "Shoulder": 50, "Elbow": 100, "Wrist": 100, "Hip": 100, "Knee": 100, "Ankle": 25}
    assert {name: result["table"][name] for name in columns} == columns
    assert result["table"]["Mean"] == pytest.approx(100 * (28 - 1 - 2 - 2 - 1) / 28)
    assert result["joints"]["lank"] == 0
    assert result["joints"]["rank"] == 50


def test_mean_weighs_joints_by_their_labels_and_leaves_out_pelvis_and_thorax(truth):
    labeled = truth.labeled.copy()
    labeled[0, JOINTS.index("head")] = False
    truth = dataclasses.replace(truth, labeled=labeled)
    result = evaluate_mpii(truth, moved(truth, head=(0, 99), pelv=(99, 99), thor=(99, 99)))
    assert result["table"]["Head"] == 0
    assert result["joints"]["pelv"] == 0
    assert result["table"]["Mean"] == pytest.approx(100 * 26 / 27)


def test_the_column_at_01_uses_threshold_011(truth):
    """0.11 of the first one's head of 30 pixels is 3.3, and of the second one's 6.6."""
    joints = moved(truth, **dict.fromkeys(JOINTS[:8], (3.2, 6.5)), **dict.fromkeys(JOINTS[8:], (3.4, 6.7)))
    table = evaluate_mpii(truth, joints)["table"]
    assert table["Mean"] == 100
    assert table["Mean@0.1"] == pytest.approx(100 * 6 / 14)  # of the first eight joints pelvis and thorax do not count


def test_no_estimate_is_a_miss_and_no_label_no_score(truth):
    truth = dataclasses.replace(truth, labeled=truth.labeled & (np.array(JOINTS) != "head"))
    table = evaluate_mpii(truth, moved(truth, lwri=(NAN, 0), head=(NAN, NAN)))["table"]
    assert np.isnan(table["Head"])
    assert table["Wrist"] == 75
    assert table["Mean"] == pytest.approx(100 * 25 / 26)


def test_joints_are_known_by_name(truth):
    order = np.random.default_rng(2).permutation(16)
    joints = moved(truth, head=(99, 99), lkne=(0, 99))
    shuffled = MpiiTruth(
        tuple(JOINTS[joint] for joint in order), truth.joints[:, order], truth.labeled[:, order], truth.head_boxes
    )
    assert evaluate_mpii(shuffled, joints[:, order])["table"] == evaluate_mpii(truth, joints)["table"]
    with pytest.raises(InputError, match="dataset_joints lacks head"):
        evaluate_mpii(dataclasses.replace(truth, names=("top", *JOINTS[1:9], "crown", *JOINTS[10:])), joints)


@pytest.mark.skipif(not DATA, reason="POSEWARPER_TEST_DATA is not set: no predictions on MPII")
def test_a_published_system_on_mpii_val():
    """An eight-stack hourglass, 89.092 by MPII's tool."""
    folder = Path(DATA, "eval/mpii")
    truth = read_truth(folder / "detections_our_format.mat")
    table = evaluate_mpii(truth, read_predictions(folder / "preds/bearpaw-hg_s8_b1.mat", 2958))["table"]
    assert round(table["Mean"], 3) == 89.092


def trb(heads):
    """Two people of whom all 40 joints are labeled but the last two of the first."""
    joints = np.random.default_rng(3).uniform(0, 999, (2, 40, 2)).round()
    labeled = np.ones((2, 40), dtype=bool)
    labeled[0, 38:] = False
    names = [f"joint{k}" for k in range(40)]
    return labeled_people(joints, labeled, names, [5, 6], head_boxes=heads)


def test_trb_is_strict_and_counts_all_joints_alike():
    """Heads of 50 and 100 pixels: a hit is under 15 and 30."""
    truth = trb([[10, 10, 40, 50], [0, 0, 60, 80]])
    joints = truth.joints.copy()
    joints[:, 0, 1] += 14.9, 30  # hit, miss
    joints[:, 13, 0] -= 15, 29.9  # miss, hit
    joints[:, 14, 0] += 15.1, 30.1  # two misses
    joints[0, 39] += 500  # not labeled
    result = evaluate_mpii_trb(truth, joints)
    skeleton, contour, mean = 100 * 26 / 28, 100 * 48 / 50, 100 * 74 / 78
    assert result["table"] == pytest.approx({"Skeleton": skeleton, "Contour": contour, "Mean": mean})
    assert list(result["table"]) == ["Skeleton", "Contour", "Mean"]
    assert [result["joints"][f"joint{k}"] for k in (0, 13, 14, 39)] == [50, 50, 0, 100]


def test_trb_without_head_box():
    truth = trb([[10, 10, 40, 50], [NAN] * 4])
    with pytest.raises(InputError, match="annotation 6 of the ground truth: no 'headbox'"):
        evaluate_mpii_trb(truth, truth.joints)
    truth.keypoints[1, :, 2] = 0  # whom nobody scores
    joints = np.where(truth.labeled[:, :, None], truth.joints, NAN)
    assert evaluate_mpii_trb(truth, joints)["table"]["Mean"] == 100
