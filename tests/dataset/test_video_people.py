import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from posetrack_sample import HEIGHT, WIDTH, annotation, make_video, merge, write_annotations, write_experiment

from lib.config import load_config
from lib.dataset import build_loader_options, build_test_set
from lib.dataset.loaders import sequential_loader
from lib.dataset.video_people import joint_boxes
from lib.formats.posetrack_set import read_videos
from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.pose.crop import clip_box
from lib.utils.errors import InputError


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def build(tmp_path, root):
    def build(*overrides):
        return build_test_set(load_config(write_experiment(tmp_path, root), overrides))

    return build


def boxes_file(root, records):
    path = root / "boxes.json"
    path.write_text(json.dumps(records))
    return ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", str(path)]


def box(image, x=50, score=0.9, **more):
    key = "image_name" if isinstance(image, str) else "image_id"
    return {key: image, "category_id": 1, "bbox": [x, 30, 30, 60], "score": score, **more}


def test_official_folder_with_ground_truth_boxes(root, build):
    content = make_video(root, "b_video", num_frames=3)
    make_video(root, "a_video", num_frames=2, people=1)
    found = build()
    assert [video.name for video in found.videos] == ["a_video", "b_video"]
    assert [(person.video, person.frame) for person in found.clips.people] == [(0, 0), (0, 1)] + [
        (1, frame) for frame in range(3) for _ in range(2)
    ]
    person = found.clips.people[2]
    expected = np.reshape(content["annotations"][0]["keypoints"], (17, 3))
    np.testing.assert_array_equal(person.joints, expected[:, :2])
    np.testing.assert_array_equal(person.labeled, expected[:, 2] > 0)
    assert not person.labeled[[KEYPOINT_NAMES.index("left_ear"), KEYPOINT_NAMES.index("right_ear")]].any()
    x, y, w, h = content["annotations"][0]["bbox"]
    np.testing.assert_allclose(person.center, [x + (w - 1) / 2, y + (h - 1) / 2])
    assert found.has_ground_truth


@pytest.mark.parametrize(("rule", "width"), [("last_pixel", 59), ("edges", 40)])
def test_a_box_that_begins_outside_its_image(root, build, rule, width):
    content = make_video(root, "v", num_frames=1, people=1)
    content["annotations"][0]["bbox"] = [-20, 30, 60, 20]
    write_annotations(root, "v", content)
    (person,) = build("DATASET.CLIP_BOXES", rule).clips.people
    assert person.center[0] == width / 2
    assert person.scale[0] * 200 == pytest.approx(1.25 * width)


def test_coco_style_file_equals_the_official_folder(root, build):
    contents = {name: make_video(root, name, num_frames=2) for name in ("v", "w")}
    (root / "merged.json").write_text(json.dumps(merge(contents)))
    official, merged = build(), build("DATASET.TEST_ANNOTATIONS", str(root / "merged.json"))
    assert [video.name for video in merged.videos] == ["v", "w"]
    for one, other in zip(official.clips.people, merged.clips.people, strict=True):
        assert (one.video, one.frame, one.number) == (other.video, other.frame, other.number)
        np.testing.assert_array_equal(one.joints, other.joints)
        np.testing.assert_array_equal(one.scale, other.scale)


def test_clips_of_an_aggregation(root, build):
    make_video(root, "v", num_frames=4, people=1)
    found = build()
    frames, targets, weights, index, replaced, *_ = found.clips[0]
    assert frames.shape == (5, 96, 64, 3)
    assert frames.dtype == torch.uint8
    assert torch.equal(frames[0], frames[1])  # A − 1 and A − 2 of the first frame are the first frame
    assert torch.equal(frames[0], frames[2])
    assert targets.shape == (17, 24, 16)
    assert weights.sum() == 15
    assert (index, replaced) == (0, 0)


def test_a_missing_neighbor_is_counted_and_a_missing_key_frame_is_an_error(root, build):
    content = make_video(root, "v", num_frames=5, people=1)
    (root / "images/val/v/000003.jpg").unlink()
    with pytest.raises(InputError, match=r"v: no frame 000003\.jpg"):
        build()
    kept = [a for a in content["annotations"] if a["image_id"] % 1_000_000 != 3]
    write_annotations(root, "v", content | {"annotations": kept})
    found = build()
    assert [found.clips[i].replaced for i in range(len(found.clips))] == [0, 1, 1, 1]  # frames 0, 1, 2, 4


