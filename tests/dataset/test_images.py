"""Data sets of images: the same pictures and people in every form, and crops worked out by hand."""

import json

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from lib.config import load_config
from lib.dataset import build_skeleton, build_test_set, build_training_set
from lib.evaluation.submission import Rules, make_results
from lib.formats.data_sets import known_data_sets
from lib.pose.skeletons import find_skeleton, skeleton
from lib.utils.errors import InputError

WIDTH, HEIGHT = 80, 60


def joints_of(name):
    """(J, 3) x, y, v: joint j at (10 + j / 4, 20 + j / 8); the second is not labeled."""
    count = find_skeleton(known_data_sets()[name].joints).num_joints
    joints = np.column_stack([10 + np.arange(count) / 4, 20 + np.arange(count) / 8, np.full(count, 2)])
    joints[1] = 0
    return joints


@pytest.fixture
def write(tmp_path):
    """Writes two images and a COCO-style file of a person in the second, with other keys if asked for; its config."""

    def write(name, image=None, person=None, content=None, keys=()):
        for number in (3, 7):
            picture = np.full((HEIGHT, WIDTH, 3), number * 20, np.uint8)
            (tmp_path / "images").mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / f"images/{number:012d}.jpg"), picture)
        joints = joints_of(name)
        images = [{"id": n, "file_name": f"{n:012d}.jpg", "width": WIDTH, "height": HEIGHT} for n in (3, 7)]
        images[1] |= image or {}
        people = [{"id": 50, "image_id": 7, "category_id": 1, "bbox": [10, 20, 20, 30]}]
        people[0] |= {"keypoints": joints.ravel().tolist()} | (person or {})
        categories = [{"id": 1, "keypoints": list(find_skeleton(known_data_sets()[name].joints).names)}]
        own = content or {"images": images, "annotations": people, "categories": categories}
        (tmp_path / "labels.json").write_text(json.dumps(own))
        (tmp_path / "net.yaml").write_text("MODEL: {IMAGE_SIZE: [96, 96], SIGMA: 1}")
        files = ["DATASET.TEST_ANNOTATIONS", "labels.json", "DATASET.TRAIN_ANNOTATIONS", "labels.json"]
        own_keys = ["DATASET.DATASET", name, "DATASET.ROOT", tmp_path, "MODEL.NUM_JOINTS", len(joints), *files, *keys]
        return load_config(tmp_path / "net.yaml", [*map(str, own_keys), "TEST.USE_GT_BBOX", "True"])

    return write


@pytest.mark.parametrize("name", ["coco", "ochuman", "aic", "crowdpose", "jhmdb"])
def test_coco_style_file_for_each_data_set(write, name):
    cfg = write(name)
    clips = build_training_set(cfg)
    (person,) = clips.people
    first = 1 if name == "jhmdb" else 0  # what the file calls the first pixel
    labeled = joints_of(name)[:, 2:] > 0
    np.testing.assert_allclose(person.joints, np.where(labeled, joints_of(name)[:, :2] - first, 0))
    assert person.labeled.sum() == len(person.joints) - 1
    center = np.array([10 + 19 / 2, 20 + 29 / 2]) - first  # 20 × 30 pixels: 19 × 29 from first to last
    np.testing.assert_allclose(person.center, center)
    np.testing.assert_allclose(person.scale * 200, 29 * 1.25, rtol=1e-6)
    assert clips[0].frames[0, 48, 48, 0] == pytest.approx(140, abs=2)  # the second image
    assert build_test_set(cfg).clips.people[0].row == 0


def test_unused_keys_of_image_data_sets_are_reported(write, caplog):
    caplog.set_level("INFO")
    build_training_set(write("coco"))
    build_test_set(write("coco"))
    assert "have no effect" not in caplog.text
    assert "is not used" not in caplog.text
    build_training_set(write("coco", keys=["DATASET.NUM_LABELED_FRAMES_PER_VIDEO", 2]))
    assert "NUM_LABELED_VIDEOS and NUM_LABELED_FRAMES_PER_VIDEO have no effect" in caplog.text
    build_test_set(write("coco", keys=["TEST.COCO_BBOX_FILE", "boxes.json"]))
    assert "boxes are from the annotations; TEST.COCO_BBOX_FILE boxes.json is not used" in caplog.text


