"""Reading and writing PoseTrack's two file forms."""

import copy
import dataclasses
import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
from matlab_files import EMPTY, struct_array, write_posetrack
from scipy.io import savemat

from lib.formats import posetrack17, posetrack18
from lib.formats.posetrack_set import read_video, read_videos
from lib.formats.video_annotations import JOINT_NAMES, KEYPOINT_NAMES, KEYPOINT_OF_JOINT, NO_SCORE, VideoAnnotations
from lib.utils.errors import InputError

GOLDEN = Path(__file__).parent.parent / "golden" / "poseval"

CONTENT_2017 = {
    "annolist": [
        {
            "image": [{"name": "images/v/00000001.jpg"}],
            "imgnum": [1],
            "is_labeled": [1],
            "ignore_regions": [{"point": [{"x": [1], "y": [2]}, {"x": [30], "y": [4]}, {"x": [5], "y": [60]}]}],
            "annorect": [
                {
                    **{"x1": [10], "y1": [20], "x2": [40], "y2": [60], "track_id": [7], "score": [0.25]},
                    "annopoints": [
                        {
                            "point": [
                                {"id": [13], "x": [1.5], "y": [2.5], "score": [0.75]},
                                {"id": [0], "x": [3], "y": [4]},
                            ]
                        }
                    ],
                },
                {"track_id": [8], "annopoints": []},
                {"track_id": [9], "annopoints": [{"point": []}]},
            ],
        },
        {"image": [{"name": "images/v/00000002.jpg"}], "imgnum": [2], "annorect": []},
    ]
}
KEYPOINTS = [[0, 0, 0] for _ in KEYPOINT_NAMES]
KEYPOINTS[0], KEYPOINTS[2], KEYPOINTS[3] = [401, 530, 1], [392.8559265, 510.1, 0], [0, 0, 1]
FLAT = [value for keypoint in KEYPOINTS for value in keypoint]
CONTENT_2018 = {
    "images": [
        {"id": 20, "file_name": "images/val/v/000000.jpg", "frame_id": 20, "nframes": 9, "is_labeled": True,
         "ignore_regions_x": [[0, 9, 9], []], "ignore_regions_y": [[0, 0, 9], []]},
        {"id": 10, "file_name": "images/val/v/000001.jpg", "frame_id": 10, "nframes": 9, "is_labeled": False},
    ],
    "annotations": [
        {"image_id": 10, "id": 1, "category_id": 1, "track_id": 4, "keypoints": FLAT,
         "scores": [k / 16 for k in range(17)], "bbox": [1, 2, 3, 4.5], "score": 0.5},
        {"image_id": 20, "id": 2, "category_id": 1, "track_id": 5, "keypoints": FLAT, "scores": [],
         "bbox_head": [378, 503, 44, 53]},
    ],
    "categories": [{"id": 1, "name": "person", "keypoints": list(KEYPOINT_NAMES)}],
}  # fmt: skip


def read(folder, content):
    path = folder / "video.json"
    path.write_text(json.dumps(content))
    return read_video(path)


def assert_same(one: VideoAnnotations, other: VideoAnnotations, but=()):
    for field in dataclasses.fields(VideoAnnotations):
        if field.name not in ("annotation_ids", *but):  # a written file numbers its people
            a, b = getattr(one, field.name), getattr(other, field.name)
            if field.name == "ignore_regions":
                assert [[polygon.tolist() for polygon in regions] for regions in a] == [
                    [polygon.tolist() for polygon in regions] for regions in b
                ]
            else:
                np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_keypoints_of_joints():
    pairs = {joint: KEYPOINT_NAMES[k] for joint, k in zip(JOINT_NAMES, KEYPOINT_OF_JOINT, strict=True)}
    assert pairs.pop("neck") == "head_bottom"
    assert all(joint == keypoint for joint, keypoint in pairs.items())
    assert JOINT_NAMES.index("right_ankle") == 0
    assert JOINT_NAMES.index("left_wrist") == 11


