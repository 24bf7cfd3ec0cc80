"""PoseTrack17's frames that were renamed: boxes and annotations that count a video's frames from 1."""

import json
import logging
import shutil

import numpy as np
import pytest
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.dataset import build_test_set
from lib.dataset.frame_names import find_renamed
from lib.formats import posetrack17
from lib.formats.posetrack_set import read_videos
from lib.formats.video_annotations import take_frames
from lib.utils.errors import InputError

FOLDER = "bonn_5sec/020910_mpii"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def make_2017(root, first, num_frames=6, folder=FOLDER, step=1, name="{:08d}.jpg"):
    """Write a video in the form of 2017; its frames are numbered first, first + step and so on."""
    video = folder.rpartition("/")[2]
    make_video(root / "made", video, num_frames=num_frames, people=1)
    (made,) = [other for other in read_videos(root / "made/annotations/val") if other.name == video]
    names = [f"images/{folder}/{name.format(first + step * index)}" for index in range(num_frames)]
    (root / "images" / folder).mkdir(parents=True)
    for before, after in zip(made.frame_names, names, strict=True):
        shutil.move(root / "made" / before, root / after)
    made.frame_names[:] = names
    (root / "annotations/val").mkdir(parents=True, exist_ok=True)
    posetrack17.write(root / f"annotations/val/{video}.json", made)


def build(root, boxes, *keys):
    (root / "boxes.json").write_text(json.dumps(boxes))
    cfg = load_config(
        write_experiment(root.parent, root),
        [
            *("DATASET.DATASET", "posetrack17", "TEST.USE_GT_BBOX", "False"),
            *("TEST.COCO_BBOX_FILE", str(root / "boxes.json"), *keys),
        ],
    )
    return build_test_set(cfg)


def box(number, folder=FOLDER, name="{:08d}.jpg", **more):
    return {
        **{"image_name": f"{folder}/{name.format(number)}", "category_id": 1, "score": 0.9},
        **{"bbox": [number, 30, 30, 60], **more},
    }


def frames(found):
    """Of each person the index of the frame in its video, and the number of the box, which is its x."""
    return [(person.frame, round(float(person.center[0])) - 15) for person in found.clips.people]


def place(numbers):
    """Each number's position from 0, and the number."""
    return [(number - 1, number) for number in numbers]


@pytest.mark.parametrize("first", [0, 1, 34])
@pytest.mark.parametrize("told", [{}, {"nframes": 6, "frame_id": 1}])
def test_boxes_of_renamed_frames_belong_to_the_frames_at_their_positions(root, first, told):
    make_2017(root, first)
    found = build(root, [box(number, **told) for number in range(1, 7)])
    assert frames(found) == place(range(1, 7))
    assert [person.number for person in found.clips.people] == [first + index for index in range(6)]
    assert not found.dropped["of images that the annotations do not list"]


@pytest.mark.parametrize("first", [0, 1, 34])
def test_boxes_that_have_the_frames_own_numbers_belong_to_these(root, first):
    make_2017(root, first)
    found = build(root, [box(first + index, name="{:06d}.png") for index in range(6)])
    assert frames(found) == [(index, first + index) for index in range(6)]


@pytest.mark.parametrize(("first", "step", "name"), [(34, 2, "{:08d}.jpg"), (0, 1, "{:04d}_crop.jpg")])
def test_numbers_with_gaps_and_other_names(root, first, step, name):
    make_2017(root, first, step=step, name=name)
    assert frames(build(root, [box(number) for number in (2, 6)])) == place((2, 6))


def test_boxes_of_some_frames_alone(root, caplog):
    """Numbers 2 to 4 of frames 0 to 5 may be either; the other video tells."""
    make_2017(root, 0)
    make_2017(root, 34, folder="mpii_5sec/000001_mpii")
    some = [box(number) for number in (2, 4)]
    with caplog.at_level(logging.INFO):
        found = build(root, [*some, box(3, folder="mpii_5sec/000001_mpii")])
    assert frames(found) == place((3, 2, 4))
    assert "frames of 2 of 2 videos are named by position" in caplog.text
    assert f"as {FOLDER}/00000002.jpg for images/{FOLDER}/00000001.jpg" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        found = build(root, [*some, box(36, folder="mpii_5sec/000001_mpii")])
    assert frames(found) == [(2, 36), (2, 2), (4, 4)]
    assert "position" not in caplog.text


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("{:08d}.jpg", {}, [2, 4]),  # the frames' names to the letter
        ("{:06d}.jpg", {}, [1, 3]),
        ("{:08d}.jpg", {"nframes": 6, "frame_id": 1}, [1, 3]),  # the form of the published boxes
    ],
)
def test_ambiguous_names_are_resolved_by_the_file_format(root, caplog, name, told, expected):
    make_2017(root, 0, name=name)
    with caplog.at_level(logging.WARNING):
        found = build(root, [box(number, **told) for number in (2, 4)])
    assert [frame for frame, _ in frames(found)] == expected
    assert "can be frame numbers or positions" in caplog.text


@pytest.mark.parametrize(
    ("first", "numbers", "more", "named"),
    [
        (34, (1, 7, 8), {}, "00000007"),
        (34, (34, 33), {}, "00000033"),
        (0, (0, 1, 6), {}, "00000000"),  # 0 is no position, and 6 no number
        (0, (1, 6), {"nframes": 7}, "00000006"),
        (34, (1, 2), {"nframes": 5}, "00000001"),
    ],
)
def test_a_box_that_fits_neither_way_is_named(root, first, numbers, more, named):
    make_2017(root, first)
    line = rf"boxes\.json: {FOLDER}/{named}\.jpg: the video has 6 frames, numbered {first} to {first + 5}"
    with pytest.raises(InputError, match=line):
        build(root, [box(number, **more) for number in numbers])


