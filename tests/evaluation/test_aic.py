"""AI Challenger's own mAP, worked out by hand."""

import json

import numpy as np
import pytest

from lib.evaluation.aic import mean_average_precision
from lib.evaluation.oks import evaluate_oks
from lib.formats.aic import AicPeople


def people(*shifts, v=1):
    """People of 14 joints around (100, 100), moved to the right; a box of 100 × 100 each."""
    joints = [[[100 + joint + shift, 100, v] for joint in range(14)] for shift in shifts]
    boxes = [[100 + shift, 100, 200 + shift, 200] for shift in shifts]
    return AicPeople(np.array(joints, dtype=float).reshape(-1, 14, 3), np.array(boxes, dtype=float).reshape(-1, 4))


@pytest.mark.parametrize(
    ("labeled", "predicted", "expected"),
    [
        (people(0), people(0), 1),
        (people(0, 500), people(0), 1 / 2),
        (people(0), people(0, 500, 900), 1 / 3),  # one too many counts as one that was missed
        (people(0, 0), people(0), 1),  # one prediction serves both
        (people(0, 500), people(), 0),
        (people(), people(0), 0),
        (people(0, v=2), people(0), 0),  # nobody without a visible joint is found
    ],
)
def test_one_image(labeled, predicted, expected):
    assert mean_average_precision({"a": labeled}, {"a": predicted}) == pytest.approx(expected)


def test_images_are_summed():
    labeled = {"a": people(0), "b": people(0, 500), "c": people(0)}
    predicted = {"a": people(0), "b": people(0), "d": people(0)}  # c has none, d is not labeled
    assert mean_average_precision(labeled, predicted) == pytest.approx(2 / 4)


def test_only_visible_joints_over_the_threshold_count():
    """Of four joints that are not missing two are visible: one exact, one lost. OKS .5 is not over .5."""
    labeled, predicted = people(0, v=3), people(0)
    labeled.keypoints[0, :4, 2] = 1, 1, 2, 2
    predicted.keypoints[0, 1:, 0] += 1000
    assert mean_average_precision({"a": labeled}, {"a": predicted}) == 0
    predicted.keypoints[0, 1, 0] -= 1000
    assert mean_average_precision({"a": labeled}, {"a": predicted}) == pytest.approx(1)


def test_area_of_the_box():
    """An error d of the right shoulder alone: OKS = exp(−d² / (2 (2σ)² (area + 1))); .70002 is over .5 to .7."""
    labeled, predicted = people(0, v=3), people(0)
    labeled.keypoints[0, 0, 2] = 1
    predicted.keypoints[0, 0, 1] += np.sqrt(-np.log(0.70002) * 2 * (2 * 0.01388152) ** 2 * 10001)
    assert mean_average_precision({"a": labeled}, {"a": predicted}) == pytest.approx(0.5)


def test_a_factor_on_the_sigmas():
    """Twice as far away and with twice the sigmas, the mAP is the same."""
    labeled = {"a": people(0)}
    near, far = ({"a": people(shift)} for shift in (2, 4))
    assert 0 < mean_average_precision(labeled, near) < 1
    assert mean_average_precision(labeled, near) != mean_average_precision(labeled, far)
    assert mean_average_precision(labeled, far, sigma_scale=2) == mean_average_precision(labeled, near)


def test_files(tmp_path, caplog):
    record = {"image_id": "a", "keypoint_annotations": {"human1": people(0).keypoints.ravel().tolist()}}
    (tmp_path / "gt.json").write_text(json.dumps([record | {"human_annotations": {"human1": [100, 100, 200, 200]}}]))
    (tmp_path / "pred.json").write_text(json.dumps([record | {"image_id": "a.jpg"}, record | {"image_id": "b"}]))
    assert evaluate_oks("aic", tmp_path / "gt.json", tmp_path / "pred.json") == {"table": {"mAP": 1}}
    assert "1 images do not count" in caplog.text
