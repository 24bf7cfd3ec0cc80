"""AI Challenger's own file form."""

import pytest

from lib.formats import aic
from lib.utils.errors import InputError

PERSON = [float(number) for number in range(42)]


def image(**changes):
    record = {
        "image_id": "a.jpg",
        "keypoint_annotations": {"human1": PERSON},
        "human_annotations": {"human1": [1, 2, 3, 4]},
    }
    return {key: value for key, value in (record | changes).items() if value is not ...}


def test_people_by_image():
    people = aic.read([image()], "gt.json", boxes=True)["a"]
    assert people.keypoints.ravel().tolist() == PERSON
    assert people.boxes.tolist() == [[1, 2, 3, 4]]
    people = aic.read([image(human_annotations=..., keypoint_annotations={})], "pred.json", boxes=False)["a"]
    assert people.keypoints.shape == (0, 14, 3)


def test_coco_format():
    names = [f"joint {number}" for number in range(14)]
    person = [5, 6, 1, 7, 8, 2, 9, 9, 3, *[0, 0, 3] * 11]
    people = {"human1": person, "human2": [1, 1, 1] * 14}
    boxes = {"human1": [10, 20, 40, 60], "human2": [0, 0, 9, 9]}
    content = [image(image_id="b"), image(keypoint_annotations=people, human_annotations=boxes)]
    content[0]["keypoint_annotations"] = {}
    coco = aic.to_coco(content, "gt.json", names)
    assert coco["images"] == [{"id": 1, "file_name": "b.jpg"}, {"id": 2, "file_name": "a.jpg"}]
    assert coco["categories"] == [{"id": 1, "name": "person", "keypoints": names}]
    first, second = coco["annotations"]
    assert first["keypoints"] == [5, 6, 2, 7, 8, 1, *[0] * 36]
    assert (first["bbox"], first["num_keypoints"]) == ([10, 20, 30, 40], 2)
    assert [(one["id"], one["image_id"]) for one in (first, second)] == [(1, 2), (2, 2)]
    with pytest.raises(InputError, match=r"gt\.json: image a: the third number of each joint must be 1, 2 or 3"):
        aic.to_coco([image()], "gt.json", names)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "x.json: not in AI Challenger's format"),
        ([image(image_id=7)], r"x.json: \[0\]: expected an object with image_id, a string"),
        ([image(), image(image_id="a")], r"x.json: \[1\]: a is listed twice;"),
        ([image(keypoint_annotations=[])], r"x.json: \[0\]: keypoint_annotations and human_annotations must be"),
        ([image(human_annotations=...)], r"x.json: \[0\]: keypoint_annotations and human_annotations must be"),
        (
            [image(human_annotations={})],
            r"x.json: \[0\]: people\[0\]: 'human_annotations' must contain 4 finite numbers",
        ),
        (
            [image(keypoint_annotations={"human1": [1, 2]})],
            r"x.json: \[0\]: people\[0\]: 'keypoint_annotations' must contain 42 finite numbers, not 2",
        ),
    ],
)
def test_wrong_files(content, message):
    with pytest.raises(InputError, match=message):
        aic.read(content, "x.json", boxes=True)
