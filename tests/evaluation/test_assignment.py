"""Whose pose is whose."""

import json
import re

import numpy as np
import pytest

from lib.evaluation.assignment import assign_poses
from lib.formats.coco_people import read_labels, read_predictions
from lib.utils.errors import InputError

CONTENT = {
    "images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
    "annotations": [
        {"id": 11, "image_id": 1, "keypoints": [10, 20, 2, 30, 40, 1], "bbox": [1, 2, 3, 4], "iscrowd": 0},
        {"id": 12, "image_id": 1, "keypoints": [5, 5, 0, 6, 6, 0]},
        {"id": 13, "image_id": 1, "keypoints": [50, 60, 2, 0, 0, 0], "headbox": [5, 6, 7, 8]},
        {"id": 14, "image_id": 2, "keypoints": [1, 1, 2, 2, 2, 2], "iscrowd": 1},
        {"id": 15, "image_id": 2, "keypoints": [70, 80, 1, 90, 99, 2]},
    ],
    "categories": [{"id": 1, "keypoints": ["nose", "tail"]}],
}
NAN = float("nan")


def pose(image_id, x, **keys):
    return {"image_id": image_id, "keypoints": [x, 1, 0.5, x, 2, 0.5], **keys}


@pytest.fixture
def truth():
    return read_labels(CONTENT, "gt.json")


def matched(truth, poses):
    return assign_poses(truth, read_predictions(poses, "pred.json", {"keypoints": 2}, ranked=False), "pred.json")


def first_x(truth, poses):
    points = matched(truth, poses)
    np.testing.assert_array_equal(points[:, 0, 0], points[:, 1, 0])
    return points[:, 0, 0]


def test_by_annotation_id(truth):
    poses = [pose(2, 5, id=15), pose(1, 3, id=13), pose(1, 1, id="11", annotation_id=11), pose(1, 2, annotation_id=12)]
    np.testing.assert_array_equal(first_x(truth, poses), [1, 2, 3, NAN, 5])


def test_by_order_among_the_labeled_or_among_all(truth):
    poses = [pose(2, 5), pose(1, 1), pose(1, 3)]
    np.testing.assert_array_equal(first_x(truth, poses), [1, NAN, 3, NAN, 5])
    poses = [pose(1, 1), pose(1, 2), pose(2, 4), pose(1, 3), pose(2, 5)]
    np.testing.assert_array_equal(first_x(truth, poses), [1, 2, 3, 4, 5])
    nested = [pose(2, 5), pose(1, 1), pose(1, 3) | {"keypoints": [[3, 1, 1], [3, 1, 1]]}]
    np.testing.assert_array_equal(first_x(truth, nested), [1, NAN, 3, NAN, 5])


GOOD = [pose(1, 1, id=11), pose(1, 3, id=13), pose(2, 5, id=15)]


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        ({"annotations": GOOD}, "predictions must be a list of objects with image_id and keypoints"),
        ([{"image_id": 1}], "predictions[0]: 'keypoints' must contain 6 finite numbers"),
        ([pose("x", 1)], "predictions[0]: 'image_id' must be a whole number"),
        ([GOOD[0] | {"keypoints": [1, 2, 3]}], "predictions[0]: 'keypoints' must contain 6 finite numbers"),
        ([*GOOD[:2], pose(2, 5)], "predictions[2]: no annotation_id, but other poses have one"),
        ([*GOOD, pose(1, 1, id=16)], "predictions[3]: the ground truth has no annotation 16 in image_id 1"),
        ([*GOOD, pose(2, 1, id=12)], "predictions[3]: the ground truth has no annotation 12 in image_id 2"),
        ([*GOOD, GOOD[1]], "predictions[3]: a second pose of annotation 13"),
        (GOOD[:1], "no pose for annotation 13 of image_id 1 (2 lack one)"),
        ([], "no pose for annotation 11 of image_id 1 (3 lack one)"),
        ([pose(1, 1), pose(2, 5)], "image_id 1: 1 poses for 2 labeled people: give each pose the annotation_id"),
        ([pose(7, 1)], "image_id 7: 1 poses for 0 labeled people"),
    ],
)
def test_ambiguous_poses_are_refused(truth, poses, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        matched(truth, poses)
    assert str(caught.value).startswith("pred.json: ")


def test_repeated_ids_are_refused():
    content = json.loads(json.dumps(CONTENT))
    content["annotations"][1]["id"] = 11
    truth = read_labels(content, "gt.json")
    with pytest.raises(InputError, match="two annotations of the ground truth share an id"):
        matched(truth, GOOD)
    np.testing.assert_array_equal(first_x(truth, [pose(1, 1), pose(1, 3), pose(2, 5)]), [1, NAN, 3, NAN, 5])


def test_ids_of_poses_require_ids_of_people():
    people = [{key: value for key, value in one.items() if key != "id"} for one in CONTENT["annotations"]]
    truth = read_labels(CONTENT | {"annotations": people}, "gt.json")
    with pytest.raises(InputError, match=r"pred\.json: poses have annotation ids, but the ground truth has none"):
        matched(truth, [pose(1, 1, id=11)])