@pytest.mark.parametrize("oriented", [False, True])
def test_images_are_turned_as_their_tag_says_in_training_and_tests(write, tmp_path, oriented):
    """80 × 60 pixels as they are stored, black but for a corner; the tag 6 stands for a quarter of a turn to the right.

    The box covers all of the image as it is read, of which the file does not tell the size, and more.
    """
    cfg = write("coco", person={"bbox": [0, 0, 500, 500]}, keys=["DATASET.EXIF_ORIENTATION", oriented])
    content = json.loads((tmp_path / "labels.json").read_text())
    for image in content["images"]:
        del image["width"], image["height"]
    (tmp_path / "labels.json").write_text(json.dumps(content))
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:20, :20] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(picture).save(tmp_path / "images/000000000007.jpg", exif=exif, quality=95)
    width, height = (HEIGHT, WIDTH) if oriented else (WIDTH, HEIGHT)
    keys = ("FLIP", False), ("SCALE_FACTOR", 0.0), ("ROT_FACTOR", 0)
    cfg.defrost()
    for key, value in keys:
        cfg.DATASET[key] = value
    for clips in (build_training_set(cfg), build_test_set(cfg).clips):
        assert clips.people[0].center.tolist() == [(width - 1) / 2, (height - 1) / 2]
        crop = clips[0].frames[0, :, :, 0].numpy() > 128
        rows, columns = np.nonzero(crop)
        assert rows.mean() < 48  # the corner is at the top
        assert (columns.mean() > 48) == oriented


@pytest.mark.parametrize("name", ["coco", "coco_wholebody", "jhmdb", "mpii_trb"])
def test_predictions_are_in_the_pixels_of_the_annotations(write, tmp_path, name):
    """Whatever these count from: estimates that are the labels are written as the labels."""
    cfg = write(name, person={"center": [30.0, 20.0], "scale": 5.12})
    found = build_test_set(cfg)
    joints = np.stack([person.joints for person in found.clips.people])
    first_pixel = known_data_sets()[name].first_pixel
    (result,) = make_results(
        found.videos, found.clips.people, joints, joints[..., 0], rules=Rules(), sigmas=(), first_pixel=first_pixel
    )
    labeled = joints_of(name)[:, 2] > 0
    np.testing.assert_allclose(
        np.reshape(result["keypoints"], (-1, 3))[labeled, :2], joints_of(name)[labeled, :2], atol=5e-4
    )


def test_the_parts_of_whole_bodies_follow_the_body(write):
    joints = joints_of("coco_wholebody")
    sizes = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    ends = np.cumsum(list(sizes.values()))
    parts = {key: part.ravel().tolist() for key, part in zip(sizes, np.split(joints, ends[:-1]), strict=True)}
    (person,) = build_training_set(write("coco_wholebody", person=parts)).people
    np.testing.assert_allclose(person.joints, joints[:, :2])
    del parts["face_kpts"]
    with pytest.raises(InputError, match=r"annotations\[0\]: COCO-WholeBody requires the lists keypoints, foot_kpts"):
        build_training_set(write("coco_wholebody", person={**parts, "keypoints": parts["keypoints"]}))


def test_mpii_counts_pixels_from_one_and_gives_centers(write):
    joints = np.column_stack([np.arange(16) + 11, np.arange(16) + 21])
    people = [
        {
            "image": "000000000007.jpg",
            "center": [30, 20],
            "scale": 0.2,
            "joints": joints.tolist(),
            "joints_vis": [1] * 16,
        },
        {
            "image": "000000000003.jpg",
            "center": [-1, -1],
            "scale": 0.2,
            "joints": joints.tolist(),
            "joints_vis": [1] * 16,
        },
    ]
    first, second = build_training_set(write("mpii", content=people)).people
    np.testing.assert_allclose(first.joints, joints - 1)
    np.testing.assert_allclose(first.center, [29, 20 + 15 * 0.2 - 1])
    np.testing.assert_allclose(first.scale, 0.2 * 1.25, rtol=1e-6)
    np.testing.assert_allclose(second.center, [-2, -2])
    np.testing.assert_allclose(second.scale, 0.2, rtol=1e-6)
    people[0] |= {"joints_vis": [1] * 15}
    with pytest.raises(InputError, match="joints_vis"):
        build_training_set(write("mpii", content=people))


