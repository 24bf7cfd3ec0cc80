import argparse
import math
import re
import shutil
from pathlib import Path

import pytest

from lib.config import load_config, parse_arguments
from lib.config.command_line import FLAGS
from lib.config.default import PATHS
from lib.config.keys import BASE_KEY, KNOWN, SYNONYMS, flatten
from lib.config.pose_nets import EXTRA
from lib.models import _pose_net
from lib.utils.errors import InputError

ROOT = Path(__file__).parents[2]
EXPERIMENTS = {
    "pose_hrnet": ROOT / "experiments/bases/hrnet_w32_adam_lr1e-3.yaml",
    "pose_resnet": ROOT / "experiments/bases/resnet_adam_lr1e-3.yaml",
    "pose_trunk": ROOT / "experiments/coco/trunk/convnext_tiny_256x192_adamw_lr5e-4.yaml",
    "pose_vit": ROOT / "experiments/coco/vit/vitb_256x192_adamw_lr5e-4.yaml",
}


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_base_is_inherited_and_changed_key_by_key(tmp_path):
    write(
        tmp_path,
        "base.yaml",
        "MODEL: {NUM_JOINTS: 5, EXTRA: {STEM_BLOCKS: 1, STAGE2: {NUM_BLOCKS: [1, 2]}}}\nTRAIN: {LR: 1.0}",
    )
    write(tmp_path, "middle.yaml", "_BASE_: base.yaml\nTRAIN: {LR: 0.5}\nMODEL: {EXTRA: {STEM_BLOCKS: 2}}")
    path = write(tmp_path, "leaf.yaml", "_BASE_: middle.yaml\nWORKERS: 7")
    cfg = load_config(path, ["TRAIN.LR", "0.25"])
    assert (cfg.MODEL.NUM_JOINTS, cfg.TRAIN.LR, cfg.WORKERS) == (5, 0.25, 7)
    assert cfg.MODEL.EXTRA == {"STEM_BLOCKS": 2, "STAGE2": {"NUM_BLOCKS": [1, 2]}}
    assert load_config(path).TRAIN.LR == 0.5


def test_circular_bases_are_rejected(tmp_path):
    path = write(tmp_path, "a.yaml", "_BASE_: b.yaml")
    write(tmp_path, "b.yaml", "_BASE_: a.yaml")
    with pytest.raises(InputError, match="refers back"):
        load_config(path)


def test_a_base_that_is_missing_is_named_with_its_file(tmp_path):
    path = write(tmp_path, "a.yaml", "_BASE_: b.yaml")
    with pytest.raises(
        InputError, match=r"a\.yaml: _BASE_ is b\.yaml: there is no such file; the path is relative to a"
    ):
        load_config(path)