def test_a_clip_with_a_damaged_key_frame_is_black_and_says_so(root, build):
    make_video(root, "v", num_frames=3, people=1)
    found = build()
    path = root / "images/val/v/000001.jpg"
    path.write_bytes(path.read_bytes()[:300])
    black, before = found.clips[1], found.clips[0]
    assert (black.damaged, before.damaged) == (1, 0)
    assert not black.frames.any()
    assert black.index == 1
    assert before.frames.any()
    assert before.replaced == 1
    assert not set(black.crops.tolist()) & set(before.crops.tolist())
    assert found.clips.describe(1) == f"{path} (person 1 in the annotations)"
    found.clips.people = [replace(person, row=-1) for person in found.clips.people]
    assert found.clips.describe(1) == str(path)


def test_frames_named_and_counted_otherwise_than_on_disk(root, build):
    content = make_video(root, "v", num_frames=3, people=1, first=1)
    for image in content["images"]:
        number = int(image["file_name"][-10:-4])
        image["file_name"] = f"val/v/{number:08d}.jpg"
    write_annotations(root, "v", content)
    assert [person.number for person in build().clips.people] == [1, 2, 3]


def write_2017(root):
    """A video in the form of 2017: a person with four joints, a person without any, and an empty frame."""
    make_video(root, "v", num_frames=2, people=1)
    joints = [{"id": [k], "x": [40 + 2 * k], "y": [30 + 4 * k], "is_visible": [1]} for k in (0, 12, 13, 14)]
    rect = {"x1": [60], "y1": [20], "x2": [70], "y2": [35], "track_id": [3], "annopoints": [{"point": joints}]}
    empty = {"x1": [60], "y1": [20], "x2": [70], "y2": [35], "track_id": [4], "annopoints": []}
    annolist = [
        {"image": [{"name": f"images/val/v/{n:06d}.jpg"}], "imgnum": [n + 1], "annorect": rects}
        for n, rects in enumerate([[rect, empty], []])
    ]
    write_annotations(root, "v", {"annolist": annolist})


def test_posetrack17_annotations(root, build):
    write_2017(root)
    found = build("DATASET.DATASET", "posetrack17")
    (person,) = found.clips.people
    assert found.dropped["without a labeled joint"] == 1
    assert person.labeled.nonzero()[0].tolist() == [0, 1, 2, 16]  # nose, head_bottom, head_top, right_ankle
    np.testing.assert_array_equal(person.joints[16], [40, 30])


@pytest.mark.parametrize(
    ("keys", "box"),
    [
        ([], (40 - 2.9, 30 - 5.7, 29 * 1.2, 57 * 1.2)),  # the extent, 28 × 56, and a pixel; a tenth on each side
        (["DATASET.JOINTS_BOX", "posetrack18"], (40 - 4.2, 30 - 8.4, 28 * 1.3, 56 * 1.3)),
    ],
)
def test_posetrack17_has_boxes_of_the_joints(root, build, keys, box):
    write_2017(root)
    (person,) = build("DATASET.DATASET", "posetrack17", *keys).clips.people
    x, y, w, h = box
    np.testing.assert_allclose(person.center, [x + (w - 1) / 2, y + (h - 1) / 2], rtol=1e-6)
    height = max(h - 1, (w - 1) * 96 / 64)
    np.testing.assert_allclose(person.scale, np.array([height * 64 / 96, height]) / 200 * 1.25, rtol=1e-6)


def test_a_person_of_2018_without_a_box_has_that_of_2018(root, build):
    content = make_video(root, "v", num_frames=1, people=1)
    del content["annotations"][0]["bbox"]
    write_annotations(root, "v", content)
    (person,) = build().clips.people
    (video,) = read_videos(root / "annotations/val")
    x, y, w, h = clip_box(joint_boxes(video)[0], WIDTH, HEIGHT)
    np.testing.assert_allclose(person.center, [x + w / 2, y + h / 2], rtol=1e-6)