def test_frames_that_are_not_on_the_disk_count(root):
    make_2017(root, 34)
    (root / f"images/{FOLDER}/00000035.jpg").unlink()
    assert frames(build(root, [box(number) for number in (1, 3, 6)])) == place((1, 3, 6))


def test_annotations_of_some_frames(root):
    """Positions are those of the frames on the disk; a frame that is not annotated has no place for its box."""
    make_2017(root, 34)
    (video,) = read_videos(root / "annotations/val")
    images = [{"id": n, "file_name": video.frame_names[n], "nframes": 6, "is_labeled": True} for n in (3, 4)]
    (root / "some.json").write_text(json.dumps({"images": images, "annotations": []}))
    found = build(root, [box(number) for number in range(1, 7)], "DATASET.TEST_ANNOTATIONS", str(root / "some.json"))
    assert frames(found) == [(0, 4), (1, 5)]
    assert found.dropped["of images that the annotations do not list"] == 4


@pytest.mark.parametrize(("told", "expected"), [({}, [(0, 3), (3, 6)]), ({"nframes": 4}, [(0, 1), (2, 3)])])
def test_frames_that_the_official_annotations_do_not_list(root, told, expected):
    """Frames 34 to 39, of which 36 to 39 are listed: positions are those on the disk, unless the boxes say 4 frames."""
    make_2017(root, 34)
    (video,) = read_videos(root / "annotations/val")
    posetrack17.write(root / "annotations/val/020910_mpii.json", take_frames(video, [2, 3, 4, 5]))
    numbers = (1, 3) if told else (1, 3, 6)
    found = build(root, [box(number, **told) for number in numbers])
    assert frames(found) == expected
    assert found.dropped["of images that the annotations do not list"] == (0 if told else 1)


def test_boxes_without_annotations(root):
    make_2017(root, 34)
    shutil.rmtree(root / "annotations")
    found = build(root, [box(number) for number in (2, 6)])
    assert frames(found) == place((2, 6))
    assert found.videos[0].frame_names[0] == f"images/{FOLDER}/00000034.jpg"


def test_videos_that_are_not_annotated_are_left_out_and_counted(root):
    make_2017(root, 34)
    found = build(root, [box(1), box(99, folder="bonn/other")])
    assert frames(found) == [(0, 1)]
    assert found.dropped["of images that the annotations do not list"] == 1


@pytest.mark.parametrize("first", [0, 1, 34])
def test_annotations_of_renamed_frames_beside_the_official_ones(root, first):
    make_2017(root, first)
    shutil.copytree(root / "annotations/val", root / "official")
    (video,) = read_videos(root / "official")
    for index, name in enumerate(video.frame_names):
        shutil.move(root / name, root / f"images/{FOLDER}/new{index + 1:08d}.jpg")
    video.frame_names[:] = [f"images/{FOLDER}/{index + 1:08d}.jpg" for index in range(6)]
    posetrack17.write(root / "annotations/val/020910_mpii.json", video)
    found = build(root, [box(number) for number in range(1, 7)], "DATASET.GT_DIR", str(root / "official"))
    assert frames(found) == place(range(1, 7))
    assert found.videos[0].frame_names[0].endswith(f"{first:08d}.jpg")
    gt = build(root, [], "DATASET.GT_DIR", str(root / "official"), "TEST.USE_GT_BBOX", "True")
    assert [person.frame for person in gt.clips.people] == list(range(6))


@pytest.mark.parametrize("first", [0, 34])
def test_renamed_frames_of_annotations_that_have_the_official_names(root, first):
    """One off in silence, were they taken by number."""
    make_2017(root, 1)
    (video,) = read_videos(root / "annotations/val")
    video.frame_names[:] = [f"images/{FOLDER}/{first + index:08d}.jpg" for index in range(6)]
    posetrack17.write(root / "annotations/val/020910_mpii.json", video)
    message = rf"{FOLDER}: the frames are numbered 1 to 6, but {first} to {first + 5} in the annotations"
    for told in ({}, {"nframes": 6}):
        with pytest.raises(InputError, match=message):
            build(root, [box(2, **told)])


def test_posetrack18_is_by_number(root):
    make_video(root, "v", num_frames=6, people=1)
    boxes = [{**box(number, folder="images/val/v", name="{:06d}.jpg")} for number in (1, 5)]
    found = build(root, [*boxes, box(6, folder="images/val/v")], "DATASET.DATASET", "posetrack18")
    assert frames(found) == [(1, 1), (5, 5)]
    assert found.dropped["of images that the annotations do not list"] == 1


def test_numbers_that_are_positions_need_no_decision():
    known = {"v": {n: f"v/{n}.jpg" for n in range(1, 4)}, "w": {n: f"w/{n}.jpg" for n in range(3)}}
    assert find_renamed({"v": {2: "v/2.jpg"}}, known, {"v": 99}, "boxes.json") == {}
    renamed = find_renamed({"v": {2: "v/2.jpg"}, "w": {3: "w/3.jpg"}}, known, {}, "boxes.json")
    assert renamed == {"w": {1: "w/0.jpg", 2: "w/1.jpg", 3: "w/2.jpg"}}
    np.testing.assert_equal(find_renamed({}, known, {}, "boxes.json"), {})
