"""The published experiment files of the first implementations, rebuilt from their keys, against their meaning."""

import logging
import re
from pathlib import Path

import pytest
import yaml

from lib.config import load_config
from lib.config.default import DEFAULTS
from lib.config.keys import flatten
from lib.config.legacy import IGNORED, OLD_KEYS, REFUSED, REPLACED
from lib.utils.errors import InputError

ROOT = Path(__file__).parents[2]
PUBLISHED = yaml.safe_load((ROOT / "tests/golden/config/published_files.yaml").read_text())
GROUPS = ("files_posewarper", "files_hrnet", "files_simplebaseline")
FILES = [(group, name) for group in GROUPS for name in PUBLISHED[group]]
SIX = list(PUBLISHED["files_posewarper"])
PREFIX = "posetrack/hrnet/w48_384x288_adam_lr1e-4"


def keys_of(group, name):
    own = dict(PUBLISHED[group][name])
    base = own.pop("_differs_from", None)
    merged = {**(keys_of(group, base) if base else {}), **own}
    return {key: value for key, value in merged.items() if value is not None}


def nested(flat):
    tree = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = value
    return tree


@pytest.fixture
def load(tmp_path):
    def load(flat, overrides=()):
        path = tmp_path / "old.yaml"
        path.write_text(yaml.safe_dump(nested(flat)))
        return load_config(path, overrides)

    return load


@pytest.mark.parametrize(("group", "name"), FILES)
def test_a_published_file_keeps_every_value_whose_key_kept_its_name(load, group, name):
    flat = keys_of(group, name)
    cfg = flatten(load(flat))
    changed = {"GPUS", "OUTPUT_DIR", "LOG_DIR", "DATASET.DATASET", "MODEL.NAME", "DATASET.NUM_LABELED_VIDEOS"}
    if flat.get("DATASET.TEST_ON_TRAIN"):
        changed.add("DATASET.TEST_SET")
    kept = [key for key in flat if key in cfg and key not in changed]
    assert len(kept) > 25
    assert {key: cfg[key] for key in kept} == {key: flat[key] for key in kept}
    assert cfg["MODEL.NAME"] == flat["MODEL.NAME"].removesuffix("_PoseAgg")
    assert cfg["OUTPUT_DIR"] == "output"
    assert cfg.get("MODEL.EXTRA.STRIDE_IN_1X1", False) == (flat.get("MODEL.STYLE") == "caffe")


def test_every_old_default_is_known_and_equal_where_the_key_kept_its_name():
    known = flatten(DEFAULTS)
    for key, value in PUBLISHED["defaults_posewarper"].items():
        assert key in known or key in OLD_KEYS or key == "MODEL.EXTRA", key
        # Pictures are drawn where DEBUG.DEBUG alone is set: there it drew none without the keys that choose which.
        changed = key in ("OUTPUT_DIR", "LOG_DIR", "GPUS", "TEST.NMS_THRE") or key.startswith("DEBUG.SAVE_")
        if key in known and not changed:
            assert known[key] == value, key


@pytest.mark.parametrize("name", SIX)
def test_our_six_experiments_mean_what_the_published_ones_do(load, name):
    old, ours = flatten(load(keys_of("files_posewarper", name))), flatten(load_config(ROOT / "experiments" / name))
    paths = {"DATASET.DATASET", "DATASET.ROOT", "DATASET.TRAIN_SET", "DATASET.TEST_SET", "GPUS"}
    if old["TEST.MODE"] == "aggregate":
        paths.add("DATASET.FRAME_DELTAS")  # of pairs
    assert {key: value for key, value in old.items() if key not in paths} == {
        key: value for key, value in ours.items() if key not in paths
    }