def test_the_configuration_is_frozen(tmp_path):
    cfg = load_config(write(tmp_path, "a.yaml", ""))
    with pytest.raises(AttributeError):
        cfg.WORKERS = 1


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("TEST.MODEL_FIL", "TEST.MODEL_FILE"),
        ("MODEL_FILE", "TEST.MODEL_FILE"),
        ("DATASET.IMG_DIRS", "DATASET.IMAGE_DIR"),
        ("TEST.BATCHSIZE", "TEST.BATCH_SIZE_PER_GPU"),
        ("FOO.BAR", "[A-Z_.]+"),
        ("train.lr", "TRAIN.LR"),
        ("TRAIN.LEARNING_RATE", "TRAIN.LR"),
        ("TRAIN.LERNRATE", "TRAIN.LR"),
        ("LearningRate", "TRAIN.LR"),
        ("TRAIN.WARM_UP", "TRAIN.WARMUP_ITERATIONS"),
        ("TRIAN.BATCH_SIZE_PER_GPU", "TRAIN.BATCH_SIZE_PER_GPU"),
        ("LEARNING_RATE", "TRAIN.LR"),
        ("SOLVER.BASE_LR", "TRAIN.LR"),
        ("TRAIN.EPOCHS", "TRAIN.END_EPOCH"),
        ("epochs", "TRAIN.END_EPOCH"),
        ("BATCH_SIZE", "TRAIN.BATCH_SIZE_PER_GPU"),
        ("TEST.SAMPLES_PER_GPU", "TEST.BATCH_SIZE_PER_GPU"),
        ("NUM_WORKERS", "WORKERS"),
        ("TRAIN.MAX_ITER", "TRAIN.ITERATIONS_PER_EPOCH"),
        ("TEST.SCORE_THR", "TEST.IMAGE_THRE"),
        ("TRAIN.SEED", "SEED"),
        ("DATASET.SIGMA", "MODEL.SIGMA"),
        ("TRAIN.GRAD_CLIP", "TRAIN.CLIP_GRADIENT"),
        ("EVAL_INTERVAL", "TRAIN.EVALUATE_EVERY"),
        ("TRAIN.SAVE_EVERY", "TRAIN.CHECKPOINT_EVERY"),
        ("TRAIN.OPTIM", "TRAIN.OPTIMIZER"),
        ("TRAIN.WEIGHT_DECAY", "TRAIN.WD"),
        ("_base_", "_BASE_"),
        ("BASE", "_BASE_"),
        ("MODEL.EXTRA.FINAL_CONV_KERNAL", "MODEL.EXTRA.FINAL_CONV_KERNEL"),
        ("MODEL.EXTRA.PRETRAINED_LAYER", "MODEL.EXTRA.PRETRAINED_LAYERS"),
        ("MODEL.EXTRA.STAGE2.NUM_BRANCH", "MODEL.EXTRA.STAGE2.NUM_BRANCHES"),
        ("MODEL.EXTRA.DECONV_BIAS", "MODEL.EXTRA.DECONV_WITH_BIAS"),
    ],
)
def test_unknown_keys_report_source_and_closest_key(tmp_path, key, nearest):
    with pytest.raises(InputError, match=f"^command line: unknown key {key}; did you mean {nearest}\\?$"):
        load_config(write(tmp_path, "a.yaml", ""), [key, "x"])
    section, _, name = key.rpartition(".")
    text = f"{section}: {{{name}: x}}" if section else f"{name}: x"
    with pytest.raises(InputError, match=f"a.yaml: unknown key {key}; did you mean {nearest}"):
        load_config(write(tmp_path, "a.yaml", text))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["TRAIN.LR", "fast"], "TRAIN.LR: 'fast' is not a float"),
        (["WORKERS", "1.5"], "WORKERS: 1.5 is not an int"),
        (["TEST.FLIP_TEST", "1"], "TEST.FLIP_TEST: 1 is not a bool"),
        (["TRAIN.LR_STEP", "[a]"], "TRAIN.LR_STEP"),
        (["TRAIN.LR"], "but 'TRAIN.LR' has no value"),
        (["MODEL.IMAGE_SIZE", "[100,100]"], "multiples of 32"),
        (["MODEL.IMAGE_SIZE", "[96,96]", "MODEL.HEATMAP_SIZE", "[96,96]"], "MODEL.HEATMAP_SIZE"),
        (["MODEL.HEATMAP_SIZE", "[32,32]"], "MODEL.HEATMAP_SIZE"),
        (["MODEL.NAME", "vit"], "^command line: MODEL.NAME is 'vit'"),
        (["GPUS", "-1"], "^command line: GPUS is -1; it must be GPU numbers, such as 0 or 0,1"),
        (["GPUS", "x"], "^command line: GPUS is 'x'; it must be GPU numbers"),
        (["GPUS", "0,0.5"], r"^command line: GPUS is \(0, 0.5\); it must be GPU numbers"),
        (["SEED", "4294967296"], "SEED is 4294967296; it must be at most 4294967295"),
        (["DATASET.PROB_SHIFT", "1.5"], "DATASET.PROB_SHIFT is 1.5; it must be at most 1"),
        (["DATASET.PROB_HALF_BODY", "2"], "DATASET.PROB_HALF_BODY is 2.0; it must be at most 1"),
        (["DATASET.SHIFT_FACTOR", "16"], "DATASET.SHIFT_FACTOR is 16.0; it must be at most 1"),
        (["DATASET.SCALE_FACTOR", "1"], "DATASET.SCALE_FACTOR is 1.0; it must be at most 0.9"),
        (["DATASET.ROT_FACTOR", "-30"], "DATASET.ROT_FACTOR is -30; it must be at least 0"),
        (["DATASET.NUM_LABELED_VIDEOS", "-7"], "DATASET.NUM_LABELED_VIDEOS is -7; it must be at least -1"),
        (["TRAIN.LR", "-0.1"], "TRAIN.LR is -0.1; it must be at least 0"),
        (["TRAIN.LR_FACTOR", "10"], "TRAIN.LR_FACTOR is 10.0; it must be at most 1"),
        (["TRAIN.LR_STEP", "[90,-110]"], r"TRAIN.LR_STEP is \[90, -110\]; it must be at least 0"),
        (["TRAIN.BEGIN_EPOCH", "-5"], "TRAIN.BEGIN_EPOCH is -5; it must be at least 0"),
        (["MODEL.ITER", "0"], "^command line: MODEL.ITER is 0; it must be at least 1"),
        (["TEST.IMAGE_THRE", "20"], "TEST.IMAGE_THRE is 20.0; it must be at most 1"),
        (["TEST.NMS_THRE", "-1"], "TEST.NMS_THRE is -1.0; it must be at least 0"),
        (["TEST.OKS_THRE", "90"], "TEST.OKS_THRE is 90.0; it must be at most 1"),
        (["TEST.IN_VIS_THRE", "2"], "TEST.IN_VIS_THRE is 2.0; it must be at most 1"),
        (["TEST.IN_VIS_THRE", math.nan], "TEST.IN_VIS_THRE is nan; it must be a finite number"),
        (["TEST.AGGREGATE.WEIGHTS", [1.0, math.inf]], r"TEST.AGGREGATE.WEIGHTS is \[1.0, inf\]; it must be a finite"),
        (["WORKERS", "-1"], "^command line: WORKERS is -1; it must be at least 0"),
        (["MODEL.WARP.DILATIONS", "[0]"], "MODEL.WARP.DILATIONS"),
        (["MODEL.WARP.DILATIONS", "[]"], "MODEL.WARP.DILATIONS is empty"),
        (["TEST.SOFT_NMS", "True", "TEST.OKS_THRE", "0.0"], "TEST.OKS_THRE is 0"),
        (["MODEL.TARGET_TYPE", "offset"], "MODEL.TARGET_TYPE is 'offset'; it can be gaussian, unbiased, udp"),
        (
            ["MODEL.TARGET_TYPE", "udp", "TEST.SHIFT_HEATMAP", "True"],
            "TEST.SHIFT_HEATMAP must be False with MODEL.TARGET_TYPE udp",
        ),
        (["MODEL.SIGMA", "0"], "MODEL.SIGMA is 0.0; it must be at least 0.5"),
        (["LOSS.USE_OHKM", "True", "LOSS.TOPK", "18"], "LOSS.TOPK 18 exceeds MODEL.NUM_JOINTS 17"),
        (["DATASET.CLIP_BOXES", "image"], "DATASET.CLIP_BOXES is 'image'; it can be last_pixel, edges"),
        (["DATASET.EXIF_ORIENTATION", "6"], "DATASET.EXIF_ORIENTATION: 6 is not a bool"),
        (["CUDNN.ALLOW_TF32", "high"], "CUDNN.ALLOW_TF32: 'high' is not a bool"),
        (["TEST.SIGMA_SCALE", "0"], "TEST.SIGMA_SCALE is 0.0; it must be at least 0.01"),
        (["TEST.SIGMA_SCALE", "1e999"], "TEST.SIGMA_SCALE is inf"),
        (["TEST.SIGMA_SCALE", math.nan], "TEST.SIGMA_SCALE is nan"),
        (["TEST.RESCORE", "yes"], "TEST.RESCORE: 'yes' is not a bool"),
        (["TEST.POST_PROCESS_PER_AXIS", "True"], "_PER_AXIS requires TEST.POST_PROCESS"),
        (["LOSS.TOPK", "0"], "LOSS.TOPK is 0; it must be at least 1"),
        (["MODEL.EXTRA.STAGE2", "3"], "^command line: unknown key MODEL.EXTRA.STAGE2; did you mean MODEL.EXTRA.STAGE2"),
        (
            ["MODEL.EXTRA.NUM_LAYERS", "50"],
            "^command line: MODEL.EXTRA.NUM_LAYERS is a key of pose_resnet; MODEL.NAME is",
        ),
        (["_BASE_", "b.yaml"], "^command line: _BASE_ names the base of a file: only a file can have one"),
        (
            ["TEST.MODEL_FILE", "TEST.FLIP_TEST", "True"],
            "^command line: TEST.MODEL_FILE has no value .it is followed by the key TEST.FLIP",
        ),
        (["MODEL.IMAGE_SIZE", "256"], "^command line: MODEL.IMAGE_SIZE: 256 is not a list of int"),
        (["MODEL.TIMESTEP_DELTA_RANGE", "abc"], "MODEL.TIMESTEP_DELTA_RANGE: 'abc' is not an int"),
        (["TRAIN.BATCH_SIZE", "abc"], "TRAIN.BATCH_SIZE: 'abc' is not an int"),
        (["MODEL.FREEZE_WEIGHTS", "1"], "^command line: MODEL.FREEZE_WEIGHTS: 1 is not a bool"),
        (["DATASET.DATASET", "17"], "DATASET.DATASET: 17 is not a str"),
        (["TEST.MODE", "pair"], "^command line: TEST.MODE pair requires a PoseWarper; set MODEL.WARP.ENABLED True"),
        (["TEST.AGGREGATE.OFFSETS", "[0,1]"], "must have the same length"),
        (["TEST.AGGREGATE.OFFSETS", "[1,0,-1,2,-2]"], "first offset must be 0 \\(the key frame\\)"),
        (["DATASET.FRAME_DELTAS", "[]"], "FRAME_DELTAS is empty"),
        (["GPUS", "all"], "GPUS"),
        (["TEST.BATCH_SIZE_PER_GPU", "0"], "at least 1"),
        (["DATASET.SHIFT_FACTOR", "-0.1"], "at least 0"),
        (["TRAIN.EVALUATE_EVERY", "0"], "at least 1"),
        (["TRAIN.CHECKPOINT_EVERY", "0"], "at least 1"),
        *[
            (["TRAIN.CHECKPOINT_EVERY", value], "must be a number of epochs \\(2\\), iterations \\(500it\\) or minutes")
            for value in ("0it", "5h", "1.5m", "m")
        ],
        (["TRAIN.NOT_FINITE", "ignore"], "TRAIN.NOT_FINITE is 'ignore'; it can be stop, skip"),
        (["DATASET.PROB_SHIFT", "2"], "DATASET.PROB_SHIFT is 2.0; it must be at most 1"),
        (["DATASET.PROB_HALF_BODY", "1.5"], "DATASET.PROB_HALF_BODY is 1.5; it must be at most 1"),
        (["DATASET.ROT_FACTOR", "-1"], "DATASET.ROT_FACTOR is -1; it must be at least 0"),
        (["DATASET.NUM_LABELED_VIDEOS", "-2"], "DATASET.NUM_LABELED_VIDEOS is -2; it must be at least -1"),
        (["TRAIN.LR", "nan"], "TRAIN.LR"),
        (["TRAIN.PRECISION", "fp64"], "TRAIN.PRECISION is 'fp64'; it can be fp32, tf32, bf16, fp16, auto"),
        (
            ["TRAIN.PRECISION", "tf32", "CUDNN.ALLOW_TF32", "False"],
            "TRAIN.PRECISION is tf32, but CUDNN.ALLOW_TF32 is False",
        ),
        (["TRAIN.SCHEDULE", "linear"], "TRAIN.SCHEDULE is 'linear'; it can be step, cosine"),
        (["TRAIN.OPTIMIZER", "lion"], "TRAIN.OPTIMIZER is 'lion'; it can be adam, adamw, sgd"),
        (["TRAIN.ACCUMULATE", "0"], "TRAIN.ACCUMULATE is 0; it must be at least 1"),
        (["TRAIN.CLIP_GRADIENT", "-1"], "TRAIN.CLIP_GRADIENT is -1.0; it must be at least 0"),
        (["TRAIN.EMA", "1"], "TRAIN.EMA is 1.0; it must be at most 0.99999"),
        (["TRAIN.PROFILE", "-1"], "TRAIN.PROFILE is -1; it must be at least 0"),
        (["TRAIN.COMPILE", "1"], "TRAIN.COMPILE: 1 is not a bool"),
        (["TRAIN.SYNC_BN", "1"], "TRAIN.SYNC_BN: 1 is not a bool"),
        (["TEST.JOINT_THRE", "1.5"], "TEST.JOINT_THRE is 1.5; it must be at most 1"),
        (["DATASET.ALSO", "posetrack17"], "^command line: DATASET.ALSO: 'posetrack17' is not a list of data sets"),
        (["DATASET.ALSO", "[{'ROOT': 'a'}]"], "is not a list of data sets"),
        (["DATASET.ALSO", "[{'DATASET': 'coco', 'ROT_FACTOR': 3}]"], "DATASET.ALSO: unknown key ROT_FACTOR"),
        (["DATASET.ALSO", "[{'DATASET': 'coco', 'ROOT': [1]}]"], r"DATASET.ALSO: ROOT: \[1\] is not a str"),
    ],
)
def test_invalid_values_are_reported_in_one_line(tmp_path, overrides, message):
    with pytest.raises(InputError, match=message) as error:
        load_config(write(tmp_path, "a.yaml", ""), overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (
            "TEST: {AGGREGATE: {OFFSETS: [0, -1, 1], WEIGHTS: [0.5, 0.25, 0.25]}}",
            ["TEST.AGGREGATE.WEIGHTS", "[1]"],
            r"^command line: TEST.AGGREGATE.WEIGHTS: TEST.AGGREGATE.OFFSETS \[0, -1, 1\] and WEIGHTS \[1.0\] must",
        ),
        ("", ["TEST.AGGREGATE.WEIGHTS", "[1, 2]"], "^command line: TEST.AGGREGATE.WEIGHTS"),
        (
            "MODEL: {HEATMAP_SIZE: [64, 64]}\n_BASE_: base.yaml",
            ["MODEL.HEATMAP_SIZE", "[32, 32]"],
            r"^command line: MODEL.HEATMAP_SIZE is \[32, 32\]",
        ),
        (
            "MODEL: {HEATMAP_SIZE: [32, 32]}\n_BASE_: base.yaml",
            [],
            r"a.yaml: MODEL.HEATMAP_SIZE is \[32, 32\]",
        ),
        ("LOSS: {USE_OHKM: true}", ["MODEL.NUM_JOINTS", "5"], "^command line: MODEL.NUM_JOINTS: LOSS.TOPK 8 exceeds"),
        ("LOSS: {TOPK: 20}", ["LOSS.USE_OHKM", "True"], "^command line: LOSS.USE_OHKM: LOSS.TOPK 20 exceeds"),
        (
            "TEST: {SHIFT_HEATMAP: true}",
            ["MODEL.TARGET_TYPE", "udp"],
            "^command line: MODEL.TARGET_TYPE: TEST.SHIFT_HE",
        ),
        ("TEST: {OKS_THRE: 0.0}", ["TEST.SOFT_NMS", "True"], "^command line: TEST.SOFT_NMS: TEST.OKS_THRE is 0"),
        (
            "TEST: {MODE: pair}\nMODEL: {WARP: {ENABLED: true}}",
            ["MODEL.WARP.ENABLED", "False"],
            "^command line: MODEL.WARP.ENABLED: TEST.MODE pair requires a PoseWarper",
        ),
        (
            "MODEL: {EXTRA: {STEM_CHANNELS: 8}}",
            ["MODEL.NAME", "pose_resnet"],
            "a.yaml: MODEL.EXTRA.STEM_CHANNELS is a key of pose_hrnet; MODEL.NAME is pose_resnet; start from an",
        ),
    ],
)
def test_conflicts_name_the_key_that_was_set_last(tmp_path, text, overrides, message):
    write(tmp_path, "base.yaml", "MODEL: {IMAGE_SIZE: [256, 256]}")
    with pytest.raises(InputError, match=message):
        load_config(write(tmp_path, "a.yaml", text), overrides)