def test_read_2017(tmp_path):
    video = read(tmp_path, CONTENT_2017)
    assert (video.name, video.nframes, video.image_ids) == ("video", 2, [0, 1])
    assert video.frame_names == ["images/v/00000001.jpg", "images/v/00000002.jpg"]
    assert video.frame_labeled.tolist() == [True, False]
    assert video.person_frame.tolist() == [0, 0, 0]
    assert video.has_joint_list.tolist() == [True, False, True]
    assert video.track_ids.tolist() == [7, 8, 9]
    assert np.flatnonzero(video.present[0]).tolist() == [0, 13]
    assert video.joints[0, [0, 13, 5]].tolist() == [[3, 4], [1.5, 2.5], [0, 0]]
    assert video.scores[0, [0, 13, 5]].tolist() == [NO_SCORE, 0.75, NO_SCORE]
    assert not video.present[1:].any()
    np.testing.assert_array_equal(video.person_scores, [0.25, np.nan, np.nan])
    assert video.head_boxes[0].tolist() == [10, 20, 40, 60]
    assert np.isnan(video.head_boxes[1:]).all()
    assert [[polygon.tolist() for polygon in regions] for regions in video.ignore_regions] == [
        [[[1, 2], [30, 4], [5, 60]]],
        [],
    ]


def test_read_2017_without_lists_of_one(tmp_path):
    """As other tools write it: a plain image object, bare numbers, one person, one point."""
    loose = copy.deepcopy(CONTENT_2017)
    first, second = loose["annolist"]
    first["image"], second["image"] = {"name": first["image"][0]["name"]}, {"name": [second["image"][0]["name"]]}
    first["is_labeled"] = True
    for rect in first["annorect"]:
        rect.update({key: value[0] for key, value in rect.items() if key != "annopoints"})
    first["annorect"][0]["annopoints"] = {
        "point": [
            {key: value[0] for key, value in point.items()} for point in first["annorect"][0]["annopoints"][0]["point"]
        ]
    }
    first["ignore_regions"] = first["ignore_regions"][0]
    del second["annorect"]
    assert_same(read(tmp_path, loose), read(tmp_path, CONTENT_2017))


def test_read_2017_takes_the_first_of_15_ids(tmp_path):
    content = copy.deepcopy(CONTENT_2017)
    points = content["annolist"][0]["annorect"][0]["annopoints"][0]["point"]
    points += [{"id": [13], "x": [9], "y": [9]}, {"id": [15], "x": [9], "y": [9]}]
    assert_same(read(tmp_path, content), read(tmp_path, CONTENT_2017))


def test_read_2018(tmp_path):
    video = read(tmp_path, CONTENT_2018)
    assert (video.nframes, video.image_ids) == (9, [20, 10])
    assert video.frame_labeled.tolist() == [True, False]
    assert video.track_ids.tolist() == [5, 4]  # sorted by frame: image 20 is the first
    assert video.annotation_ids.tolist() == [2, 1]
    nose, head_top = JOINT_NAMES.index("nose"), JOINT_NAMES.index("head_top")
    assert np.flatnonzero(video.present[0]).tolist() == [nose, head_top]  # an ear is no joint
    assert np.flatnonzero(video.labeled[0]).tolist() == [nose]
    assert video.joints[0, nose].tolist() == [401, 530]
    assert video.joints[0, head_top].tolist() == [392.8559265, 510.1]
    assert (video.scores[0] == NO_SCORE).all()
    assert video.scores[1, [nose, head_top]].tolist() == [0, 2 / 16]
    assert video.head_boxes[0].tolist() == [378, 503, 422, 556]
    assert video.boxes[1].tolist() == [1, 2, 3, 4.5]
    assert np.isnan(video.boxes[0]).all()
    assert np.isnan(video.head_boxes[1]).all()
    np.testing.assert_array_equal(video.person_scores, [np.nan, 0.5])
    assert [len(regions) for regions in video.ignore_regions] == [2, 0]
    assert video.ignore_regions[0][0].tolist() == [[0, 0], [9, 0], [9, 9]]


def test_labeled_unless_it_says_otherwise(tmp_path):
    content = copy.deepcopy(CONTENT_2018)
    for image in content["images"]:
        del image["is_labeled"]
    content["annotations"].pop()
    assert read(tmp_path, content).frame_labeled.tolist() == [False, True]


def test_keypoints_by_name(tmp_path):
    """A file may list the 15 joints alone, in any order."""
    content = copy.deepcopy(CONTENT_2018)
    order = [*range(16, 4, -1), 2, 1, 0]
    content["categories"][0]["keypoints"] = [KEYPOINT_NAMES[k] for k in order]
    for annotation in content["annotations"]:
        annotation["keypoints"] = [value for k in order for value in KEYPOINTS[k]]
        annotation["scores"] = [annotation["scores"][k] for k in order] if annotation["scores"] else []
    assert_same(read(tmp_path, content), read(tmp_path, CONTENT_2018))


