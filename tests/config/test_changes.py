from pathlib import Path

import pytest

from lib.config import load_config
from lib.config.changes import (
    changes_of_run,
    changes_of_training,
    changes_of_weights,
    check_resumable,
    check_weights,
    ignored_keys,
)
from lib.utils.errors import InputError

JOINTS = ["nose", "left_eye"]
CHECKPOINT = Path("run/checkpoint.pth")


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("MODEL: {EXTRA: {FINAL_CONV_KERNEL: 1}, WARP: {ENABLED: true}}\nTEST: {MODE: pair}\n")
    return lambda *keys: load_config(path, keys)


def changed(load, *keys, base=()):
    return changes_of_run(load(*base).dump(), load(*base, *keys))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SEED", 1),
        ("CUDNN.DETERMINISTIC", True),
        ("MODEL.TARGET_TYPE", "udp"),
        ("MODEL.EXTRA.FINAL_CONV_KERNEL", 3),
        ("MODEL.WARP.DILATIONS", [1]),
        ("LOSS.USE_OHKM", True),
        ("DATASET.ROOT", "elsewhere"),
        ("DATASET.NUM_LABELED_VIDEOS", 5),
        ("DATASET.FLIP", False),
        ("TRAIN.BATCH_SIZE_PER_GPU", 3),
        ("TRAIN.LAYER_DECAY", 0.75),
        ("TRAIN.LR_STEP", [1]),
        ("TRAIN.PRECISION", "bf16"),
        ("TRAIN.ACCUMULATE", 2),
        ("TRAIN.CLIP_GRADIENT", 1.0),
        ("TRAIN.EMA", 0.9),
        ("TRAIN.SCHEDULE", "cosine"),
        ("TRAIN.COMPILE", True),
        ("TRAIN.EVALUATE_EVERY", 2),
        ("TEST.MODE", "aggregate"),
        ("TEST.EVALUATE", False),
        ("TEST.FLIP_TEST", True),
    ],
)
def test_keys_that_change_the_result_of_a_training(load, key, value):
    changes = changed(load, key, value)
    assert list(changes) == [key]
    assert changes[key][1] == value
    with pytest.raises(InputError, match=f"this run has other settings: {key} was "):
        check_resumable(changes, CHECKPOINT, force=False)


@pytest.mark.parametrize(
    "keys",
    [
        ("OUTPUT_DIR", "o", "LOG_DIR", "l", "EXPERIMENT_NAME", "other", "GPUS", "(3,)"),
        ("WORKERS", 0, "PRINT_FREQ", 1, "PIN_MEMORY", False, "AUTO_RESUME", True, "DEBUG.DEBUG", True),
        ("TRAIN.END_EPOCH", 7, "TRAIN.CHECKPOINT_EVERY", 2, "TRAIN.RESUME", True, "TRAIN.CHECKPOINT", "a.pth"),
        ("MODEL.PRETRAINED", "compared by content"),
        ("TEST.BATCH_SIZE_PER_GPU", 1, "TEST.MODEL_FILE", "a.pth", "TEST.PROPAGATE.HOP", 1),
        ("TRAIN.PROFILE", 5),
        ("TRAIN.WD", 0.5, "TRAIN.MOMENTUM", 0.1),  # which Adam does not have
    ],
)
def test_keys_that_do_not_change_the_result_of_a_training(load, keys):
    assert changed(load, *keys) == {}


def test_stored_configurations_with_renamed_values_and_ignored_keys(load):
    stored = (
        load().dump().replace("heatmap_times_box", "peak_times_box").replace("TEST:\n", "TEST:\n  BBOX_THRE: 0.5\n")
    )
    assert "peak_times_box" in stored
    assert "BBOX_THRE" in stored
    assert changes_of_run(stored, load()) == {}
    assert changes_of_run(stored, load("TEST.JOINT_SCORE", "heatmap")) == {
        "TEST.JOINT_SCORE": ("heatmap_times_box", "heatmap")
    }