@pytest.mark.parametrize("key", SYNONYMS.values())
def test_a_key_that_is_suggested_exists(key):
    assert key in KNOWN or key == BASE_KEY


@pytest.mark.parametrize("name", EXTRA)
def test_keys_of_extra_are_those_that_the_net_reads(name):
    read = set()

    class Recorded(dict):
        def __init__(self, content, prefix=""):
            super().__init__()
            for key, value in content.items():
                self[key] = Recorded(value, f"{prefix}{key}.") if isinstance(value, dict) else value
            self.prefix = prefix

        def __getitem__(self, key):
            read.add(f"{self.prefix}{key}")
            return super().__getitem__(key)

    cfg = load_config(EXPERIMENTS[name])
    _pose_net(name)(17, Recorded(cfg.MODEL.EXTRA))
    optional = {"STEM_CHANNELS", "STEM_BLOCKS", "STRIDE_IN_1X1", "DECONV_FILTERS"}  # read from a copy with defaults
    optional |= {"DROP_PATH_RATE", "POS_EMBED_SIZE", "DECODER"}
    sections = {"STAGE2", "STAGE3", "STAGE4"}
    assert read - sections | {"PRETRAINED_LAYERS"} == set(EXTRA[name]) - optional


def test_debug_alone_enables_all_images(tmp_path):
    debug = load_config(write(tmp_path, "a.yaml", "DEBUG: {DEBUG: true}")).DEBUG
    assert all(debug.values())
    debug = load_config(write(tmp_path, "a.yaml", "DEBUG: {DEBUG: true, SAVE_HEATMAPS_GT: false}")).DEBUG
    assert (debug.SAVE_HEATMAPS_GT, debug.SAVE_HEATMAPS_PRED) == (False, True)
    assert not load_config(write(tmp_path, "a.yaml", "")).DEBUG.DEBUG


