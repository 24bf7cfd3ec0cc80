"""Training of an experiment: each option, by what it changes in the parts that train."""

import json
import logging

import pytest
import torch
from posetrack_sample import make_video, write_experiment
from torch import nn, optim

from lib.config import load_config
from lib.core import step
from lib.core.origin import build_resumption
from lib.core.profile import profile
from lib.core.run import Run
from lib.core.strategies import pair
from lib.core.training import build_training
from lib.core.training_files import read_training, save_weights
from lib.utils import precision
from lib.utils.errors import InputError


@pytest.fixture
def build(tmp_path):
    make_video(tmp_path / "data", "video")
    write_experiment(tmp_path, tmp_path / "data")

    def build(*keys, count=1):
        cfg = load_config(tmp_path / "small.yaml", ["MODEL.FREEZE_POSE_NET", True, "DATASET.TRAIN_SET", "val", *keys])
        run = Run(
            folder=tmp_path / "run",
            device=torch.device("cpu"),
            process=(0, count),
            config=cfg.dump(),
            inference_precision="fp32",
        )
        return build_training(cfg, run)

    return build


def test_an_epoch_that_was_begun_cannot_be_left_out(build, tmp_path):
    training = build()
    training.trainer.epoch, training.trainer.iteration = 2, 1
    training.files.save_checkpoint(training.trainer, training._describe())
    keys = ["MODEL.FREEZE_POSE_NET", True, "DATASET.TRAIN_SET", "val"]
    two, three = (load_config(tmp_path / "small.yaml", [*keys, "TRAIN.END_EPOCH", end]) for end in (2, 3))
    with pytest.raises(InputError, match=r"in the middle of epoch 2, so TRAIN\.END_EPOCH, 2, must be at least 3"):
        build_resumption(two, training.files, training.files.checkpoint)
    assert build_resumption(three, training.files, training.files.checkpoint).state["iteration"] == 1


def test_a_damaged_checkpoint_never_replaces_the_one_before(build, tmp_path):
    first = build()
    files, described = first.files, first._describe()
    for first.trainer.iteration in (1, 2):
        files.save_checkpoint(first.trainer, described)
    files.checkpoint.write_bytes(files.checkpoint.read_bytes()[:-100])
    cfg = load_config(tmp_path / "small.yaml", ["MODEL.FREEZE_POSE_NET", True, "DATASET.TRAIN_SET", "val"])
    resumption = build_resumption(cfg, files, files.checkpoint)
    assert (resumption.checkpoint, resumption.state["iteration"]) == (files.previous, 1)
    second = build_training(cfg, first.run, resumption)
    assert second.trainer.iteration == 1
    assert not files.checkpoint.exists()
    files.save_checkpoint(second.trainer, described)
    assert read_training(files.previous)[0]["iteration"] == 1
    assert read_training(files.checkpoint)[0]["iteration"] == 1


def test_options_are_off_by_default(build):
    training = build()
    trainer = training.trainer
    assert (trainer.scaler, trainer.average, training._step.options.dtype) == (None, None, torch.float32)
    assert (training._step.options.accumulate, training._step.options.max_norm) == (1, 0)
    assert isinstance(trainer.schedule, optim.lr_scheduler.MultiStepLR)
    assert not any(isinstance(layer, nn.SyncBatchNorm) for layer in trainer.net.modules())


def test_options_reach_the_trainer(build):
    keys = ["TRAIN.PRECISION", "fp16", "TRAIN.EMA", 0.99, "TRAIN.ACCUMULATE", 8, "TRAIN.CLIP_GRADIENT", 2]
    training = build(*keys)
    assert training._step.options.dtype == torch.float16
    assert (training._step.options.accumulate, training._step.options.max_norm) == (8, 2)
    assert training.trainer.scaler.is_enabled()
    assert training.trainer.result is training.trainer.average.module
    assert build("TRAIN.PRECISION", "bf16").trainer.scaler is None


@pytest.mark.parametrize(("is_native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_automatic_precision_follows_the_hardware(build, monkeypatch, is_native, dtype):
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: is_native)
    prepared = []
    monkeypatch.setattr(step, "frozen_estimator", lambda net, dtype: prepared.append(dtype))
    options = build("TRAIN.PRECISION", "auto")._step.options
    assert options.dtype == dtype
    assert prepared == [dtype]


def test_only_a_frozen_pose_net_is_replaced_by_an_estimator(build):
    assert build()._step.strategy.keywords["pose_net"]
    assert build("MODEL.FREEZE_POSE_NET", False)._step.strategy is pair


def test_only_a_frozen_pose_net_must_have_been_trained_with_the_same_settings(build, tmp_path, caplog):
    training, path = build(), tmp_path / "weights.pth"
    save_weights(path, training.trainer.net, training._describe())
    weights = ("MODEL.PRETRAINED", str(path))
    build(*weights)
    assert "other settings" not in caplog.text
    build(*weights, "MODEL.WARP.DILATIONS", [1, 5])  # of the head, which is trained further
    assert "was trained with other settings: MODEL.WARP.DILATIONS was [1, 2] and is [1, 5]" in caplog.text
    with pytest.raises(InputError, match="SIGMA"):
        build(*weights, "MODEL.SIGMA", 3)


def test_only_trained_batch_norm_is_synchronized(build):
    def synchronized(training):
        layers = training.trainer.net.named_modules()
        return {name.split(".")[0] for name, layer in layers if isinstance(layer, nn.SyncBatchNorm)}

    assert synchronized(build("TRAIN.SYNC_BN", True)) == {"offset_feats"}
    assert synchronized(build("TRAIN.SYNC_BN", True, "MODEL.FREEZE_POSE_NET", False)) == {"offset_feats", "pose_net"}
    assert set(build().trainer.net.state_dict()) == set(build("TRAIN.SYNC_BN", True).trainer.net.state_dict())
    with pytest.raises(InputError, match=r"TRAIN\.SYNC_BN requires GPUs"):
        build("TRAIN.SYNC_BN", True, count=2)


def test_tf32_holds_for_matrix_products_too(build):
    assert not torch.backends.cuda.matmul.allow_tf32
    try:
        build()
        assert not torch.backends.cuda.matmul.allow_tf32
        build("TRAIN.PRECISION", "tf32")
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    with pytest.raises(InputError, match=r"TRAIN\.PRECISION is tf32, but CUDNN\.ALLOW_TF32 is False"):
        build("TRAIN.PRECISION", "tf32", "CUDNN.ALLOW_TF32", False)


def test_a_profile_lists_ten_entries_and_writes_a_trace(tmp_path, caplog):
    with caplog.at_level(logging.INFO), profile(tmp_path / "trace.json", 2) as profiler:
        for _ in range(5):
            nn.Linear(4, 4)(torch.rand(2, 4)).sum().backward()
            profiler.step()
    events = [event.get("name", "") for event in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]]
    assert events.count("aten::linear") == 2  # of five iterations
    _, _, table = caplog.messages[0].partition("\n")
    rows = [line.split()[0] for line in table.split("\n-")[1].splitlines()[1:]]
    assert len(rows) == 11
    assert {"aten::addmm", "ProfilerStep*"} <= set(rows)
