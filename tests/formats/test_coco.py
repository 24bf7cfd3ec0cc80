import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from lib.formats.added_poses import AddedPose, add_poses
from lib.formats.coco import complete_images, keep_labels, labeled_images, read_labels
from lib.formats.labels.coco import keep_manual_labels
from lib.formats.posetrack_set import read_joints, read_videos
from lib.utils.errors import InputError

CONTENT = {
    "info": {"description": "two mice"},
    "images": [
        {"id": 7, "file_name": "cage/10.png", "width": 64, "anything": [1, 2]},
        {"id": 3, "file_name": "cage/11.png"},
    ],
    "annotations": [
        {
            "id": 5,
            "image_id": 7,
            "track_id": 1,
            "category_id": 4,
            "keypoints": [1, 2, 2, 3.5, 4, 1, 0, 0, 0],
            "note": "x",
        },
        {"id": 6, "image_id": 7, "track_id": 2, "category_id": 4, "keypoints": [5, 6, 2, 7, 8, 2, 9, 10, 2]},
    ],
    "categories": [{"id": 4, "name": "mouse", "keypoints": ["nose", "left_ear", "tail"], "skeleton": [[1, 2], [1, 3]]}],
}


def write(folder, **changes):
    path = folder / "labels.json"
    path.write_text(json.dumps(copy.deepcopy(CONTENT) | changes))
    return path


def test_joints_and_arrays_of_any_names(tmp_path):
    path = write(tmp_path)
    assert read_joints(path) == (["nose", "left_ear", "tail"], None)
    (video,) = read_videos(path, ["tail", "nose", "left_ear"])
    np.testing.assert_array_equal(video.joints[0], [[0, 0], [1, 2], [3.5, 4]])
    np.testing.assert_array_equal(video.labeled, [[False, True, True], [True, True, True]])
    assert (video.name, video.frame_names) == ("cage", ["cage/10.png", "cage/11.png"])


def test_existing_content_is_kept_and_people_are_added(tmp_path):
    content = read_labels(write(tmp_path))
    before = copy.deepcopy(content)
    names = ["tail", "nose", "left_ear"]
    joints, scores, disagreement = (
        np.array([[1, 2], [9, 9], [4.0004, 6]]),
        np.array([0.5, 0, 0.25]),
        np.array([7, 8, np.nan]),
    )
    first = AddedPose(
        file_name="11.png",
        source="10.png",
        track=2,
        joints=joints,
        scores=scores,
        names=names,
        sources=[[10, 13], [10], [10]],
        disagreement=disagreement,
    )
    nothing = {"joints": np.zeros((3, 2)), "scores": np.zeros(3), "sources": [[], [], []], "disagreement": np.zeros(3)}
    second = replace(first, file_name="12.png", track=-1, **nothing)
    made = add_poses(content, [first, second], {"by": "us"})
    assert content == before
    assert made["annotations"][:2] == before["annotations"]
    assert made["images"][:2] == before["images"]
    assert made["images"][2:] == [{"id": 8, "file_name": "12.png", "is_labeled": False, "width": 64}]
    assert made["info"] == {"description": "two mice", "by": "us"}
    assert made["annotations"][2] == {
        "id": 7,
        "image_id": 3,
        "category_id": 4,
        "keypoints": [0, 0, 0, 4, 6, 2, 1, 2, 2],
        "num_keypoints": 2,
        "scores": [0, 0.25, 0.5],
        "sources": [None, [10], [10, 13]],
        "disagreement": [None, None, 7],
        "bbox": [1, 2, 3, 4],
        "area": pytest.approx(12, abs=0.01),
        "iscrowd": 0,
        "propagated_from": "10.png",
        "track_id": 2,
    }
    assert made["annotations"][3]["num_keypoints"] == 0
    assert "track_id" not in made["annotations"][3]
    path = tmp_path / "made.json"
    path.write_text(json.dumps(made))
    (video,) = read_videos(path, names)
    np.testing.assert_allclose(video.joints[2], [[1, 2], [0, 0], [4, 6]])


