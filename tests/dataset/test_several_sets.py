"""Training on several data sets at once: two small PoseTracks."""

import cv2
import numpy as np
import pytest
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.dataset import build_training_set
from lib.pose.crop import crop_image, crop_matrix
from lib.utils.errors import InputError


@pytest.fixture
def build(tmp_path):
    """The training set of one video under a/, and of two more under b/ with one labeled frame of each."""
    make_video(tmp_path / "a", "same", num_frames=2, people=2)
    make_video(tmp_path / "b", "same", num_frames=3, people=1)
    make_video(tmp_path / "b", "other", num_frames=1, people=1)
    path = write_experiment(tmp_path, tmp_path / "a")

    def build(**changes):
        further = {"DATASET": "posetrack18", "ROOT": str(tmp_path / "b"), "TRAIN_SET": "val"}
        further |= {"NUM_LABELED_FRAMES_PER_VIDEO": 1} | changes
        plain = ["DATASET.ROT_FACTOR", 0, "DATASET.SCALE_FACTOR", 0, "DATASET.FLIP", False]
        keys = ["MODEL.WARP.ENABLED", False, "TEST.MODE", "single", "DATASET.TRAIN_SET", "val", *plain]
        return build_training_set(load_config(path, [*keys, "DATASET.ALSO", [further]]))

    return build


def test_each_has_its_custom_videos_and_its_own_sparse_labels(build, tmp_path):
    clips = build()
    assert [person.video for person in clips.people] == [0, 0, 0, 0, 1, 2]
    for index, name in ((0, "a/images/val/same"), (4, "b/images/val/other"), (5, "b/images/val/same")):
        person = clips.people[index]
        image = cv2.imread(str(tmp_path / name / f"{person.number:06d}.jpg"))
        crop = crop_image(image, crop_matrix(person.center, person.scale, 0.0, (64, 96)), (64, 96))
        difference = clips[index].frames[0].numpy().astype(int) - crop[..., ::-1]
        assert np.abs(difference).max() <= 1  # the matrices differ in rounding


def test_other_joints_and_places_without_labels_are_refused(build, tmp_path):
    with pytest.raises(InputError, match=r"DATASET\.ALSO: coco does not have the joints of posetrack18"):
        build(DATASET="coco")
    with pytest.raises(InputError, match=r"no annotations for the split 'train'.*/b/annotations"):
        build(TRAIN_SET="train")