@pytest.mark.parametrize(
    ("suffix", "warps", "mode", "deltas"),
    [
        ("", False, "single", [-2, -1, 0, 1, 2]),
        ("_PoseWarper_train", True, "pair", [-2, -1, 0, 1, 2]),
        ("_PoseWarper_inference_temporal_pose_aggregation", True, "aggregate", [0]),
        ("_PoseWarper_inference_video_pose_propagation", True, "propagate", [0]),
        ("_PoseWarper_inference_data_augmentation", True, "propagate", [0]),
        ("_pseudo_gt_train", False, "single", [-2, -1, 0, 1, 2]),
    ],
)
def test_what_the_published_switches_mean(load, suffix, warps, mode, deltas):
    cfg = load(keys_of("files_posewarper", f"{PREFIX}{suffix}.yaml"))
    assert (cfg.MODEL.WARP.ENABLED, cfg.TEST.MODE, cfg.DATASET.FRAME_DELTAS) == (warps, mode, deltas)
    assert cfg.MODEL.FREEZE_POSE_NET == (suffix == "_PoseWarper_train")
    assert cfg.DATASET.DATASET == "posetrack17"
    assert cfg.DATASET.NUM_LABELED_VIDEOS == -1


def test_old_keys_on_the_command_line_override_either_kind_of_file(load):
    agg = f"{PREFIX}_PoseWarper_inference_temporal_pose_aggregation.yaml"
    overrides = ["DATASET.IS_POSETRACK18", "True", "DATASET.JSON_FILE", "v.json", "DATASET.IMG_DIR", "/img/"]
    overrides += ["POSETRACK_ANNOT_DIR", "/gt"]
    for cfg in (
        load(keys_of("files_posewarper", agg), overrides),
        load_config(ROOT / "experiments" / agg, overrides),
    ):
        assert cfg.DATASET.DATASET == "posetrack18"
        assert (cfg.DATASET.TEST_ANNOTATIONS, cfg.DATASET.IMAGE_DIR, cfg.DATASET.GT_DIR) == ("v.json", "/img/", "/gt")
        assert cfg.TEST.MODE == "aggregate"
    train = ROOT / "experiments" / f"{PREFIX}_PoseWarper_train.yaml"
    cfg = load_config(train, ["MODEL.TIMESTEP_DELTA_RAND", "False", "MODEL.TIMESTEP_DELTA", "-1"])
    assert cfg.DATASET.FRAME_DELTAS == [-1]
    assert load_config(train, ["MODEL.WARPING_REVERSE", "True"]).TEST.MODE == "propagate"
    propagation = ROOT / "experiments" / f"{PREFIX}_PoseWarper_inference_video_pose_propagation.yaml"
    assert load_config(propagation, ["MODEL.TIMESTEP_DELTA", "3"]).DATASET.FRAME_DELTAS == [3]
    assert (
        load_config(train, ["MODEL.USE_WARPING_TEST", "False", "MODEL.USE_GT_INPUT_TEST", "False"]).TEST.MODE
        == "single"
    )


def test_new_keys_override_old_ones_within_a_layer_and_later_layers_override_both(load):
    old = {"MODEL.USE_WARPING_TEST": True, "MODEL.WARP.ENABLED": True, "TEST.MODE": "aggregate"}
    assert load(old).TEST.MODE == "aggregate"
    assert load(old, ["MODEL.USE_WARPING_TEST", "False", "MODEL.WARP.ENABLED", "True"]).TEST.MODE == "single"


def test_the_later_of_data_set_and_year_holds(load):
    old = {"DATASET.DATASET": "posetrack", "DATASET.IS_POSETRACK18": False}
    assert load(old, ["DATASET.DATASET", "posetrack18"]).DATASET.DATASET == "posetrack18"
    assert load(old, ["DATASET.IS_POSETRACK18", "True"]).DATASET.DATASET == "posetrack18"
    assert (
        load({"DATASET.DATASET": "posetrack18"}, ["DATASET.IS_POSETRACK18", "False"]).DATASET.DATASET == "posetrack17"
    )


def test_reverse_warping_needs_warping(load):
    assert load({"MODEL.WARPING_REVERSE": True}).TEST.MODE == "single"
    assert load({"MODEL.WARPING_REVERSE": True, "MODEL.USE_WARPING_TEST": True}).TEST.MODE == "propagate"