def test_tests_change_nothing_where_there_are_none(load):
    keys = ["TEST.MODE", "single", "DATASET.TEST_SET", "other", "TRAIN.EVALUATE_EVERY", 3]
    assert changed(load, *keys, base=["TEST.EVALUATE", False]) == {}
    assert changed(load, *keys).keys() == {"TEST.MODE", "DATASET.TEST_SET", "TRAIN.EVALUATE_EVERY"}


def test_weight_decay_counts_with_sgd(load):
    assert changed(load, "TRAIN.WD", 0.5, base=["TRAIN.OPTIMIZER", "sgd"]) == {"TRAIN.WD": (0.0001, 0.5)}


def test_older_configurations_get_new_defaults_and_lose_removed_keys(load):
    lines = [line for line in load().dump().splitlines() if "EVALUATE_EVERY" not in line]
    earlier = "\n".join([*lines, "GONE: 1"])
    assert changes_of_run(earlier, load()) == {}
    assert changes_of_run(earlier, load("TRAIN.EVALUATE_EVERY", 2)) == {"TRAIN.EVALUATE_EVERY": (1, 2)}


@pytest.mark.parametrize("text", ["a: [", "- 1", "text"])
def test_damaged_configurations_are_reported_in_one_line(load, text):
    with pytest.raises(InputError, match="the configuration stored with the checkpoint or weights is damaged"):
        changes_of_run(text, load())


def test_restored_keys_are_rejected_even_with_force(load):
    seed = changed(load, "SEED", 1)
    check_resumable(seed, CHECKPOINT, force=True)
    check_resumable({}, CHECKPOINT, force=False)
    for key, value in (("TRAIN.LR", 0.5), ("TRAIN.WARMUP_ITERATIONS", 9), ("TRAIN.OPTIMIZER", "sgd")):
        with pytest.raises(InputError, match=f"restores {key} even with --force; .* MODEL.PRETRAINED run/model_best"):
            check_resumable(changed(load, key, value), CHECKPOINT, force=True)


def weights_of(load, *keys):
    return {"config": load(*keys).dump(), "joints": JOINTS}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MODEL.WARP.DILATIONS", [1]),
        ("MODEL.TARGET_TYPE", "udp"),
        ("MODEL.TARGET_TYPE", "unbiased"),
        ("MODEL.SIGMA", 3.0),
        ("DATASET.COLOR_RGB", True),
    ],
)
def test_settings_that_must_match_those_of_weights(load, key, value):
    changes = changes_of_weights(weights_of(load), load(key, value), JOINTS)
    assert {name: now for name, (_, now) in changes.items()} == {key: value}
    with pytest.raises(InputError, match=f"a.pth: these weights were trained with other settings: {key} was "):
        check_weights(changes, Path("a.pth"), force=False)
    check_weights(changes, Path("a.pth"), force=True)


def test_caffe_and_pytorch_resnet_weights_differ(load):
    resnet = ["MODEL.NAME", "pose_resnet", "MODEL.WARP.ENABLED", False, "TEST.MODE", "single"]
    changes = changes_of_weights(weights_of(load, *resnet), load(*resnet, "MODEL.EXTRA.STRIDE_IN_1X1", True), JOINTS)
    assert changes == {"MODEL.EXTRA.STRIDE_IN_1X1": (False, True)}


def test_attention_heads_are_not_told_by_the_shapes_of_weights(tmp_path):
    path = tmp_path / "vit.yaml"
    path.write_text("MODEL: {NAME: pose_vit, EXTRA: {EMBED_DIM: 12, DEPTH: 1, NUM_HEADS: 2}}")
    other = load_config(path, ["MODEL.EXTRA.NUM_HEADS", 3, "MODEL.EXTRA.DROP_PATH_RATE", 0.1])
    changes = changes_of_weights(weights_of(lambda: load_config(path)), other, JOINTS)
    assert changes == {"MODEL.EXTRA.NUM_HEADS": (2, 3)}


