import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lib.config import load_config
from lib.dataset import build_skeleton, build_sparse_labels, build_test_set, build_training_set, build_truth
from lib.pose.skeletons import SIGMA
from lib.utils.errors import InputError

NAMES = ["tail", "left_ear", "right_ear"]


@pytest.fixture
def cfg(tmp_path):
    images, annotations = [], []
    for frame in range(6):
        cv2.imwrite(str(tmp_path / f"{frame}.png"), np.full((60, 80, 3), 10 * frame, np.uint8))
        images.append({"id": frame, "file_name": f"{frame}.png"})
        if frame % 2 == 0:
            keypoints = [10 + frame, 20, 2, 30, 25, 1, 0, 0, 0 if frame else 2]
            person = {"id": frame, "image_id": frame, "track_id": 0, "keypoints": keypoints, "bbox": [0, 0, 80, 60]}
            annotations.append(person)
    content = {"images": images, "annotations": annotations, "categories": [{"keypoints": NAMES}]}
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(content))
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text("MODEL: {IMAGE_SIZE: [96, 96], SIGMA: 1}\nDATASET: {DATASET: custom}")

    def build(*overrides):
        keys = ["DATASET.ROOT", str(tmp_path), "DATASET.TRAIN_ANNOTATIONS", str(labels), "MODEL.NUM_JOINTS", 3]
        return load_config(experiment, [*keys, *overrides])

    return build


def test_joints_are_the_files_own_and_boxes_those_of_the_joints(cfg):
    people = build_sparse_labels(cfg()).people
    assert [person.number for person in people] == [0, 2, 4]
    np.testing.assert_array_equal(people[1].joints[:2], [[12, 20], [30, 25]])
    assert [person.labeled.tolist() for person in people] == [[True, True, True], *[[True, True, False]] * 2]
    assert people[1].center == pytest.approx([(12 + 30) / 2, 22.5], abs=1)  # that of the joints, not of the bbox
    assert len(build_truth(cfg("DATASET.TEST_ANNOTATIONS", cfg().DATASET.TRAIN_ANNOTATIONS))) == 3


def test_mirroring_without_sided_joints_is_a_warning(cfg, caplog):
    build_training_set(cfg())
    assert not caplog.records
    path = Path(cfg().DATASET.TRAIN_ANNOTATIONS)
    path.write_text(path.read_text().replace("right_ear", "right_paw"))
    build_training_set(cfg("DATASET.FLIP", "False"))
    assert not caplog.records
    build_training_set(cfg())
    assert "images are mirrored, but no joint names have two sides" in caplog.text


@pytest.mark.parametrize(
    ("joints", "bbox", "center", "side"),
    [
        ([(20, 30)], [0, 0, 40, 50], (20, 25), 50),  # one joint: the file's box
        ([(40, 30)], [0, 0, 0, 0], (40, 30), 64),  # none that is one: a square
        ([(40, 10), (40, 30)], [0, 0, 0, 0], (40, 20), 26),  # on a line: as wide as a quarter of it, and margins
    ],
)
def test_lone_joints_and_joints_in_a_line_have_boxes(cfg, joints, bbox, center, side):
    path = Path(cfg().DATASET.TRAIN_ANNOTATIONS)
    content = json.loads(path.read_text())
    keypoints = [value for point in joints for value in (*point, 2)] + [0] * (9 - 3 * len(joints))
    content["annotations"] = [content["annotations"][0] | {"keypoints": keypoints, "bbox": bbox}]
    path.write_text(json.dumps(content))
    (person,) = build_sparse_labels(cfg()).people
    assert person.center == pytest.approx(center, abs=2)
    assert person.scale[0] * 200 == pytest.approx(1.25 * side, rel=0.1)


def test_an_epoch_goes_over_the_labels_several_times_each_with_another_crop(cfg):
    once, thrice = build_training_set(cfg()), build_training_set(cfg("DATASET.REPEAT", 3))
    assert (len(once), len(thrice)) == (3, 9)
    targets = [thrice[index].targets.numpy() for index in (0, 3, 6)]
    assert not any((targets[0] == other).all() for other in targets[1:])
    assert targets[0].shape == (3, 24, 24)


@pytest.mark.parametrize("flip", [False, True])
def test_mirrored_joints_change_places_by_their_names(cfg, flip):
    clips = build_training_set(cfg("DATASET.FLIP", flip, "DATASET.SCALE_FACTOR", 0, "DATASET.ROT_FACTOR", 0))
    mirrored = 0
    for epoch in range(8):
        clips.epoch = epoch
        weights = clips[1].target_weights[:, 0].tolist()  # the right ear is not labeled
        assert weights in ([1, 1, 0], [1, 0, 1])
        mirrored += weights == [1, 0, 1]
    assert (mirrored > 0) == flip


