"""COCO-style files of several videos as labels, and PoseTrack's."""

import copy
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from lib.formats import coco
from lib.formats.labels import coco as coco_labels
from lib.formats.labels import cvat
from lib.formats.labels import cvat_writer as cvat_writing
from lib.formats.labels import posetrack as posetrack_labels
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.utils.errors import InputError

NAN = float("nan")
CONTENT = {
    "images": [
        {"id": 5, "file_name": "clip.mp4#79", "width": 64, "height": 48},
        {"id": 6, "file_name": "mice/img0012.png", "frame_id": 3},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 5,
            "track_id": 4,
            "category_id": 1,
            "keypoints": [1, 2, 2, 3, 4, 1],
            "bbox": [0, 1, 2, 3],
        },
        {"id": 2, "image_id": 5, "category_id": 1, "keypoints": [0, 0, 0, 5, 6, 2], "scores": [0, 0.5]},
        {"id": 3, "image_id": 6, "category_id": 1, "keypoints": [7, 8, 0.93, 9, 9, 0], "score": 0.25},
    ],
    "categories": [{"id": 1, "name": "mouse", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}],
}


def read(folder, change=None):
    content = copy.deepcopy(CONTENT)
    if change:
        change(content)
    (folder / "labels.json").write_text(json.dumps(content))
    return coco_labels.read(folder / "labels.json")


def test_a_file_of_others(tmp_path):
    labels = read(tmp_path)
    assert labels.frames == (Frame("clip.mp4", 79, "", 64, 48), Frame("mice", 12, "mice/img0012.png"))
    assert (labels.names, labels.edges, labels.category) == (("nose", "tail"), ((0, 1),), "mouse")
    assert labels.track.tolist() == [4, -1, -1]
    assert labels.visibility.tolist() == [[2, 1], [0, 2], [2, 0]]
    np.testing.assert_array_equal(labels.joints[1], [[NAN, NAN], [5, 6]])
    np.testing.assert_array_equal(labels.scores, [[NAN, NAN], [NAN, 0.5], [0.25, NAN]])
    np.testing.assert_array_equal(labels.boxes[:2], [[0, 1, 2, 3], [NAN] * 4])


def test_a_file_that_lists_videos_tells_the_numbers_of_frames(tmp_path):
    def change(content):
        content["videos"] = [{"id": 9, "name": "a.avi"}]
        content["images"][1]["video_id"] = 9

    assert read(tmp_path, change).frames[1] == Frame("a.avi", 3, "mice/img0012.png")


def test_crowds_and_drawings_that_cannot_be_read_are_left_out(tmp_path, caplog):
    def change(content):
        content["annotations"][2]["iscrowd"] = 1
        content["categories"][0]["skeleton"] = [[0, 1]]

    with caplog.at_level(logging.WARNING):
        labels = read(tmp_path, change)
    assert len(labels.frame) == 2
    assert labels.edges == ()
    assert "annotations of crowds left out: 1" in caplog.text
    assert "pairs of numbers from 1 to 2" in caplog.text