def test_names_of_the_sparse_training_files(load):
    base = {"DATASET.DATASET": "posetrack", "DATASET.PSEUDO_GT_TRAIN": True}
    few = {"DATASET.NUM_LABELED_FRAMES_PER_VIDEO": 2, "DATASET.NUM_LABELED_VIDEOS": 50}
    assert load(base | few).DATASET.TRAIN_ANNOTATIONS == "posetrack_train_N2_per_video_V50_videos_wPseudoGT.json"
    few["DATASET.NUM_LABELED_VIDEOS"] = 250
    assert load(base | few).DATASET.TRAIN_ANNOTATIONS == "posetrack_train_N2_per_video_wPseudoGT.json"
    assert load(base).DATASET.TRAIN_ANNOTATIONS == "posetrack_train_wPseudoGT.json"


def test_simple_baseline_files(load):
    name = "mpii/resnet152/384x384_d256x3_adam_lr1e-3.yaml"
    for gpus in ("0", "0,1", "0,1,2,3"):  # the batches are of each GPU
        cfg = load({**keys_of("files_simplebaseline", name), "GPUS": gpus})
        assert (cfg.TRAIN.BATCH_SIZE_PER_GPU, cfg.TEST.BATCH_SIZE_PER_GPU) == (24, 32)
    assert (cfg.MODEL.SIGMA, cfg.MODEL.HEATMAP_SIZE) == (3, [96, 96])
    assert cfg.TEST.POST_PROCESS
    assert cfg.TEST.SHIFT_HEATMAP
    assert cfg.TEST.IMAGE_THRE == 0.0
    explicit = {"TEST.POST_PROCESS": False, "TRAIN.BATCH_SIZE": 8, "TEST.IMAGE_THRE": 0.2}
    assert not load(explicit).TEST.POST_PROCESS
    assert load(explicit).TEST.SHIFT_HEATMAP
    assert load(explicit).TEST.IMAGE_THRE == 0.2
    assert not load({}, ["TEST.BATCH_SIZE", "8"]).TEST.SHIFT_HEATMAP  # a key alone makes no SimpleBaseline file


def test_batches_of_simple_baseline_on_the_command_line(load):
    overrides = ["GPUS", "0,1,2,3", "TRAIN.BATCH_SIZE", "20", "TEST.BATCH_SIZE", "12"]
    cfg = load({"TRAIN.BATCH_SIZE_PER_GPU": 8}, overrides)
    assert (cfg.TRAIN.BATCH_SIZE_PER_GPU, cfg.TEST.BATCH_SIZE_PER_GPU) == (20, 12)


def test_the_later_style_of_a_resnet_holds(load):
    caffe = {"MODEL.NAME": "pose_resnet", "MODEL.STYLE": "caffe"}
    assert load(caffe).MODEL.EXTRA.STRIDE_IN_1X1
    assert "STRIDE_IN_1X1" not in load(caffe, ["MODEL.STYLE", "pytorch"]).MODEL.EXTRA
    with pytest.raises(InputError, match=r"^command line: MODEL\.STYLE is 'torch'; it can be pytorch, caffe"):
        load(caffe, ["MODEL.STYLE", "torch"])
    with pytest.raises(InputError, match=r"old\.yaml: MODEL\.STYLE is a key of pose_resnet; MODEL\.NAME is pose_hrnet"):
        load({"MODEL.STYLE": "caffe"})


@pytest.mark.parametrize("key", ["TEST.OKS_THRE", "TEST.IN_VIS_THRE", "TEST.BBOX_THRE"])
@pytest.mark.parametrize("name", ["coco", "ochuman", "aic", "crowdpose", "coco_wholebody"])
def test_old_files_of_oks_data_sets_enable_oks_nms_by_default(load, name, key):
    old = {"DATASET.DATASET": name, key: 0.5}
    assert load(old).TEST.OKS_NMS
    assert load({key: 0.5}, ["DATASET.DATASET", name]).TEST.OKS_NMS
    assert not load(old | {"TEST.OKS_NMS": False}).TEST.OKS_NMS
    assert not load(old, ["TEST.OKS_NMS", "False"]).TEST.OKS_NMS
    assert not load(old | {"TEST.OKS_NMS": False}, [key, "0.6"]).TEST.OKS_NMS
    assert not load(old, ["DATASET.DATASET", "mpii"]).TEST.OKS_NMS
    assert not load({"DATASET.DATASET": name}, [key, "0.5"]).TEST.OKS_NMS  # a key alone makes no old file