def test_joints_that_a_labeled_person_lacks_are_filled_and_taken_out_again(tmp_path):
    content = read_labels(write(tmp_path))
    joints, disagreement = np.array([[50.0, 60], [70, 80], [90, 95]]), np.array([1.5, 2, 3])
    pose = AddedPose(
        file_name="10.png",
        source="11.png",
        track=1,
        joints=joints,
        scores=np.full(3, 0.5),
        names=["nose", "left_ear", "tail"],
        sources=[[11]] * 3,
        disagreement=disagreement,
    )
    whole = replace(pose, track=2)
    made = add_poses(content, [pose, whole], {})
    person = made["annotations"][0]
    assert person["keypoints"] == [1, 2, 2, 3.5, 4, 1, 90, 95, 2]
    told = person["scores"], person["sources"], person["disagreement"]
    assert told == ([None, None, 0.5], [None, None, [11]], [None, None, 3])
    assert made["annotations"][1:] == content["annotations"][1:]  # he lacks none
    third = replace(pose, file_name="11.png", source="10.png", track=3, sources=[[10]] * 3)
    again = keep_manual_labels(add_poses(made, [third], {}), "labels.json")
    own = content["annotations"][0] | {"num_keypoints": 2, "open_joints": ["tail"]}
    assert again["annotations"] == [own, content["annotations"][1]]
    assert [image["is_labeled"] for image in again["images"]] == [False, False]
    assert complete_images(again) == set()
    assert "open_joints" not in add_poses(again, [], {})["annotations"][0]
    assert keep_manual_labels(add_poses(again, [], {}), "labels.json") == again  # not found: still open


def test_an_image_that_a_program_labeled_is_not_labeled_by_a_person(tmp_path):
    content = read_labels(write(tmp_path))
    first, second = content["images"]
    content["images"] = [first | {"is_labeled": True}, second | {"is_labeled": True}]
    content["annotations"].append(content["annotations"][0] | {"image_id": 3, "scores": [0.5, 0.5, 0.5]})
    assert labeled_images(keep_manual_labels(content, "labels.json")) == {7}
    content["annotations"].pop()  # an image in which a person found nobody
    assert labeled_images(keep_manual_labels(content, "labels.json")) == {3, 7}


def test_labels_of_some_frames_are_kept(tmp_path):
    people = CONTENT["annotations"] + [CONTENT["annotations"][0] | {"image_id": 3, "id": 9}]
    kept = keep_labels(read_labels(write(tmp_path, annotations=people)), ["11.png"])
    assert [person["id"] for person in kept["annotations"]] == [9]
    assert [image["is_labeled"] for image in kept["images"]] == [False, True]


def test_images_may_be_labeled_and_empty(tmp_path):
    content = read_labels(write(tmp_path))
    assert labeled_images(content) == {7}
    content["images"][1]["is_labeled"] = True
    assert labeled_images(content) == {3, 7}


def test_a_lone_animal_needs_no_track_id(tmp_path):
    alone = [{key: value for key, value in CONTENT["annotations"][0].items() if key != "track_id"}]
    assert read_labels(write(tmp_path, annotations=alone))["annotations"][0]["track_id"] == 0


def test_ids_may_be_written_as_texts_and_crowds_are_nobody(tmp_path):
    images = [image | {"id": str(image["id"])} for image in CONTENT["images"]]
    crowds = [{"id": 9, "image_id": "7", "iscrowd": 1, "track_id": 1}] * 2
    content = read_labels(write(tmp_path, images=images, annotations=[*CONTENT["annotations"], *crowds]))
    assert [image["id"] for image in content["images"]] == [7, 3]
    assert {person["image_id"] for person in content["annotations"]} == {7}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": [{"id": 1, "file_name": "a/1.png"}, {"id": 2, "file_name": "b/1.png"}]},
            "images[1]: 1.png is listed twice",
        ),
        ({"images": [{"id": 1}]}, "images[0]: a file_name, and a whole number as id, are required"),
        ({"annotations": [{"image_id": 9}]}, "annotations[0]: image_id 9 is not in 'images'"),
        ({"annotations": [{"image_id": 7}, {"image_id": 7}]}, "annotations[0]: no track_id"),
        ({"annotations": [{"image_id": 7, "track_id": 1}] * 2}, "annotations[1]: a second track_id 1 in its frame"),
        ({"categories": []}, "lacks 'keypoints'"),
        ({"annotations": None}, "'annotations' must be a list"),
    ],
)
def test_bad_labels_name_the_record(tmp_path, changes, message):
    with pytest.raises(InputError) as error:
        read_labels(write(tmp_path, **changes))
    assert str(tmp_path / "labels.json") in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("category", "message"),
    [
        ({"keypoints": ["a", "a"]}, "unique"),
        ({"keypoints": []}, "unique"),
        ({"keypoints": [1, 2]}, "lacks 'keypoints'"),
    ],
)
def test_bad_joints(tmp_path, category, message):
    with pytest.raises(InputError, match=message):
        read_joints(write(tmp_path, categories=[category]))