def test_mpii_trb_gives_the_crop_itself(write):
    (person,) = build_training_set(write("mpii_trb", person={"center": [30.0, 20.0], "scale": 5.12})).people
    np.testing.assert_allclose(person.center, [30, 20], rtol=1e-6)
    np.testing.assert_allclose(person.scale * 200, 256 / 5.12, rtol=1e-6)
    with pytest.raises(InputError, match="annotation 50: center must be two numbers, and scale a positive number"):
        build_training_set(write("mpii_trb", person={"center": [30.0, 20.0], "scale": 0}))


@pytest.mark.parametrize("size", [{"width": 60, "height": 80}, {"width": None, "height": None}, {"width": 20}])
def test_sizes_that_contradict_boxes_are_read_from_the_image(write, size):
    (person,) = build_training_set(write("crowdpose", image=size, person={"bbox": [50, 20, 30, 40]})).people
    np.testing.assert_allclose(person.center, [50 + 29 / 2, 20 + 39 / 2])


def test_fields_that_real_files_lack_or_have_too_many(write):
    crowd = {"iscrowd": 1}
    with pytest.raises(InputError, match="no people to train on; left out: 1 boxes that are crowds"):
        build_training_set(write("coco", person=crowd))
    with pytest.raises(InputError, match="no people to train on; left out: 1 boxes without a labeled joint"):
        build_training_set(write("coco", person={"keypoints": [0] * 51, "num_keypoints": 0}))


def test_missing_files_are_named(write, tmp_path):
    cfg = write("coco", keys=["DATASET.TRAIN_ANNOTATIONS", "", "DATASET.TRAIN_SET", "train2017"])
    with pytest.raises(
        InputError, match=r"annotations/person_keypoints_train2017\.json: no such file; it must contain the annotations"
    ):
        build_training_set(cfg)
    with pytest.raises(InputError, match="coco has no split 'valid'"):
        build_training_set(write("coco", keys=["DATASET.TRAIN_ANNOTATIONS", "", "DATASET.TRAIN_SET", "valid"]))
    with pytest.raises(InputError, match=r"no image was found; .*nowhere.*000000000003\.jpg"):
        build_training_set(write("coco", keys=["DATASET.IMAGE_DIR", tmp_path / "nowhere"]))
    people = [{"id": 1, "image_id": 3, "keypoints": [1, 1, 2] * 17, "bbox": [0, 0, 9, 9]}]
    others = {"images": [{"id": 3, "file_name": "000000000003.jpg"}], "annotations": people}
    cfg = write("crowdpose", content=others | {"categories": [{"keypoints": list(skeleton("coco").names)}]})
    with pytest.raises(InputError, match="its people have 17 joints, but this data set has 14"):
        build_training_set(cfg)
    with pytest.raises(InputError, match=r"DATASET\.DATASET is 'cocoa'; known are posetrack17, .*, coco, .*, custom"):
        build_skeleton(load_config(tmp_path / "net.yaml", ["DATASET.DATASET", "cocoa"]))