def test_detected_boxes_by_name_and_by_id(root, build):
    make_video(root, "v", num_frames=3)
    names = [box("images/val/v/000001.jpg"), box("val/v/00000002.jpg", x=60), box("images/val/v/000001.jpg", score=0.1)]
    by_name = build(*boxes_file(root, [*names, box("images/val/v/000000.jpg") | {"category_id": 2}]))
    assert [(p.frame, p.box_score) for p in by_name.clips.people] == [(1, 0.9), (2, 0.9)]
    np.testing.assert_allclose(by_name.clips.people[0].center, [65, 60])  # not cut to the image
    by_id = build(*boxes_file(root, [box(1_000_001), box(1_000_002, x=60), box(42)]))
    for one, other in zip(by_name.clips.people, by_id.clips.people, strict=True):
        np.testing.assert_array_equal(one.center, other.center)
    assert by_id.dropped["of images that the annotations do not list"] == 1


def test_boxes_outside_the_image_and_overlapping_ones(root, build):
    make_video(root, "v", num_frames=1)
    records = [box(1_000_000, x=x, score=s) for x, s in ((WIDTH + 1, 0.9), (-31, 0.9), (50, 0.9), (51, 0.8), (90, 0.7))]
    records.append(box(1_000_000) | {"bbox": [0, HEIGHT, 10, 10]})
    found = build(*boxes_file(root, records))
    assert len(found.clips.people) == 3
    assert found.dropped["empty or outside the image"] == 3
    # Shifted by one of 30 pixels, two boxes share 29 of 31 columns.
    assert len(build(*boxes_file(root, records), "TEST.NMS_THRE", str(29 / 31 + 1e-9)).clips.people) == 3
    assert len(build(*boxes_file(root, records), "TEST.NMS_THRE", str(29 / 31 - 1e-9)).clips.people) == 2
    found = build(*boxes_file(root, records), "TEST.NMS_THRE", "0.5")
    assert [person.box_score for person in found.clips.people] == [0.9, 0.7]
    assert found.dropped["suppressed by a better box"] == 1


def test_boxes_without_annotations(root, build):
    make_video(root, "v", num_frames=4)
    shutil.rmtree(root / "annotations")
    found = build(*boxes_file(root, [box("images/val/v/000002.jpg", nframes=9)]))
    (video,) = found.videos
    assert video.frame_names == [f"images/val/v/{n:06d}.jpg" for n in range(4)]
    assert (found.clips.people[0].frame, video.nframes) == (2, 9)
    assert not found.has_ground_truth
    with pytest.raises(InputError, match=r"v: no frame 000009\.jpg, which has a box"):
        build(*boxes_file(root, [box("images/val/v/000009.jpg")]))
    with pytest.raises(InputError, match=r"set DATASET\.TEST_ANNOTATIONS"):
        build(*boxes_file(root, [box(7)]))


def test_official_ground_truth_beside_other_annotations(root, build, caplog):
    contents = {name: make_video(root, name, num_frames=3) for name in ("v", "w")}
    some = merge({"v": contents["v"]})
    some["images"], some["annotations"] = some["images"][1:], some["annotations"][2:]
    (root / "some.json").write_text(json.dumps(some))
    keys = ["DATASET.TEST_ANNOTATIONS", str(root / "some.json"), "DATASET.GT_DIR", str(root / "annotations/val")]
    with caplog.at_level(logging.WARNING):
        found = build(*keys)
    assert "1 of 2 videos" in caplog.text
    assert [len(video.frame_names) for video in found.videos] == [3]  # as in the ground truth, not in the other file
    assert [person.frame for person in found.clips.people] == [1, 1, 2, 2]
    (root / "annotations/val/v.json").write_text(json.dumps(contents["w"]))
    with pytest.raises(InputError, match=r"does not list the frame images/val/v/000001\.jpg"):
        build(*keys)


