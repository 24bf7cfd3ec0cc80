"""MPII's files: ground truth, lists of people, predictions in the shapes that systems write."""

import json
import re

import h5py
import numpy as np
import pytest
from matlab_files import write_mpii_truth
from scipy.io import loadmat, savemat

from lib.formats.mpii import JOINTS, read_people, read_predictions, read_truth, write_predictions
from lib.utils.errors import InputError

POINTS = np.random.default_rng(0).uniform(1, 900, (3, 16, 2))  # of 3 people


@pytest.mark.parametrize("people", [1, 3])
def test_truth(tmp_path, people):
    missing = np.zeros((16, people))
    missing[5, 0] = 1
    heads = np.zeros((2, 2, people))
    heads[:, :, 0] = [[10, 20], [40, 60]]
    names = [*JOINTS[8:], *JOINTS[:8]]
    write_mpii_truth(tmp_path / "gt.mat", POINTS[:people].transpose(1, 2, 0), missing, heads, names)
    truth = read_truth(tmp_path / "gt.mat")
    assert truth.names == tuple(names)
    np.testing.assert_array_equal(truth.joints, POINTS[:people])
    assert truth.labeled.shape == (people, 16)
    assert np.argwhere(~truth.labeled).tolist() == [[0, 5]]
    assert truth.head_boxes[0].tolist() == [10, 20, 40, 60]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos_gt_src": np.zeros((3, 16, 2))}, "'pos_gt_src' of shape (16, 2, people)"),
        ({"headboxes_src": "text"}, "'headboxes_src' of shape (2, 2, people)"),
        ({"jnt_missing": np.zeros((16, 4))}, "differ in the number of people"),
    ],
)
def test_broken_truth(tmp_path, change, message):
    arrays = {
        "pos_gt_src": np.zeros((16, 2, 3)),
        "jnt_missing": np.zeros((16, 3)),
        "headboxes_src": np.zeros((2, 2, 3)),
    }
    savemat(tmp_path / "gt.mat", arrays | change)
    with pytest.raises(InputError, match=re.escape(message)):
        read_truth(tmp_path / "gt.mat")
    with pytest.raises(InputError, match=r"needs head boxes.*gt_valid\.mat"):
        read_truth(tmp_path / "valid.json")


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("name", ["preds", "pos_pred_src"])
def test_predictions_with_axes_in_any_order(tmp_path, axes, name):
    savemat(tmp_path / "p.mat", {name: POINTS.transpose(axes), "other": 1})
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.mat", 3), POINTS)


def test_predictions_of_other_kinds(tmp_path):
    scored = np.concatenate([POINTS, np.ones((3, 16, 1))], axis=2).astype(np.float32)
    np.save(tmp_path / "p.npy", scored)
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.npy", 3), scored[:, :, :2])
    rows = POINTS.tolist()
    rows[1][2] = [None, None]  # not estimated
    for content in (rows, {"preds": rows}):
        (tmp_path / "p.json").write_text(json.dumps(content))
        joints = read_predictions(tmp_path / "p.json", 3)
        assert np.argwhere(np.isnan(joints)).tolist() == [[1, 2, 0], [1, 2, 1]]
        np.testing.assert_array_equal(np.isnan(joints) | (joints == POINTS), True)
    savemat(tmp_path / "one.mat", {"preds": POINTS[0]})  # (16, 2): MATLAB's of one person
    np.testing.assert_array_equal(read_predictions(tmp_path / "one.mat", 1), POINTS[:1])
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["preds"] = POINTS
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.h5", 3), POINTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"predictions": []}, "must be called 'preds'; the file has predictions"),
        (POINTS[:2].tolist(), "'preds' has the shape (2, 16, 2); (3, 16, 2) is needed"),
        ([[1, 2], [3]], "'preds' must contain numbers"),
        (3, "the shape (); (3, 16, 2)"),
    ],
)
def test_broken_predictions(tmp_path, content, message):
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=re.escape(message)):
        read_predictions(tmp_path / "p.json", 3)


def test_pickles_are_not_read(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"p\.npy: not a \.npy file of numbers"):
        read_predictions(tmp_path / "p.npy", 3)


def test_submission_counts_from_1(tmp_path):
    write_predictions(tmp_path / "pred.mat", POINTS)
    written = loadmat(tmp_path / "pred.mat")["preds"]
    assert written.shape == (3, 16, 2)
    np.testing.assert_array_equal(written, POINTS + 1)
    np.testing.assert_array_equal(read_predictions(tmp_path / "pred.mat", 3), POINTS + 1)


PERSON = {
    "image": "1.jpg",
    "center": [594.0, 257.0],
    "scale": 3.021,
    "joints": [[620.0, 394.0], *[[1, 1]] * 14, [-1, -1]],
    "joints_vis": [1] * 15 + [0],
}


def test_list_of_people_counts_from_0(tmp_path):
    test = {key: PERSON[key] for key in ("image", "center", "scale")}  # the test split has no labels
    (tmp_path / "valid.json").write_text(json.dumps([PERSON, test]))
    person, unlabeled = read_people(tmp_path / "valid.json")
    assert (person.image, person.scale, person.center.tolist()) == ("1.jpg", 3.021, [593, 256])
    assert person.joints[[0, 1]].tolist() == [[619, 393], [0, 0]]
    assert person.labeled.tolist() == [True] * 15 + [False]
    assert unlabeled.center.tolist() == [593, 256]
    assert not unlabeled.labeled.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": None}, "entry 0: expected an object with 'image'"),
        ({"scale": "tall"}, "entry 0: 'scale' must contain finite numbers"),
        ({"joints": [[1, 2]]}, "entry 0: 'joints' must contain finite numbers, shape (16, 2)"),
        ({"joints_vis": None}, "entry 0: 'joints_vis'"),
    ],
)
def test_broken_list_of_people(tmp_path, change, message):
    (tmp_path / "valid.json").write_text(json.dumps([PERSON | change]))
    with pytest.raises(InputError, match=re.escape(message)):
        read_people(tmp_path / "valid.json")