def put(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (put("images", 0, "file_name", value=7), r"images\[0\]: no 'file_name'"),
        (put("images", 1, "id", value=5), "two of them share an id"),
        (put("images", 1, "file_name", value="clip.mp4#79"), "frame clip.mp4#79 is listed more than once"),
        (put("annotations", 0, "image_id", value=99), "image_id 99 is not in 'images'"),
        (put("annotations", 1, "track_id", value=4), "frame clip.mp4#79: track4 appears 2 times"),
        (put("annotations", 1, "track_id", value="x"), r"annotations\[1\]: 'track_id' must be a whole number"),
        (put("annotations", 0, "keypoints", value=[1, 2, 2]), r"annotations\[0\]: 'keypoints' must contain 6"),
        (put("annotations", 0, "keypoints", value=[1, "inf", 2, 3, 4, 1]), r"annotations\[0\]: 'keypoints'"),
        (put("annotations", value=[]), "no joint is labeled"),
        (put("categories", 0, "keypoints", value=["a", "a"]), "unique names"),
        (
            put("categories", value=[*CONTENT["categories"], {"keypoints": ["a"]}]),
            r"categories\[1\]: other 'keypoints'",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, change, fault):
    with pytest.raises(InputError, match=fault):
        read(tmp_path, change)


def test_what_is_written_can_be_propagated(tmp_path):
    """It is a file that `tools/propagate.py --labels` and pycocotools take."""
    frames = [Frame("v", number, f"{number:06}.png", 64, 48) for number in (3, 7)]
    joints = [[1, 2, 5, 8], [3, 4, NAN, NAN]]
    labels = checked_labels("x", ["nose", "tail"], frames, [0, 1], joints, track=[2, 2])
    coco_labels.write(tmp_path / "labels.json", labels)
    content = coco.read_labels(tmp_path / "labels.json")
    assert [image["file_name"] for image in content["images"]] == ["000003.png", "000007.png"]
    first, second = content["annotations"]
    assert first["keypoints"] == [1, 2, 2, 5, 8, 2]
    assert (first["track_id"], first["bbox"], first["area"], first["num_keypoints"]) == (2, [1, 2, 4, 6], 24, 2)
    assert second["keypoints"] == [3, 4, 2, 0, 0, 0]
    assert "scores" not in first


def test_posetrack_has_its_own_joints(tmp_path):
    frames = [Frame("v", 3, "v/000003.jpg", 64, 48)]
    labels = checked_labels("x", ["nose", "snout"], frames, [0], [[1, 2, 3, 4]], edges=[(0, 1)])
    assert posetrack_labels.write(tmp_path / "v.json", labels) == [
        "1 joints that PoseTrack does not have",
        "1 edges of the skeleton",
        "1 frames' width and height",
    ]
    read = posetrack_labels.read(tmp_path / "v.json")
    assert read.joints[0, KEYPOINT_NAMES.index("nose")].tolist() == [1, 2]
    assert read.labeled.sum() == 1
    with pytest.raises(InputError, match="has none of the joints snout"):
        posetrack_labels.write(tmp_path / "w.json", checked_labels("x", ["snout"], frames, [0], [[1, 2]]))
    several = checked_labels("x", ["nose"], [Frame("v", 3), Frame("w", 3)], [0, 1], [[1, 2], [3, 4]])
    with pytest.raises(InputError, match="holds one video"):
        posetrack_labels.write(tmp_path / "w.json", several)
    assert [Path(path).name for path in tmp_path.iterdir()] == ["v.json"]


@pytest.mark.parametrize("joints", [{}, {"keypoints": []}])
def test_the_first_category_with_joints_counts(tmp_path, joints):
    def change(content):
        content["categories"] = [{"id": 0, "name": "animals", "skeleton": [[7, 8]]} | joints, *content["categories"]]

    labels, expected = read(tmp_path, change), read(tmp_path)
    assert (labels.names, labels.edges, labels.category) == (expected.names, expected.edges, expected.category)
    np.testing.assert_array_equal(labels.joints, expected.joints)


def test_joints_labeled_one_by_one_stay_so(tmp_path):
    """CVAT's points have no category, and are no skeletons again on their way back."""
    labels = checked_labels("x", ["nose"], [Frame("v", 3)], [0], [[[1, 2]]], category="")
    coco_labels.write(tmp_path / "a.json", labels)
    read_back = coco_labels.read(tmp_path / "a.json")
    assert read_back.category == ""
    cvat_writing.write(tmp_path / "a.xml", read_back)
    assert "skeleton" not in (tmp_path / "a.xml").read_text()
    assert cvat.read(tmp_path / "a.xml").category == ""


@pytest.mark.parametrize("name", [..., None])
def test_a_category_without_a_name(tmp_path, name):
    def change(content):
        del content["categories"][0]["name"]
        content["categories"][0] |= {} if name is ... else {"name": name}

    assert read(tmp_path, change).category == "individual"
