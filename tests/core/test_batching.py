import logging
from itertools import pairwise

import numpy as np
import pytest
import torch
from posetrack_sample import make_video, write_experiment
from torch import nn

from lib.config import load_config
from lib.core import batching
from lib.core.predictor import Predictor
from lib.core.strategies import single
from lib.dataset import build_loader_options, build_test_set
from lib.utils.errors import InputError

CPU = torch.device("cpu")
ERRORS = {
    "gpu": torch.OutOfMemoryError("CUDA out of memory"),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
}


class Limited(nn.Module):
    """A net that accepts a limited number of images at once."""

    def __init__(self, max_images, error=ERRORS["gpu"]):
        super().__init__()
        self.max_images, self.error, self.sizes = max_images, error, []

    def forward(self, images):
        self.sizes.append(len(images))
        if len(images) > self.max_images:
            raise self.error
        return nn.functional.avg_pool2d(images, 4).mean(1, keepdim=True).repeat(1, 17, 1, 1)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    make_video(folder / "data", "v", num_frames=10)
    return write_experiment(folder, folder / "data")


def predict(experiment, net, size):
    cfg = load_config(experiment, ["TEST.MODE", "single", "TEST.BATCH_SIZE_PER_GPU", size])
    return Predictor(net, single, device=CPU, loader=build_loader_options(cfg)).predict(build_test_set(cfg).clips)


@pytest.mark.parametrize("kind", ERRORS)
def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost(experiment, kind, caplog):
    expected = predict(experiment, Limited(99), "8")
    net = Limited(3, ERRORS[kind])
    poses = predict(experiment, net, "8")
    assert net.sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    np.testing.assert_array_equal(poses.joints, expected.joints)
    np.testing.assert_array_equal(poses.scores, expected.scores)
    messages = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(messages) == 2
    assert "TEST.BATCH_SIZE_PER_GPU: out of memory with 8 clips; continuing with 4" in messages[0]


def test_a_single_clip_that_does_not_fit(experiment):
    with pytest.raises(InputError, match=r"TEST.BATCH_SIZE_PER_GPU: not even one clip"):
        predict(experiment, Limited(0), "4")


def test_other_errors_are_raised(experiment):
    with pytest.raises(RuntimeError, match="shapes"):
        predict(experiment, Limited(1, RuntimeError("shapes do not match")), "4")


def test_auto_grows_until_the_memory_is_used(experiment, monkeypatch):
    expected = predict(experiment, Limited(99), "8")
    net = Limited(99)
    monkeypatch.setattr("lib.dataset.loaders.CPU_PIXELS", 64 * 96)  # begin with one clip
    monkeypatch.setattr(batching, "memory_share", lambda device: max(net.sizes) / 10)
    poses = predict(experiment, net, "auto")
    assert net.sizes == [1, 2, 4, 8, 5]
    assert all(after <= 2 * before for before, after in pairwise(net.sizes))
    np.testing.assert_array_equal(poses.joints, expected.joints)


def test_auto_does_not_grow_again_after_running_out_of_memory(experiment, monkeypatch):
    net = Limited(3)
    monkeypatch.setattr("lib.dataset.loaders.CPU_PIXELS", 64 * 96)
    monkeypatch.setattr(batching, "memory_share", lambda device: 0.1)
    predict(experiment, net, "auto")
    assert net.sizes == [1, 2, 4, 2, 2, 2, 2, 2, 2, 2, 2, 1]


def test_a_size_is_a_number_or_auto(experiment):
    assert load_config(experiment, ["TEST.BATCH_SIZE_PER_GPU", "auto"]).TEST.BATCH_SIZE_PER_GPU == "auto"
    with pytest.raises(InputError, match=r"TEST.BATCH_SIZE_PER_GPU.*'many'"):
        load_config(experiment, ["TEST.BATCH_SIZE_PER_GPU", "many"])
    with pytest.raises(InputError, match=r"TRAIN.BATCH_SIZE_PER_GPU"):
        load_config(experiment, ["TRAIN.BATCH_SIZE_PER_GPU", "auto"])