def test_values_from_the_shell_are_decoded(tmp_path):
    overrides = ["TRAIN.LR", "1e-4", "TRAIN.LR_STEP", "(3, 4)", "GPUS", "0,1", "EXPERIMENT_NAME", "7"]
    cfg = load_config(write(tmp_path, "a.yaml", "TRAIN: {MOMENTUM: 1}"), overrides)
    assert (cfg.TRAIN.LR, cfg.TRAIN.LR_STEP, cfg.GPUS, cfg.EXPERIMENT_NAME) == (1e-4, [3, 4], (0, 1), "7")
    assert isinstance(cfg.TRAIN.MOMENTUM, float)


@pytest.mark.parametrize("name", ["SEED", "TEST.MODE", "LOAD_PREDS"])
def test_an_experiment_may_have_the_name_of_a_key(tmp_path, name):
    cfg = load_config(write(tmp_path, "a.yaml", ""), ["EXPERIMENT_NAME", name, "SEED", "3"])
    assert (cfg.EXPERIMENT_NAME, cfg.SEED) == (name, 3)


def test_a_further_data_set_has_its_own_keys_and_none_of_the_first_ones(tmp_path):
    text = "DATASET: {DATASET: posetrack18, ROOT: a, TRAIN_ANNOTATIONS: few.json, ALSO: [{DATASET: coco, ROOT: b}]}"
    (further,) = load_config(write(tmp_path, "a.yaml", text), ["DATA_DIR", "/d"]).DATASET.ALSO
    assert (further["DATASET"], further["ROOT"], further["TRAIN_ANNOTATIONS"]) == ("coco", "/d/b", "")
    assert further["NUM_LABELED_VIDEOS"] == -1