@pytest.mark.parametrize("content", [CONTENT_2017, CONTENT_2018])
def test_round_trip_2018(tmp_path, content):
    video = read(tmp_path, content)
    posetrack18.write(tmp_path / "again" / "video.json", video)
    assert_same(read_video(tmp_path / "again" / "video.json"), video)


@pytest.mark.parametrize("content", [CONTENT_2017, CONTENT_2018])
def test_round_trip_2017(tmp_path, content):
    video = read(tmp_path, content)
    posetrack17.write(tmp_path / "again" / "video.json", video)
    no_place = () if content is CONTENT_2017 else ("image_ids", "nframes", "boxes", "labeled")
    assert_same(read_video(tmp_path / "again" / "video.json"), video, but=no_place)


@pytest.mark.parametrize("form", [posetrack17, posetrack18])
def test_writing_is_stable(tmp_path, form):
    for path in sorted((GOLDEN / "small" / "pred").glob("*.json")):
        video = read_video(path)
        form.write(tmp_path / path.name, video)
        once = (tmp_path / path.name).read_bytes()
        form.write(tmp_path / path.name, read_video(tmp_path / path.name))
        assert (tmp_path / path.name).read_bytes() == once


def test_submission_2017(tmp_path):
    posetrack17.write(tmp_path / "video.json", read(tmp_path, CONTENT_2017))
    content = json.loads((tmp_path / "video.json").read_text())
    first = content["annolist"][0]
    assert first["image"] == [{"name": "images/v/00000001.jpg"}]
    assert [frame["imgnum"] for frame in content["annolist"]] == [[1], [2]]
    rect = first["annorect"][0]
    assert rect["track_id"] == [7]
    assert rect["score"] == [0.25]
    assert rect["annopoints"] == [
        {"point": [{"id": [0], "x": [3], "y": [4]}, {"id": [13], "x": [1.5], "y": [2.5], "score": [0.75]}]}
    ]
    assert "annopoints" not in first["annorect"][1]


def test_submission_2018(tmp_path):
    posetrack18.write(tmp_path / "video.json", read(tmp_path, CONTENT_2018))
    content = json.loads((tmp_path / "video.json").read_text())
    assert [image["frame_id"] for image in content["images"]] == [20, 10]
    assert content["images"][0]["file_name"] == "images/val/v/000000.jpg"
    assert content["categories"][0]["keypoints"] == list(KEYPOINT_NAMES)
    unscored, scored = content["annotations"]
    assert unscored["scores"] == []
    assert [len(scored["keypoints"]), len(scored["scores"]), scored["track_id"], scored["category_id"]] == [
        51,
        17,
        4,
        1,
    ]
    assert scored["keypoints"][:9] == [401, 530, 1, 0, 0, 0, 392.8559265, 510.1, 0]
    assert scored["bbox"] == [1, 2, 3, 4.5]
    assert unscored["id"] != scored["id"]


def test_formats_agree_on_golden_files():
    for path in sorted((GOLDEN / "small" / "gt").glob("*.json")):
        assert_same(
            read_video(path),
            read_video(GOLDEN / "small" / "gt_2017" / path.name),
            but=("image_ids", "boxes", "labeled"),
        )


def broken(content, *path_and_value):
    """A copy of the content with one value replaced, or removed if the value is ...."""
    content = copy.deepcopy(content)
    *path, last, value = path_and_value
    place = content
    for key in path:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


