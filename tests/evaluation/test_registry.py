"""Scorers of files in which everybody has one pose."""

import json

import pytest

from lib.evaluation.registry import pck_scorer
from lib.utils.errors import InputError

TRUTH = {
    "images": [{"id": 1}],
    "annotations": [{"id": 11, "image_id": 1, "keypoints": [10, 20, 2, 30, 40, 1]}],
    "categories": [{"keypoints": ["nose", "tail"]}],
}


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_pose_and_its_person(tmp_path):
    truth = write(tmp_path / "gt.json", TRUTH)
    poses = write(tmp_path / "pred.json", [{"image_id": 1, "keypoints": [10, 23, 1, 34, 40, 1]}])
    assert pck_scorer("joints").evaluate(truth, poses)["table"]["EPE"] == 3.5


def test_nobody_is_labeled(tmp_path):
    person = TRUTH["annotations"][0] | {"iscrowd": 1}
    truth = write(tmp_path / "gt.json", TRUTH | {"annotations": [person]})
    with pytest.raises(InputError, match=r"gt\.json: no annotation has a labeled joint: there is nothing to score"):
        pck_scorer("joints").check(truth, 1)