def test_settings_that_may_differ_from_those_of_weights(load):
    keys = ["SEED", 1, "TRAIN.LR", 0.5, "TEST.MODE", "aggregate", "MODEL.IMAGE_SIZE", [64, 64], "TEST.DARK", True]
    assert changes_of_weights(weights_of(load), load(*keys), JOINTS) == {}
    single = ["MODEL.WARP.ENABLED", False, "TEST.MODE", "single"]
    assert changes_of_weights(weights_of(load, *single), load("MODEL.WARP.DILATIONS", [1]), JOINTS) == {}
    assert changes_of_weights({}, load("DATASET.COLOR_RGB", True), JOINTS) == {}  # published ones do not tell


def test_training_settings_that_do_not_affect_tests(load):
    keys = ["SEED", 1, "DATASET.NUM_LABELED_VIDEOS", 5, "TEST.MODE", "single", "WORKERS", 0, "DATASET.COLOR_RGB", True]
    changes = changes_of_training(weights_of(load), load(*keys))
    assert changes == {"SEED": (0, 1), "DATASET.NUM_LABELED_VIDEOS": (-1, 5)}
    assert changes_of_training({}, load(*keys)) == {}


def test_joints_are_compared_by_name(load):
    assert changes_of_weights(weights_of(load), load(), ["nose", "neck"]) == {"joint 1": ("left_eye", "neck")}
    assert changes_of_weights(weights_of(load), load(), ["nose"]) == {"number of joints": (2, 1)}


def test_a_cosine_depends_on_the_last_epoch_and_not_on_steps(load):
    cosine = ["TRAIN.SCHEDULE", "cosine"]
    assert list(changed(load, "TRAIN.END_EPOCH", 7, base=cosine)) == ["TRAIN.END_EPOCH"]
    assert changed(load, "TRAIN.LR_STEP", [1], "TRAIN.LR_FACTOR", 0.5, base=cosine) == {}
    assert ignored_keys(load(*cosine, "TRAIN.LR_STEP", [1])) == {"TRAIN.LR_STEP": "TRAIN.SCHEDULE cosine"}
    restored = changed(load, *cosine, "TRAIN.END_EPOCH", 7)
    assert set(restored) == {"TRAIN.SCHEDULE", "TRAIN.END_EPOCH"}
    with pytest.raises(InputError, match=r"the checkpoint restores .*TRAIN\.SCHEDULE"):
        check_resumable(restored, CHECKPOINT, force=True)


def test_adamw_has_a_weight_decay(load):
    assert list(changed(load, "TRAIN.WD", 0.5, "TRAIN.MOMENTUM", 0.1, base=["TRAIN.OPTIMIZER", "adamw"])) == [
        "TRAIN.WD"
    ]
    keys = ["TRAIN.OPTIMIZER", "adamw", "TRAIN.WD", 0.5, "TRAIN.NESTEROV", True]
    assert ignored_keys(load(*keys)) == {"TRAIN.NESTEROV": "TRAIN.OPTIMIZER adamw"}


def test_keys_that_the_optimizer_ignores(load):
    assert ignored_keys(load()) == {}
    keys = ["TRAIN.WD", 0.5, "TRAIN.NESTEROV", True]
    assert ignored_keys(load(*keys)) == dict.fromkeys(("TRAIN.WD", "TRAIN.NESTEROV"), "TRAIN.OPTIMIZER adam")
    assert ignored_keys(load(*keys, "TRAIN.OPTIMIZER", "sgd")) == {}


def test_keys_that_need_another_key(load):
    keys = ["DATASET.SHIFT_FACTOR", 0.16, "LOSS.USE_DIFFERENT_JOINTS_WEIGHT", True]
    assert ignored_keys(load(*keys, "LOSS.USE_TARGET_WEIGHT", False)) == {
        "DATASET.SHIFT_FACTOR": "DATASET.PROB_SHIFT 0.0",
        "LOSS.USE_DIFFERENT_JOINTS_WEIGHT": "LOSS.USE_TARGET_WEIGHT False",
    }
    assert ignored_keys(load(*keys, "DATASET.PROB_SHIFT", 0.3)) == {}