RECT = ("annolist", 0, "annorect", 0)
POINT = (*RECT, "annopoints", 0, "point", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "neither 'annolist' (2017) nor 'images' (2018)"),
        (broken(CONTENT_2017, "annolist", [3]), "'annolist': '[3]' must be a list of objects"),
        (broken(CONTENT_2017, "annolist", 1, "image", ...), "annolist[1]: 'image'"),
        (
            broken(CONTENT_2017, *RECT[:3], [3]),
            "annolist[0] (images/v/00000001.jpg): '[3]' must be a list of objects",
        ),
        (broken(CONTENT_2017, *RECT, "track_id", [0.5]), "annorect[0]: 'track_id' must be a whole number, not 0.5"),
        (broken(CONTENT_2017, *POINT, "x", ...), "(images/v/00000001.jpg), annorect[0]: 'x' must be a finite number"),
        (broken(CONTENT_2017, *POINT, "y", ["4a"]), "annorect[0]: 'y' must be a finite number, not '4a'"),
        (broken(CONTENT_2017, *RECT, "track_id", [1e30]), "annorect[0]: 'track_id' must be a whole number"),
        (
            broken(CONTENT_2017, "annolist", 0, "ignore_regions", 0, "point", 0, "x", []),
            "annolist[0] (images/v/00000001.jpg): 'x'",
        ),
        (broken(CONTENT_2018, "annotations", [3]), "'annotations' must be a list of objects"),
        (broken(CONTENT_2018, "images", 1, "id", [10]), "images[1]: 'id' must be a whole number, not [10]"),
        (broken(CONTENT_2018, "images", 1, "id", 20), "images[1]: id 20 is used twice"),
        (broken(CONTENT_2018, "images", 0, "file_name", ...), "images[0]: 'file_name' must be a string"),
        (broken(CONTENT_2018, "images", 0, "ignore_regions_x", [[1, 2], []]), "images[0]: 'ignore_regions_x' and"),
        (
            broken(CONTENT_2018, "annotations", 1, "image_id", ...),
            "annotations[1]: 'image_id' must be a whole number, not None",
        ),
        (
            broken(CONTENT_2018, "annotations", 1, "keypoints", [1, 2, 3]),
            "annotations[1]: 'keypoints' must contain 51 finite",
        ),
        (
            broken(CONTENT_2018, "annotations", 0, "scores", 3, None),
            "annotations[0]: 'scores' must contain 17 finite numbers",
        ),
        (
            broken(CONTENT_2018, "annotations", 1, "track_id", "x"),
            "annotations[1]: 'track_id' must be a whole number, not 'x'",
        ),
        (broken(CONTENT_2018, "annotations", 1, "track_id", 1.5), "'track_id' must be a whole number, not 1.5"),
        (broken(CONTENT_2018, "categories", 0, "keypoints", ...), "categories[0] lacks 'keypoints'"),
        (broken(CONTENT_2018, "categories", 0, "keypoints", 0, "eye"), "categories: 'keypoints' lacks nose"),
    ],
)
def test_malformed(tmp_path, content, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "video.json"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*POINT, "x"), [[str(CONTENT_2017["annolist"][0]["annorect"][0]["annopoints"][0]["point"][1]["x"][0])]]),
        (("annolist", 1, "annorect"), ""),
        (("annolist", 1, "annorect"), [None]),
        (("annolist", 1, "annorect"), {}),
        (("annolist", 1, "ignore_regions"), ""),
    ],
)
def test_values_that_matlab_writes_for_2017_lists(tmp_path, place, value):
    content = CONTENT_2017
    if place[0] == "annolist" and place[1] == 1:
        content = broken(content, "annolist", 1, "annorect", [])
    assert_same(read(tmp_path, broken(content, *place, value)), read(tmp_path, content))


def test_a_video_of_one_frame_of_2017_may_be_no_list(tmp_path):
    content = {"annolist": CONTENT_2017["annolist"][:1]}
    assert_same(read(tmp_path, {"annolist": content["annolist"][0]}), read(tmp_path, content))


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (("annotations", 1, "bbox"), [1, 2, 3, 4, 0.9], "boxes"),
        (("annotations", 1, "score"), "high", "person_scores"),
        (("images", 0, "nframes"), None, "nframes"),
    ],
)
def test_unscored_values_may_have_other_types(tmp_path, place, value, field):
    ours, theirs = read(tmp_path, CONTENT_2018), read(tmp_path, broken(CONTENT_2018, *place, value))
    assert_same(theirs, ours, but=(field,))
    if field != "nframes":
        assert np.isnan(getattr(theirs, field)[0]).all()  # annotation 1 is of the first frame


def test_ids_may_be_numbers_of_any_kind(tmp_path):
    content = json.loads(json.dumps(CONTENT_2018))
    for image in content["images"]:
        image["id"] = float(image["id"])
    for annotation in content["annotations"]:
        annotation["image_id"] = str(annotation["image_id"])
    assert_same(read(tmp_path, content), read(tmp_path, CONTENT_2018))


@pytest.mark.parametrize("annotations", [..., None, []])
@pytest.mark.parametrize("categories", [..., [], [{"id": 1}]])
def test_unlabeled_splits_may_omit_annotations_and_categories(tmp_path, annotations, categories):
    content = broken(broken(CONTENT_2018, "annotations", annotations), "categories", categories)
    video = read(tmp_path, content)
    assert len(video.frame_names) == len(CONTENT_2018["images"])
    assert len(video.person_frame) == 0


def test_crowds_are_known_as_such(tmp_path):
    assert read(tmp_path, broken(CONTENT_2018, "annotations", 1, "iscrowd", True)).crowd.tolist() == [True, False]