def test_a_box_without_keypoints_is_a_person_without_labels(root, build):
    content = make_video(root, "v", num_frames=1, people=1)
    del content["annotations"][0]["keypoints"]
    write_annotations(root, "v", content)
    found = build()
    assert len(found.clips.people) == 1
    assert not found.has_ground_truth


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["DATASET.TEST_SET", "test"], "no annotations for the split 'test'"),
        (
            ["DATASET.IMAGE_DIR", "/nowhere"],
            r"/nowhere/images/val/v/000000\.jpg: neither this frame nor any other in its folder",
        ),
        (["DATASET.TEST_ANNOTATIONS", "x.json"], r"none of x\.json, .*/annotations/x\.json, .*/x\.json exists"),
        (["TEST.USE_GT_BBOX", "False"], r"no boxes: set TEST\.COCO_BBOX_FILE"),
        (["DATASET.DATASET", "lsp"], "DATASET.DATASET is 'lsp'"),
        (["MODEL.NUM_JOINTS", "14"], "posetrack18 has 17"),
    ],
)
def test_wrong_paths_are_named(root, build, overrides, message):
    make_video(root, "v", num_frames=1)
    with pytest.raises(InputError, match=message):
        build(*overrides)


def test_no_people_to_estimate(root, build):
    content = make_video(root, "v", num_frames=1, people=0)
    with pytest.raises(InputError, match=r"annotations/val: no people to estimate$"):
        build()
    with pytest.raises(InputError, match=r"boxes\.json .*: no people to estimate$"):
        build(*boxes_file(root, []))
    records = [box(1_000_000, score=0.1), box(1_000_000) | {"category_id": 3}, box(7)]
    with pytest.raises(
        InputError, match=r"1 boxes of images .*, 1 boxes with a score under 0.2, 1 boxes of another cat"
    ):
        build(*boxes_file(root, records))
    content["annotations"] = [annotation(1_000_000, 0, 45, 60) | {"bbox": [-500, -500, 100, 100]}]
    write_annotations(root, "v", content)
    with pytest.raises(InputError, match="1 boxes empty or outside the image"):
        build()


def test_batches_on_the_cpu_are_small(root, tmp_path):
    make_video(root, "v", num_frames=2)
    size = ["MODEL.IMAGE_SIZE", "[288,384]", "MODEL.HEATMAP_SIZE", "[72,96]"]
    cfg = load_config(write_experiment(tmp_path, root), size)
    clips = build_test_set(cfg).clips
    assert sequential_loader(clips, build_loader_options(cfg)).batch_sampler.size == 1
    assert sequential_loader(clips, build_loader_options(cfg), cuda=True).batch_sampler.size == 32


def test_annotations_of_the_other_year_are_warned_of(root, build, caplog):
    make_video(root, "v", num_frames=1)
    with caplog.at_level(logging.WARNING):
        build("DATASET.DATASET", "posetrack17")
    assert "is in the 2018 format" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"boxes": []}, "a list of boxes"),
        ([box(1) | {"bbox": [1, 2, 3]}], "box 0: bbox"),
        ([box(1), box(1) | {"bbox": [1, 2, 3, None]}], "box 1: bbox"),
        ([box(1) | {"bbox": [1, 2, "3", 4]}], "box 0: bbox"),
        ([{"bbox": [1, 2, 3, 4], "score": 1}], "box 0: neither image_name"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 4]}], "box 0: bbox .* and None"),
        (["box"], "box 0"),
    ],
)
def test_a_broken_box_file_names_the_record(root, build, content, message):
    make_video(root, "v", num_frames=1)
    with pytest.raises(InputError, match=message):
        build(*boxes_file(root, content))


def test_random_pairs_are_the_same_each_time(root, build):
    make_video(root, "v", num_frames=9, people=1)
    pairs = [build("TEST.MODE", "pair", "DATASET.FRAME_DELTAS", "[-2, 2]").clips for _ in range(2)]
    first, second = ([clips[i].frames for i in range(9)] for clips in pairs)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    ahead = [
        torch.equal(clip[1], build("TEST.MODE", "single").clips[min(i + 2, 8)].frames[0])
        for i, clip in enumerate(first)
    ]
    assert first[0].shape[0] == 2
    assert not all(ahead)