def test_the_heatmaps_follow_the_image(tmp_path):
    base = write(tmp_path, "base.yaml", "MODEL: {IMAGE_SIZE: [192, 256], HEATMAP_SIZE: [48, 64]}")
    assert load_config(base).MODEL.HEATMAP_SIZE == [48, 64]
    assert load_config(base, ["MODEL.IMAGE_SIZE", "[96, 128]"]).MODEL.HEATMAP_SIZE == [24, 32]
    assert load_config(write(tmp_path, "a.yaml", "MODEL: {IMAGE_SIZE: [96, 64]}")).MODEL.HEATMAP_SIZE == [24, 16]


@pytest.mark.parametrize("key", PATHS)
def test_data_dir_is_joined_before_every_relative_path(tmp_path, key):
    section, name = key.split(".")

    def joined(value, data_dir):
        text = f"{section}: {{{name}: {value}}}"
        return load_config(write(tmp_path, "a.yaml", text), ["DATA_DIR", data_dir])[section][name]

    assert joined("some/x", "/d") == "/d/some/x"
    assert joined("some/x", "d") == "d/some/x"
    assert joined("some/x", "''") == "some/x"
    assert joined("/some/x", "/d") == "/some/x"
    assert joined("''", "/d") == ("/d" if name == "ROOT" else "")