def test_annotations_without_image_are_dropped_with_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        video = read(tmp_path, broken(CONTENT_2018, "annotations", 0, "image_id", 99))
    assert video.track_ids.tolist() == [5]
    assert "1 annotations are left out" in caplog.text


def test_a_mat_file_reads_as_the_json_file(tmp_path):
    """Frame 2 has [] for its persons; of the persons one has no points, one an empty list of them."""
    write_posetrack(tmp_path / "mat/video.mat", CONTENT_2017)
    video = read_video(tmp_path / "mat/video.mat")
    assert video.has_joint_list.tolist() == [True, False, True]
    assert_same(video, read(tmp_path, CONTENT_2017))


def test_golden_files_as_mat_files(tmp_path):
    for path in sorted((GOLDEN / "small/gt_2017").glob("*.json")):
        write_posetrack(tmp_path / f"{path.stem}.mat", json.loads(path.read_text()))
    videos = read_videos(tmp_path)
    assert len(videos) == 4
    for video in videos:
        assert_same(video, read_video(GOLDEN / f"small/gt_2017/{video.name}.json"))


@pytest.mark.parametrize("persons", ["[]", "1 by 0 structs", "fields without content"])
def test_a_frame_without_persons_in_a_mat_file(tmp_path, persons):
    nobody = {
        "[]": EMPTY,
        "1 by 0 structs": np.empty((1, 0), dtype=[("x1", object)]),
        "fields without content": struct_array([{"x1": EMPTY, "annopoints": EMPTY, "track_id": EMPTY}]),
    }[persons]
    image = struct_array([{"name": "v/000001.jpg"}])
    savemat(tmp_path / "v.mat", {"annolist": struct_array([{"image": image, "annorect": nobody}])})
    video = read_video(tmp_path / "v.mat")
    assert video.frame_names == ["v/000001.jpg"]
    assert len(video.person_frame) == 0
    assert not video.frame_labeled.any()


def test_persons_in_cells_of_a_mat_file(tmp_path):
    """Persons with different fields do not fit into a struct array."""
    point = struct_array([{"id": 3, "x": 5, "y": 6.5, "is_visible": "1"}])
    persons = np.empty((1, 2), dtype=object)
    persons[0] = [
        struct_array([{"track_id": 4, "annopoints": struct_array([{"point": point}])}]),
        struct_array([{"x1": 1, "y1": 2, "x2": 3, "y2": 4, "track_id": 5}]),
    ]
    frame = {"image": struct_array([{"name": "v/000001.jpg"}]), "annorect": persons}
    savemat(tmp_path / "v.mat", {"annolist": struct_array([frame])})
    video = read_video(tmp_path / "v.mat")
    assert video.track_ids.tolist() == [4, 5]
    assert video.joints[0, 3].tolist() == [5, 6.5]
    assert video.head_boxes[1].tolist() == [1, 2, 3, 4]
    assert video.has_joint_list.tolist() == [True, False]


def test_a_video_with_both_files_is_read_from_the_json(tmp_path):
    write_posetrack(tmp_path / "a.mat", CONTENT_2017)
    write_posetrack(tmp_path / "b.mat", CONTENT_2017)
    (tmp_path / "b.json").write_text(json.dumps({"annolist": CONTENT_2017["annolist"][:1]}))
    assert [(video.name, video.nframes) for video in read_videos(tmp_path)] == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RELEASE": 1}, "v.mat: not a PoseTrack file: it has no struct array 'annolist'"),
        ({"annolist": np.ones(3)}, "v.mat: 'annolist': '[1.0, 1.0, 1.0]' must be a list of objects"),
        ({"annolist": struct_array([{"imgnum": 1}])}, "v.mat: annolist[0]: 'image' must be"),
    ],
)
def test_malformed_mat_files(tmp_path, variables, message):
    savemat(tmp_path / "v.mat", variables)
    with pytest.raises(InputError, match=re.escape(message)):
        read_video(tmp_path / "v.mat")


def test_flat_and_nested_keypoints_in_one_file(tmp_path):
    nested = broken(CONTENT_2018, "annotations", 1, "keypoints", KEYPOINTS)
    assert_same(read(tmp_path, nested), read(tmp_path, CONTENT_2018))


def test_truncated_file(tmp_path):
    (tmp_path / "video.json").write_text(json.dumps(CONTENT_2018)[:-20])
    with pytest.raises(InputError, match=r"video\.json: not a JSON file"):
        read_video(tmp_path / "video.json")
