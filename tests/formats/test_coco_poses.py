"""People of COCO-style files, and whose pose is whose."""

import json
import re

import numpy as np
import pytest

from lib.formats.coco_poses import read_estimates, read_poses
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


def write(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def truth(tmp_path):
    return read_poses(write(tmp_path / "gt.json", CONTENT))


def first_x(tmp_path, truth, poses):
    points = read_estimates(write(tmp_path / "pred.json", poses), truth)
    np.testing.assert_array_equal(points[:, 0, 0], points[:, 1, 0])
    return points[:, 0, 0]


def test_people(truth):
    assert truth.names == ["nose", "tail"]
    assert truth.annotation_ids == [11, 12, 13, 14, 15]
    assert truth.image_ids == [1, 1, 1, 2, 2]
    assert truth.points[0].tolist() == [[10, 20], [30, 40]]
    both, none = [True, True], [False, False]
    assert truth.labeled.tolist() == [both, none, [True, False], none, both]  # the fourth is a crowd
    np.testing.assert_array_equal(truth.boxes[:2], [[1, 2, 3, 4], [NAN] * 4])
    np.testing.assert_array_equal(truth.head_boxes[1:3], [[NAN] * 4, [5, 6, 7, 8]])


def test_by_annotation_id(tmp_path, truth):
    poses = [pose(2, 5, id=15), pose(1, 3, id=13), pose(1, 1, id="11", annotation_id=11), pose(1, 2, annotation_id=12)]
    np.testing.assert_array_equal(first_x(tmp_path, truth, poses), [1, 2, 3, NAN, 5])


def test_by_order_among_the_labelled_or_among_all(tmp_path, truth):
    poses = [pose(2, 5), pose(1, 1), pose(1, 3)]
    np.testing.assert_array_equal(first_x(tmp_path, truth, poses), [1, NAN, 3, NAN, 5])
    poses = [pose(1, 1), pose(1, 2), pose(2, 4), pose(1, 3), pose(2, 5)]
    np.testing.assert_array_equal(first_x(tmp_path, truth, poses), [1, 2, 3, 4, 5])
    nested = [pose(2, 5), pose(1, 1), pose(1, 3) | {"keypoints": [[3, 1, 1], [3, 1, 1]]}]
    np.testing.assert_array_equal(first_x(tmp_path, truth, nested), [1, NAN, 3, NAN, 5])


GOOD = [pose(1, 1, id=11), pose(1, 3, id=13), pose(2, 5, id=15)]


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        ({"annotations": GOOD}, "predictions are a JSON list"),
        ([{"image_id": 1}], "predictions are a JSON list of objects, each with image_id and keypoints"),
        ([pose("x", 1)], "predictions[0]: 'image_id' has to be a whole number"),
        ([GOOD[0] | {"keypoints": [1, 2, 3]}], "predictions[0]: 'keypoints' has to hold 6 finite numbers"),
        ([*GOOD[:2], pose(2, 5)], "predictions[2]: no annotation_id, which others have"),
        ([*GOOD, pose(1, 1, id=16)], "predictions[3]: id 16 is not that of an annotation of image_id 1"),
        ([*GOOD, pose(2, 1, id=12)], "predictions[3]: id 12 is not that of an annotation of image_id 2"),
        ([*GOOD, GOOD[1]], "predictions[3]: a second pose of annotation 13"),
        (GOOD[:1], "no pose for annotation 13 of image_id 1 (2 lack one)"),
        ([], "no pose for annotation 11 of image_id 1 (3 lack one)"),
        ([pose(1, 1), pose(2, 5)], "image_id 1: 1 poses for 2 labelled people: give each pose the annotation_id"),
        ([pose(7, 1)], "image_id 7: 1 poses for 0 labelled people"),
    ],
)
def test_whose_pose_cannot_be_told(tmp_path, truth, poses, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_estimates(write(tmp_path / "pred.json", poses), truth)
    assert str(caught.value).startswith(str(tmp_path / "pred.json"))


def test_ids_that_are_taken_twice_tell_nothing(tmp_path):
    content = json.loads(json.dumps(CONTENT))
    content["annotations"][1]["id"] = 11
    truth = read_poses(write(tmp_path / "gt.json", content))
    with pytest.raises(InputError, match="two in the ground truth have one id"):
        read_estimates(write(tmp_path / "pred.json", GOOD), truth)
    np.testing.assert_array_equal(first_x(tmp_path, truth, [pose(1, 1), pose(1, 3), pose(2, 5)]), [1, NAN, 3, NAN, 5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not a COCO-style file"),
        (CONTENT | {"annotations": CONTENT["annotations"][1:2]}, "no annotation has a labelled joint"),
        (CONTENT | {"annotations": [{"image_id": 1, "keypoints": [1]}]}, "annotations[0]: 'keypoints' has to hold 6"),
        (CONTENT | {"categories": []}, "lacks 'keypoints'"),
    ],
)
def test_broken_truth(tmp_path, content, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_poses(write(tmp_path / "gt.json", content))
