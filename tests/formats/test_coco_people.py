"""Wrong files of COCO-style ground truth and predictions: one line that names the record."""

import numpy as np
import pytest

from lib.formats.coco_people import read_labels, read_predictions
from lib.formats.json_fields import number_column
from lib.utils.errors import InputError

FIELDS = {"keypoints": 2, "foot_kpts": 1}


def labels(**changes):
    person = {"image_id": 3, "category_id": 1, "bbox": [0, 0, 4, 5], "keypoints": [1, 2, 2] * 3}
    return {"images": [{"id": 3}], "annotations": [person], "categories": [{"id": 1}]} | changes


def prediction(**changes):
    person = {
        "image_id": 3,
        "category_id": 1,
        "keypoints": [1, 2, 0.5, 5, 4, 0.5],
        "foot_kpts": [9, 9, 1],
        "score": 0.5,
    }
    return {key: value for key, value in (person | changes).items() if value is not ...}


def test_labels():
    people = read_labels(labels(), "gt.json", FIELDS)
    assert people.keypoints.tolist() == [[[1, 2, 2]] * 3]
    assert people.boxes.tolist() == [[0, 0, 4, 5]]
    assert np.isnan([*people.areas, *people.num_keypoints, *people.crowd_indices]).all()
    assert not people.crowd.any()


ANY = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [
        {"id": 11, "image_id": 1, "keypoints": [10, 20, 2, 30, 40, 1], "bbox": [1, 2, 3, 4], "iscrowd": 0},
        {"id": 12, "image_id": 1, "keypoints": [5, 5, 0, 6, 6, 0]},
        {"image_id": 1, "keypoints": [50, 60, 2, 0, 0, 0], "headbox": [5, 6, 7, 8]},
        {"id": 14, "image_id": 2, "keypoints": [1, 1, 2, 2, 2, 2], "iscrowd": 1},
        {"id": 15, "image_id": 2},
    ],
    "categories": [{"keypoints": ["nose", "tail"]}],
}
"""A file of joints that nobody knows, which lacks what it can."""


def test_labels_of_any_joints():
    people = read_labels(ANY, "gt.json")
    assert people.names == ["nose", "tail"]
    assert people.annotation_ids == [11, 12, None, 14, 15]
    assert people.person_images.tolist() == [1, 1, 1, 2, 2]
    assert people.joints[0].tolist() == [[10, 20], [30, 40]]
    both, none = [True, True], [False, False]
    assert people.labeled.tolist() == [both, none, [True, False], none, none]  # the fourth is a crowd
    np.testing.assert_array_equal(people.boxes[:2], [[1, 2, 3, 4], [np.nan] * 4])
    np.testing.assert_array_equal(people.head_boxes[1:3], [[np.nan] * 4, [5, 6, 7, 8]])
    assert (people.category_ids.tolist(), people.person_categories.tolist()) == ([-1], [-1] * 5)
    person = ANY["annotations"][0] | {"area": "?", "num_keypoints": None}
    content = {"annotations": [person], "categories": ANY["categories"]}  # no list of images
    assert read_labels(content, "gt.json").joints.tolist() == [[[10, 20], [30, 40]]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [{"image_id": 1, "keypoints": [1]}]}, r"annotations\[0\]: 'keypoints' must contain 6"),
        ({"annotations": [{"image_id": 1, "category_id": "x"}]}, r"annotations\[0\]: 'category_id' must be a whole"),
        ({"categories": []}, "lacks 'keypoints'"),
        ({"categories": [{"id": 1}]}, "lacks 'keypoints'"),
    ],
)
def test_wrong_labels_of_any_joints(changes, message):
    with pytest.raises(InputError, match=message):
        read_labels(ANY | changes, "gt.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": ...}, "gt.json: 'categories' must be a list of objects"),
        ({"annotations": ...}, "gt.json: 'annotations' must be a list of objects"),
        ({"images": [{"id": "x"}]}, r"gt.json: images\[0\]: 'id' must be a whole number, not 'x'"),
        (
            {"annotations": [{"image_id": 3, "category_id": 1, "keypoints": [1] * 6}]},
            r"gt.json: annotations\[0\]: 'foot_kpts' must contain 3 finite numbers",
        ),
        (
            {"annotations": [{"image_id": 3, "category_id": 1, "keypoints": [1] * 9}]},
            r"gt.json: annotations\[0\]: 'bbox' must contain 4 finite numbers",
        ),
    ],
)
def test_wrong_labels(changes, message):
    content = {key: value for key, value in labels(**changes).items() if value is not ...}
    with pytest.raises(InputError, match=message):
        read_labels(content, "gt.json", FIELDS)