def test_every_key_that_names_a_path_of_data_or_weights_is_listed():
    names = {key for key in KNOWN if key.rpartition("_")[2] in ("FILE", "DIR") or key.endswith(("ROOT", "PRETRAINED"))}
    assert names - {"OUTPUT_DIR", "LOG_DIR", "DATA_DIR"} == set(PATHS)


def test_data_dir_is_joined_before_the_paths_of_further_data_sets(tmp_path):
    also = "[{'DATASET': 'coco', 'ROOT': 'r', 'IMAGE_DIR': 'i', 'ANNOTATION_DIR': 'a', 'TRAIN_ANNOTATIONS': 't.json'}]"
    (further,) = load_config(write(tmp_path, "a.yaml", ""), ["DATASET.ALSO", also, "DATA_DIR", "/d"]).DATASET.ALSO
    assert [further[key] for key in ("ROOT", "IMAGE_DIR", "ANNOTATION_DIR")] == ["/d/r", "/d/i", "/d/a"]
    assert further["TRAIN_ANNOTATIONS"] == "t.json"  # looked for in more than one place


@pytest.mark.parametrize("text", ["- a", "a: [", "\x00", "_BASE_: [a]", '_BASE_: "a\\0"', '_BASE_: "\\ud83d"'])
def test_invalid_experiment_files(tmp_path, text):
    with pytest.raises(InputError, match=r"a\.yaml: "):
        load_config(write(tmp_path, "a.yaml", text))
    with pytest.raises(InputError, match=r"nothing\.yaml: No such file"):
        load_config(tmp_path / "nothing.yaml")