@pytest.mark.parametrize(("old", "new"), [("peak_times_box", "heatmap_times_box"), ("peak", "heatmap")])
def test_renamed_values_of_joint_score(load, old, new):
    assert load({"TEST.JOINT_SCORE": old}).TEST.JOINT_SCORE == new
    assert load({}, ["TEST.JOINT_SCORE", old]).TEST.JOINT_SCORE == new
    assert load({"TEST.JOINT_SCORE": old}, ["TEST.JOINT_SCORE", "heatmap"]).TEST.JOINT_SCORE == "heatmap"


def test_tracking_evaluation_is_ignored_with_a_warning(load, caplog):
    with caplog.at_level(logging.WARNING):
        assert not load({"EVAL_TRACKING": False}).TEST.TRACKING
        assert not caplog.records
        assert not load({"EVAL_TRACKING": True}).TEST.TRACKING
    (line,) = (record.getMessage() for record in caplog.records)
    assert "EVAL_TRACKING has no effect here and is ignored: there is no tracker: no MOTA" in line


def test_ignored_keys_are_logged_once_each(load, caplog):
    with caplog.at_level(logging.INFO):
        load(dict.fromkeys(IGNORED, 1))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(IGNORED)
    assert all(any(key in line for line in lines) for key in IGNORED)


@pytest.mark.parametrize("key", REFUSED)
def test_unsupported_old_keys_are_rejected_with_an_alternative(load, key, caplog):
    value = PUBLISHED["defaults_posewarper"][key]
    asked = "some/file" if isinstance(value, str) else True
    with pytest.raises(InputError) as error:
        load({key: asked})
    assert re.fullmatch(
        rf".*old\.yaml: {re.escape(key)} is {asked!r}, which is not supported: .{{20,}}", str(error.value)
    )
    with pytest.raises(InputError, match=f"^command line: {key} is "):
        load({key: value}, [key, str(asked)])
    for harmless in (value, False, ""):
        load({key: harmless})
    assert not caplog.records


@pytest.mark.parametrize("key", REPLACED)
def test_replaced_old_keys_log_the_replacement(load, key, caplog):
    load({key: False})
    assert not caplog.records
    load({key: True})
    (record,) = caplog.records
    assert re.fullmatch(rf".*old\.yaml: {re.escape(key)} has no effect here and is ignored: .+", record.getMessage())


def test_load_propagated_gt_preds_selects_propagate_mode(load):
    warps = {"MODEL.USE_WARPING_TEST": True, "LOAD_PROPAGATED_GT_PREDS": True}
    assert load(warps).TEST.MODE == "propagate"
    assert load(warps | {"LOAD_PROPAGATED_GT_PREDS": False}).TEST.MODE == "pair"
    with pytest.raises(InputError, match=r"TEST\.MODE propagate requires a PoseWarper"):
        load({"LOAD_PROPAGATED_GT_PREDS": True})


def test_weights_are_not_loaded_where_init_weights_is_false(load, caplog):
    with caplog.at_level(logging.INFO):
        cfg = load({"MODEL.INIT_WEIGHTS": False, "MODEL.PRETRAINED": "a.pth"})
    assert cfg.MODEL.PRETRAINED == ""
    assert caplog.messages == ["MODEL.INIT_WEIGHTS is False: MODEL.PRETRAINED is not loaded"]
    assert load({"MODEL.INIT_WEIGHTS": True, "MODEL.PRETRAINED": "a.pth"}).MODEL.PRETRAINED == "a.pth"