def test_the_loader_keeps_the_order_and_bgr_is_rgb_reversed(root, build, tmp_path):
    make_video(root, "v", num_frames=3)
    cfg = load_config(write_experiment(tmp_path, root), ["TEST.BATCH_SIZE_PER_GPU", "4", "WORKERS", "2"])
    batches = list(sequential_loader(build_test_set(cfg).clips, build_loader_options(cfg)))
    assert [batch.index.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5]]
    assert batches[0].frames.shape == (4, 5, 96, 64, 3)
    bgr = build("DATASET.COLOR_RGB", "False").clips[0].frames
    assert torch.equal(bgr.flip(-1), batches[0].frames[0])


def test_images_in_zip_archives(root, build):
    make_video(root, "v", num_frames=2)
    folder = build().clips[0].frames
    shutil.make_archive(str(root / "images/val"), "zip", root / "images/val")
    shutil.rmtree(root / "images/val")
    assert torch.equal(build("DATASET.DATA_FORMAT", "zip").clips[0].frames, folder)


def test_annotations_may_be_named_in_their_folder(root, build):
    (root / "annotations").mkdir(parents=True)
    (root / "annotations/some.json").write_text(json.dumps(make_video(root, "v", num_frames=1)))
    assert len(build("DATASET.TEST_ANNOTATIONS", "some.json").clips.people) == 2


def test_crowds_are_left_out_and_stay_in_the_truth(root, build):
    content = make_video(root, "v", num_frames=1, people=3)
    content["annotations"][1]["iscrowd"] = 1
    write_annotations(root, "v", content)
    (root / "merged.json").write_text(json.dumps(merge({"v": content})))
    for keys in ([], ["DATASET.TEST_ANNOTATIONS", str(root / "merged.json")]):
        found = build(*keys)
        assert len(found.clips.people) == 2
        assert found.dropped["that are crowds"] == 1
        assert len(found.videos[0].person_frame) == 3


def test_folders_of_one_name_are_two_videos(root, build):
    content = make_video(root, "v", num_frames=1)
    shutil.copytree(root / "images/val", root / "images/other")
    other = json.loads(json.dumps(content).replace("images/val", "images/other"))
    (root / "merged.json").write_text(json.dumps(merge({"a": content, "b": other})))
    found = build("DATASET.TEST_ANNOTATIONS", str(root / "merged.json"))
    assert [video.name for video in found.videos] == ["images_other_v", "images_val_v"]


def test_an_id_of_several_frames_is_refused(root, build):
    make_video(root, "v", num_frames=2)
    make_video(root, "w", num_frames=1)  # the sample's ids start over in each video
    with pytest.raises(InputError, match="several frames have the image_id 1000000"):
        build(*boxes_file(root, [box(1_000_000)]))
    assert len(build(*boxes_file(root, [box(1_000_001)])).clips.people) == 1


@pytest.mark.parametrize("name", ["../data/images/val/v/000000.jpg", "/etc/v/000000.jpg"])
def test_files_outside_the_image_folder_are_not_read(root, build, name):
    content = make_video(root, "v", num_frames=1)
    content["images"][0]["file_name"] = name
    write_annotations(root, "v", content)
    with pytest.raises(InputError, match="not under the image folder"):
        build()


def test_frames_without_a_folder(root, build):
    content = make_video(root, "v", num_frames=2)
    (root / "boxes").mkdir()
    keys = [*boxes_file(root / "boxes", [box("000001.jpg")]), "DATASET.IMAGE_DIR", str(root / "images/val/v")]
    found = build(*keys, "DATASET.ROOT", str(root / "boxes"))
    assert (found.videos[0].name, found.videos[0].frame_names) == ("v", ["000000.jpg", "000001.jpg"])
    assert found.clips[0].frames.shape[0] == 5
    for image in content["images"]:
        image["file_name"] = image["file_name"].rpartition("/")[2]
    (root / "merged.json").write_text(json.dumps(content))
    found = build(
        "DATASET.TEST_ANNOTATIONS", str(root / "merged.json"), "DATASET.IMAGE_DIR", str(root / "images/val/v")
    )
    assert [video.name for video in found.videos] == ["merged"]
    assert len(found.clips) == 4