def test_the_command_line(tmp_path, monkeypatch):
    path = write(tmp_path, "my_net.yaml", "DATASET: {FRAME_DELTAS: [1]}")
    keys = ["MODEL.TIMESTEP_DELTA", "-2", "MODEL.TIMESTEP_DELTA_RAND", "False"]
    for arguments in (
        ["--modelDir", "/out", "--logDir", "/log", *keys],
        [*keys, "--logDir=/log", "--modelDir", "/out"],
    ):
        monkeypatch.setattr("sys.argv", ["test.py", "--cfg", str(path), *arguments])
        cfg, name, _ = parse_arguments(argparse.ArgumentParser())
        assert (cfg.OUTPUT_DIR, cfg.LOG_DIR, name, cfg.DATASET.FRAME_DELTAS) == ("/out", "/log", "my_net", [-2])
    monkeypatch.setattr("sys.argv", ["test.py", "--cfg", str(path), "EXPERIMENT_NAME", "other"])
    assert parse_arguments(argparse.ArgumentParser())[1] == "other"


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """The configuration of a command line, over an experiment of the given text."""
    monkeypatch.chdir(tmp_path)

    def parse(*arguments, text=""):
        path = write(tmp_path, "my_net.yaml", text)
        monkeypatch.setattr("sys.argv", ["test.py", "--cfg", str(path), *arguments])
        return parse_arguments(argparse.ArgumentParser())[0]

    return parse


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (["--modelDir", "o"], "OUTPUT_DIR", "o"),
        (["--logDir", "l"], "LOG_DIR", "l"),
        (["--dataDir", "/d"], "DATA_DIR", "/d"),
        (["--gpus", "0,1,2,3"], "GPUS", (0, 1, 2, 3)),
        (["--gpus", "2"], "GPUS", (2,)),
        (["--workers", "9"], "WORKERS", 9),
        (["--frequent", "7"], "PRINT_FREQ", 7),
        (["--model-file", "w.pth"], "TEST.MODEL_FILE", "w.pth"),
        (["--coco-bbox-file", "b.json"], "TEST.COCO_BBOX_FILE", "b.json"),
        (["--use-detect-bbox"], "TEST.USE_GT_BBOX", False),
        (["--flip-test"], "TEST.FLIP_TEST", True),
        (["--post-process"], "TEST.POST_PROCESS", True),
        (["--shift-heatmap"], "TEST.SHIFT_HEATMAP", True),
    ],
)
def test_options_of_the_first_tools_are_short_for_keys(parse, arguments, key, value):
    text = "TEST: {USE_GT_BBOX: true}\nDATASET: {ROOT: /r}"
    without = flatten(parse(text=text))
    for line in ([*arguments, "SEED", "4"], ["SEED", "4", *arguments]):
        assert flatten(parse(*line, text=text)) == without | {key: value, "SEED": 4}
    assert without[key] != value