def test_people_of_images_that_are_not_there_are_left_out(write, tmp_path, caplog):
    cfg = write("coco")
    (tmp_path / "images/000000000003.jpg").unlink()  # of nobody
    assert len(build_training_set(cfg)) == 1
    assert "1 of 2 images are missing" in caplog.text
    cfg = write("coco")
    (tmp_path / "images/000000000007.jpg").unlink()
    with pytest.raises(InputError, match="no people to train on; left out: 1 boxes of missing images"):
        build_training_set(cfg)
    boxes = [{"image_id": n, "category_id": 1, "bbox": [10, 20, 20, 30], "score": 0.9} for n in (3, 7)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    cfg.defrost()
    cfg.TEST.merge_from_list(["USE_GT_BBOX", False, "COCO_BBOX_FILE", str(tmp_path / "boxes.json")])
    found = build_test_set(cfg)
    assert (len(found.clips), found.dropped["of missing images"]) == (1, 1)


def test_the_soft_variant_needs_the_suppression(write):
    with pytest.raises(InputError, match=r"TEST\.SOFT_NMS requires TEST\.OKS_NMS"):
        build_test_set(write("coco", keys=["TEST.SOFT_NMS", "True"]))
    assert build_test_set(write("coco", keys=["TEST.SOFT_NMS", "True", "TEST.OKS_NMS", "True"])).clips.people


def test_joints_of_another_data_set_are_not_taken_for_its_own(write):
    people = [{"id": 1, "image_id": 3, "keypoints": [1, 1, 2] * 17, "bbox": [0, 0, 9, 9]}]
    images = [{"id": 3, "file_name": "000000000003.jpg"}]
    content = {"images": images, "annotations": people}
    other = content | {"categories": [{"keypoints": list(skeleton("posetrack18").names)}]}
    with pytest.raises(InputError, match="joint 1 is head_bottom, but left_eye in this data set; check DATASET"):
        build_training_set(write("coco", content=other))
    spelt = [name.replace("_", " ").title() for name in skeleton("coco").names]
    assert len(build_training_set(write("coco", content=content | {"categories": [{"keypoints": spelt}]}))) == 1


def test_detected_boxes_by_the_ids_of_images(write, tmp_path):
    boxes = [{"image_id": 7, "category_id": 1, "bbox": [10, 20, 20, 30], "score": 0.9}]
    boxes += [{"image_id": 9, "category_id": 1, "bbox": [10, 20, 20, 30], "score": 0.9}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    cfg = write("crowdpose")
    cfg.defrost()
    cfg.TEST.merge_from_list(["USE_GT_BBOX", False, "COCO_BBOX_FILE", str(tmp_path / "boxes.json")])
    found = build_test_set(cfg)
    (person,) = found.clips.people
    np.testing.assert_allclose(person.center, [20, 35])
    assert (person.row, person.joints.shape) == (-1, (14, 2))
    assert found.dropped["of images that the annotations do not list"] == 1


@pytest.mark.parametrize("prefix", ["", "images/", "./images/", "elsewhere/"])
def test_detected_boxes_by_the_names_of_images(write, tmp_path, prefix):
    """Hashes that end in one number, as AI Challenger's do, and files of one name in several folders, as JHMDB's."""
    names = ["ab7.jpg", "cd7.jpg", "clip/00001.jpg", "other/00001.jpg"]
    images = [{"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in enumerate(names)]
    cfg = write("aic", content={"images": images, "annotations": []})
    for name in names:
        (tmp_path / "images" / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / name), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    order = [2, 0, 3, 1, 1]
    boxes = [{"image_name": prefix + names[n], "bbox": [10 + n, 20, 20, 30], "score": 0.9} for n in order]
    boxes += [{"image_name": f"{prefix}ef7.jpg", "bbox": [10, 20, 20, 30], "score": 0.9}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    cfg.defrost()
    cfg.TEST.merge_from_list(["USE_GT_BBOX", False, "COCO_BBOX_FILE", str(tmp_path / "boxes.json")])
    if prefix == "elsewhere/":
        with pytest.raises(InputError, match="left out: 6 boxes of images that the annotations do not list"):
            build_test_set(cfg)
        return
    found = build_test_set(cfg)
    assert [(person.frame, person.center[0] - 20) for person in found.clips.people] == [
        (0, 0),
        (1, 1),
        (1, 1),
        (2, 2),
        (3, 3),
    ]
    assert found.dropped["of images that the annotations do not list"] == 1


def test_every_usual_place_is_a_pair_of_split_and_path():
    for name, data_set in known_data_sets().items():
        assert data_set.is_custom or find_skeleton(data_set.joints).num_joints > 0, name
        assert data_set.has_videos == (name in ("posetrack17", "posetrack18", "custom"))
        assert set(data_set.images) <= set(data_set.annotations), name
