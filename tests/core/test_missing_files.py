"""Missing files are reported before a net is built, which takes many seconds for a large one."""

import pytest
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.core import trained_model, trainer
from lib.evaluation.trained_run import train_experiment
from lib.propagation.augmentation import run_augmentation
from lib.propagation.options import PropagationOptions
from lib.propagation.protocol import run_protocol
from lib.utils.errors import InputError

WARP = PropagationOptions(method="warp")


@pytest.fixture
def load(tmp_path, monkeypatch):
    def fail(cfg):
        raise AssertionError("the net is built first")

    monkeypatch.setattr(trainer, "build_model", fail)
    monkeypatch.setattr(trained_model, "build_model", fail)
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "data", "video")
    write_experiment(tmp_path, tmp_path / "data")
    (tmp_path / "final.pth").touch()
    keys = ["DATASET.TRAIN_SET", "val", "LOG_DIR", str(tmp_path / "log"), "TEST.MODEL_FILE", "final.pth"]
    return lambda *changes: load_config(tmp_path / "small.yaml", [*keys, *changes])


@pytest.mark.parametrize("key", ["DATASET.TRAIN_ANNOTATIONS", "DATASET.TEST_ANNOTATIONS", "MODEL.PRETRAINED"])
def test_training_checks_its_files_first(load, key):
    with pytest.raises(InputError, match=f"{key}.*absent.*exist"):
        train_experiment(load(key, "absent"), "small")


def test_training_checks_the_folder_of_the_frames_first(load):
    with pytest.raises(InputError, match="absent"):
        train_experiment(load("DATASET.IMAGE_DIR", "absent"), "small")


@pytest.mark.parametrize(("key", "value"), [("DATASET.TEST_ANNOTATIONS", "absent"), ("TEST.MODEL_FILE", "absent.pth")])
def test_propagation_checks_its_files_first(load, key, value):
    with pytest.raises(InputError, match=f"{key}.*absent.*exist"):
        run_protocol(load("TEST.MODE", "propagate", key, value), "small", WARP, every=7)


@pytest.mark.parametrize(("key", "value"), [("DATASET.TRAIN_ANNOTATIONS", "absent"), ("TEST.MODEL_FILE", "absent.pth")])
def test_augmentation_checks_its_files_first(load, key, value):
    with pytest.raises(InputError, match=f"{key}.*absent.*exist"):
        run_augmentation(load("TEST.MODE", "propagate", key, value), "small", WARP, None)