def test_targets_can_be_placed_within_cells(cfg):
    keys = ["DATASET.FLIP", False, "DATASET.SCALE_FACTOR", 0, "DATASET.ROT_FACTOR", 0]
    plain, unbiased = (build_training_set(cfg(*keys, "MODEL.TARGET_TYPE", kind)) for kind in ("gaussian", "unbiased"))
    assert plain[0].targets.max() == 1
    assert 0.5 < unbiased[0].targets.max() < 1


def test_another_number_of_joints_is_refused(cfg):
    with pytest.raises(InputError, match=r"MODEL.NUM_JOINTS is 4; .*labels\.json has 3"):
        build_sparse_labels(cfg("MODEL.NUM_JOINTS", 4))


def test_test_set_is_the_labeled_people_and_the_file_is_the_truth(cfg):
    path = Path(cfg().DATASET.TRAIN_ANNOTATIONS)
    keys = ["DATASET.TEST_ANNOTATIONS", str(path), "TEST.USE_GT_BBOX", "True"]
    found = build_test_set(cfg(*keys))
    assert [person.number for person in found.clips.people] == [0, 2, 4]
    assert (found.truth, found.has_ground_truth) == (path, True)
    keys += ["MODEL.WARP.ENABLED", "True", "TEST.MODE", "aggregate", "TEST.AGGREGATE.OFFSETS", "[0, -1, -2, 1, 2]"]
    clips = build_test_set(cfg(*keys)).clips
    assert clips[1].frames.shape[0] == 5
    means = clips[1].frames[:, 48, 48, 0].tolist()  # frames 2, 1, 0, 3, 4 of gray 10 × number
    assert means == pytest.approx([20, 10, 0, 30, 40], abs=1)


def test_joints_are_those_of_the_file_to_test_on_if_there_is_no_other(cfg, tmp_path):
    path = cfg().DATASET.TRAIN_ANNOTATIONS
    keys = ["DATASET.TRAIN_ANNOTATIONS", "", "DATASET.TEST_ANNOTATIONS", path]
    assert build_skeleton(cfg(*keys)).names == tuple(NAMES)
    with pytest.raises(InputError, match=r"split 'train'.*set DATASET\.TRAIN_ANNOTATIONS if they are elsewhere"):
        build_skeleton(cfg("DATASET.TRAIN_ANNOTATIONS", ""))


def test_constants_of_oks_are_those_of_the_file(cfg):
    assert build_skeleton(cfg()).sigmas == (SIGMA,) * 3
    path = Path(cfg().DATASET.TRAIN_ANNOTATIONS)
    content = json.loads(path.read_text())
    content["categories"][0]["sigmas"] = [0.1, 0.02, 0.03]
    path.write_text(json.dumps(content))
    assert build_skeleton(cfg()).sigmas == (0.1, 0.02, 0.03)


def test_a_test_on_other_joints_is_refused(cfg, tmp_path):
    content = json.loads(Path(cfg().DATASET.TRAIN_ANNOTATIONS).read_text())
    content["categories"][0]["keypoints"] = NAMES[::-1]
    (tmp_path / "other.json").write_text(json.dumps(content))
    keys = ["DATASET.TEST_ANNOTATIONS", str(tmp_path / "other.json"), "TEST.USE_GT_BBOX", "True"]
    with pytest.raises(
        InputError, match=r"other\.json: its joints are right_ear, left_ear, tail, but those of the net are tail, "
    ):
        build_test_set(cfg(*keys))
    with pytest.raises(InputError, match=r"DATASET\.GT_DIR is only for PoseTrack"):
        build_test_set(cfg(*keys, "DATASET.GT_DIR", str(tmp_path)))
    with pytest.raises(InputError, match=r"custom; set DATASET\.TEST_ANNOTATIONS"):
        build_test_set(cfg("DATASET.TEST_ANNOTATIONS", str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "message"), [("old 0.png", "the number of 0.png"), ("mouse.png", "no number in its name")]
)
def test_images_with_ambiguous_numbers_are_rejected(cfg, name, message):
    path = Path(cfg().DATASET.TRAIN_ANNOTATIONS)
    path.write_text(path.read_text().replace('"5.png"', json.dumps(name)))
    with pytest.raises(InputError, match=f"labels.json: image {name} has {message}: images in a folder are frames"):
        build_sparse_labels(cfg())


def test_more_labels_than_there_are_is_a_warning(cfg, caplog):
    build_sparse_labels(cfg("DATASET.NUM_LABELED_FRAMES_PER_VIDEO", 3, "DATASET.NUM_LABELED_VIDEOS", 1))
    assert not caplog.records
    build_sparse_labels(cfg("DATASET.NUM_LABELED_FRAMES_PER_VIDEO", 4, "DATASET.NUM_LABELED_VIDEOS", 2))
    assert "NUM_LABELED_VIDEOS is 2, but 1 videos are labeled: all of them are used" in caplog.text
    assert "FRAMES_PER_VIDEO is 4, but at most 3 frames of a video are labeled: all of them are used" in caplog.text