def test_list_of_labels():
    with pytest.raises(InputError, match=r"gt.json: not a COCO-style file of ground truth"):
        read_labels([], "gt.json", FIELDS)


def test_predictions():
    people = read_predictions([prediction(), prediction(foot_score=0.7)], "pred.json", FIELDS, ["foot_score"])
    assert people.keypoints[0].tolist() == [[1, 2, 0.5], [5, 4, 0.5], [9, 9, 1]]
    assert people.areas.tolist() == [8, 8]  # of the first field's joints
    assert {key: values.tolist() for key, values in people.scores.items()} == {
        "score": [0.5, 0.5],
        "foot_score": [0.5, 0.7],
    }
    assert read_predictions([prediction(bbox=[0, 0, 3, 7])], "pred.json", FIELDS).areas.tolist() == [21]
    assert read_predictions([], "pred.json", FIELDS).keypoints.shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": [1, 2, 3]}, r"pred.json: predictions\[1\]: 'keypoints' must contain 6 finite numbers, not 3"),
        (
            {"keypoints": [1, 2, 3, 4, 5, float("nan")]},
            r"pred.json: predictions\[1\]: 'keypoints' must contain 6 finite numbers$",
        ),
        ({"keypoints": ...}, r"pred.json: predictions\[1\]: 'keypoints' must contain 6 finite numbers$"),
        ({"score": None}, r"pred.json: predictions\[1\]: 'score' must contain a finite number"),
        ({"score": "high"}, r"pred.json: predictions\[1\]: 'score' must contain a finite number"),
        ({"image_id": ...}, r"pred.json: predictions\[1\]: 'image_id' must be a whole number, not None"),
        ({"category_id": ...}, r"pred.json: predictions\[1\]: 'category_id' must be a whole number, not None"),
    ],
)
def test_wrong_predictions(changes, message):
    with pytest.raises(InputError, match=message):
        read_predictions([prediction(), prediction(**changes)], "pred.json", FIELDS)


def test_unranked_predictions():
    poses = [{"image_id": 3, "keypoints": [1, 2, 0.5]}, {"image_id": "3", "keypoints": [[1, 2, 0.5]], "id": 7}]
    people = read_predictions(poses, "pred.json", {"keypoints": 1}, ranked=False)
    assert people.keypoints.tolist() == [[[1, 2, 0.5]]] * 2
    assert people.annotation_ids == [None, 7]
    assert people.categories.tolist() == [-1, -1]
    assert np.isnan(people.scores["score"]).all()
    assert read_predictions([poses[1] | {"annotation_id": 8}], "", {"keypoints": 1}, ranked=False).annotation_ids == [8]
    poses = [poses[0] | {"bbox": [1, 2, 3, 4, 0.9], "score": [0.5]}, poses[1] | {"bbox": None, "score": "high"}]
    people = read_predictions(poses, "pred.json", {"keypoints": 1}, ranked=False)  # MMPose's boxes have their score
    assert np.isnan(people.scores["score"]).all()
    assert people.areas.tolist() == [0, 0]


@pytest.mark.parametrize("content", [{"annotations": []}, [1], None])
def test_predictions_are_a_list_of_objects(content):
    with pytest.raises(InputError, match=r"pred.json: predictions must be a list of objects"):
        read_predictions(content, "pred.json", FIELDS)


def test_numbers_in_lists_of_some_records():
    assert number_column([{"a": [1, 2]}, {"a": [[3], [4]]}], "a", 2, "x").tolist() == [[1, 2], [3, 4]]