def test_the_options_of_the_first_tools_are_a_group_of_the_help(parse, capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    _, _, group = capsys.readouterr().out.partition("options of HRNet's and SimpleBaseline's tools")
    assert re.search(r"^ +--use-detect-bbox +TEST.USE_GT_BBOX False$", group, re.MULTILINE)
    assert all(
        re.search(rf"^ +{flag}( X)?(, --model X)?\s+{key} ", group, re.MULTILINE) for flag, (key, _) in FLAGS.items()
    )
    assert re.search(r"^ +--prevModelDir X +OUTPUT_DIR of", group, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--logDir", "x", "TRAIN.LR"], "KEY VALUE pairs expected, but 'TRAIN.LR' has no value"),
        (["TRAIN.LR", "--logDir", "x"], "KEY VALUE pairs expected, but 'TRAIN.LR' has no value"),
        (["SEED", "1", "TRAIN.LR", "--flip-test"], "KEY VALUE pairs expected, but 'TRAIN.LR' has no value"),
        (["--logDir", "x", "TRAIN.LR", "WORKERS", "2"], "TRAIN.LR has no value \\(it is followed by the key WORKERS"),
        (["--workers", "many"], "WORKERS: 'many' is not an int"),
    ],
)
def test_a_key_without_a_value_is_named(parse, arguments, message):
    with pytest.raises(InputError, match=f"^command line: {message}"):
        parse(*arguments)


@pytest.fixture
def earlier(tmp_path):
    """A folder with what an earlier run of my_net left."""
    place = tmp_path / "earlier/mpii/pose_hrnet/my_net"
    place.mkdir(parents=True)
    for name in ("checkpoint.pth", "final_state.pth"):
        write(place, name, "")
    return place


def test_earlier_runs_are_resumed(parse, earlier):
    cfg = parse("--prevModelDir", "earlier", "--modelDir", "new")
    assert (cfg.OUTPUT_DIR, cfg.TRAIN.RESUME) == ("new", True)
    assert Path(cfg.TRAIN.CHECKPOINT).samefile(earlier / "checkpoint.pth")
    assert Path(cfg.TEST.MODEL_FILE).samefile(earlier / "final_state.pth")
    assert cfg.is_frozen()
    (earlier / "checkpoint.pth").unlink()
    assert not parse("--prevModelDir", "earlier").TRAIN.RESUME


def test_earlier_runs_do_not_replace_given_or_existing_files(parse, earlier, tmp_path):
    cfg = parse("--prevModelDir", "earlier", "TEST.MODEL_FILE", "w.pth", "TRAIN.CHECKPOINT", "c.pth")
    assert (cfg.TEST.MODEL_FILE, cfg.TRAIN.CHECKPOINT, cfg.TRAIN.RESUME) == ("w.pth", "c.pth", False)
    shutil.copytree(tmp_path / "earlier", tmp_path / "new")
    cfg = parse("--prevModelDir", "earlier", "--modelDir", "new")
    assert (cfg.TEST.MODEL_FILE, cfg.TRAIN.CHECKPOINT, cfg.TRAIN.RESUME) == ("", "", True)


def test_an_earlier_run_of_another_experiment_is_refused(parse, earlier):
    with pytest.raises(InputError, match=r"^--prevModelDir: neither earlier/mpii/pose_hrnet/other/checkpoint\.pth nor"):
        parse("--prevModelDir", "earlier", "EXPERIMENT_NAME", "other")


def test_a_whole_section_can_follow_the_command(tmp_path):
    path = write(tmp_path, "a.yaml", "MODEL: {EXTRA: {STAGE2: {NUM_BRANCHES: 2, BLOCK: BASIC}}}")
    cfg = load_config(path, ["MODEL.EXTRA.STAGE2", "{'NUM_BRANCHES': 3}", "MODEL.WARP", "{'NUM_BLOCKS': 4}"])
    assert cfg.MODEL.EXTRA.STAGE2 == {"NUM_BRANCHES": 3, "BLOCK": "BASIC"}
    assert cfg.MODEL.WARP.NUM_BLOCKS == 4
    assert load_config(path).MODEL.EXTRA.STAGE2.NUM_BRANCHES == 2
    assert "NUM_BRANCHES: 3" in cfg.dump()
