import argparse
import math

import pytest

from lib.config import load_config, parse_arguments
from lib.utils.errors import InputError


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_base_is_inherited_and_changed_key_by_key(tmp_path):
    write(tmp_path, "base.yaml", "MODEL: {NUM_JOINTS: 5, EXTRA: {A: 1, B: [1, 2]}}\nTRAIN: {LR: 1.0}")
    write(tmp_path, "middle.yaml", "_BASE_: base.yaml\nTRAIN: {LR: 0.5}\nMODEL: {EXTRA: {A: 2}}")
    path = write(tmp_path, "leaf.yaml", "_BASE_: middle.yaml\nWORKERS: 7")
    cfg = load_config(path, ["TRAIN.LR", "0.25"])
    assert (cfg.MODEL.NUM_JOINTS, cfg.TRAIN.LR, cfg.WORKERS) == (5, 0.25, 7)
    assert cfg.MODEL.EXTRA == {"A": 2, "B": [1, 2]}
    assert load_config(path).TRAIN.LR == 0.5


def test_a_base_that_leads_back_to_itself_is_refused(tmp_path):
    path = write(tmp_path, "a.yaml", "_BASE_: b.yaml")
    write(tmp_path, "b.yaml", "_BASE_: a.yaml")
    with pytest.raises(InputError, match="leads back"):
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
    ],
)
def test_an_unknown_key_names_its_source_and_the_nearest_known_one(tmp_path, key, nearest):
    with pytest.raises(InputError, match=f"^command line: unknown key {key}; did you mean {nearest}\\?$"):
        load_config(write(tmp_path, "a.yaml", ""), [key, "x"])
    section, _, name = key.rpartition(".")
    text = f"{section}: {{{name}: x}}" if section else f"{name}: x"
    with pytest.raises(InputError, match=f"a.yaml: unknown key {key}; did you mean {nearest}"):
        load_config(write(tmp_path, "a.yaml", text))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["TRAIN.LR", "fast"], "TRAIN.LR: 'fast' is no float"),
        (["WORKERS", "1.5"], "WORKERS: 1.5 is no int"),
        (["TEST.FLIP_TEST", "1"], "TEST.FLIP_TEST: 1 is no bool"),
        (["TRAIN.LR_STEP", "[a]"], "TRAIN.LR_STEP"),
        (["TRAIN.LR"], "nothing follows 'TRAIN.LR'"),
        (["MODEL.IMAGE_SIZE", "[100,100]"], "multiples of 32"),
        (["MODEL.IMAGE_SIZE", "[96,96]", "MODEL.HEATMAP_SIZE", "[96,96]"], "MODEL.HEATMAP_SIZE"),
        (["MODEL.HEATMAP_SIZE", "[32,32]"], "MODEL.HEATMAP_SIZE"),
        (["MODEL.NAME", "vit"], "^command line: MODEL.NAME is 'vit'"),
        (["GPUS", "-1"], "GPUS"),
        (["WORKERS", "-1"], "^command line: WORKERS is -1; it must be at least 0"),
        (["MODEL.WARP.DILATIONS", "[0]"], "MODEL.WARP.DILATIONS"),
        (["MODEL.WARP.DILATIONS", "[]"], "MODEL.WARP.DILATIONS is empty"),
        (["TEST.SOFT_NMS", "True", "TEST.OKS_THRE", "0.0"], "TEST.OKS_THRE is 0"),
        (["MODEL.TARGET_TYPE", "offset"], "MODEL.TARGET_TYPE is 'offset'; it can be gaussian, unbiased, udp"),
        (["MODEL.TARGET_TYPE", "udp", "TEST.SHIFT_HEATMAP", "True"], "TEST.SHIFT_HEATMAP is True, and would misplace"),
        (["MODEL.SIGMA", "0"], "MODEL.SIGMA is 0.0; it must be at least 0.5"),
        (["LOSS.USE_OHKM", "True", "LOSS.TOPK", "18"], "LOSS.TOPK is 18, of MODEL.NUM_JOINTS 17"),
        (["DATASET.CLIP_BOXES", "image"], "DATASET.CLIP_BOXES is 'image'; it can be last_pixel, edges"),
        (["DATASET.EXIF_ORIENTATION", "6"], "DATASET.EXIF_ORIENTATION: 6 is no bool"),
        (["CUDNN.ALLOW_TF32", "high"], "CUDNN.ALLOW_TF32: 'high' is no bool"),
        (["TEST.SIGMA_SCALE", "0"], "TEST.SIGMA_SCALE is 0.0; it must be at least 0.01"),
        (["TEST.SIGMA_SCALE", "1e999"], "TEST.SIGMA_SCALE is inf"),
        (["TEST.SIGMA_SCALE", math.nan], "TEST.SIGMA_SCALE is nan"),
        (["TEST.RESCORE", "yes"], "TEST.RESCORE: 'yes' is no bool"),
        (["TEST.POST_PROCESS_PER_AXIS", "True"], "_PER_AXIS is a variant of TEST.POST_PROCESS"),
        (["LOSS.TOPK", "0"], "LOSS.TOPK is 0; it must be at least 1"),
        (["MODEL.EXTRA.STAGE", "3", "MODEL.EXTRA.STAGE.X", "3"], "STAGE is a value, not a section"),
        (["MODEL.TIMESTEP_DELTA_RANGE", "abc"], "MODEL.TIMESTEP_DELTA_RANGE: 'abc' is no int"),
        (["TRAIN.BATCH_SIZE", "abc"], "TRAIN.BATCH_SIZE: 'abc' is no int"),
        (["MODEL.FREEZE_WEIGHTS", "1"], "^command line: MODEL.FREEZE_WEIGHTS: 1 is no bool"),
        (["DATASET.DATASET", "17"], "DATASET.DATASET: 17 is no str"),
        (["TEST.MODE", "pair"], "MODEL.WARP.ENABLED"),
        (["TEST.AGGREGATE.OFFSETS", "[0,1]"], "a weight for each offset"),
        (["TEST.AGGREGATE.OFFSETS", "[1,0,-1,2,-2]"], "key frame \\(0\\) first"),
        (["DATASET.FRAME_DELTAS", "[]"], "FRAME_DELTAS is empty"),
        (["GPUS", "all"], "GPUS"),
        (["TEST.BATCH_SIZE_PER_GPU", "0"], "at least 1"),
        (["DATASET.SHIFT_FACTOR", "-0.1"], "at least 0"),
        (["TRAIN.EVALUATE_EVERY", "0"], "at least 1"),
        (["TRAIN.CHECKPOINT_EVERY", "0"], "at least 1"),
        (["TEST.TRACKING", "True"], "^command line: TEST.TRACKING is True, but there is no tracker"),
        (["DATASET.ALSO", "posetrack17"], "^command line: DATASET.ALSO: 'posetrack17' is no list of data sets"),
        (["DATASET.ALSO", "[{'ROOT': 'a'}]"], "is no list of data sets"),
        (["DATASET.ALSO", "[{'DATASET': 'coco', 'ROT_FACTOR': 3}]"], "DATASET.ALSO: unknown key ROT_FACTOR"),
        (["DATASET.ALSO", "[{'DATASET': 'coco', 'ROOT': [1]}]"], r"DATASET.ALSO: ROOT: \[1\] is no str"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_key(tmp_path, overrides, message):
    with pytest.raises(InputError, match=message) as error:
        load_config(write(tmp_path, "a.yaml", ""), overrides)
    assert "\n" not in str(error.value)


def test_values_may_be_written_as_a_shell_passes_them(tmp_path):
    overrides = ["TRAIN.LR", "1e-4", "TRAIN.LR_STEP", "(3, 4)", "GPUS", "0,1", "EXPERIMENT_NAME", "7"]
    cfg = load_config(write(tmp_path, "a.yaml", "TRAIN: {MOMENTUM: 1}"), overrides)
    assert (cfg.TRAIN.LR, cfg.TRAIN.LR_STEP, cfg.GPUS, cfg.EXPERIMENT_NAME) == (1e-4, [3, 4], (0, 1), "7")
    assert isinstance(cfg.TRAIN.MOMENTUM, float)


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


def test_data_dir_is_joined_before_relative_paths_alone(tmp_path):
    text = "DATASET: {ROOT: data/x}\nMODEL: {PRETRAINED: a.pth}\nTEST: {MODEL_FILE: /b.pth}"
    cfg = load_config(write(tmp_path, "a.yaml", text), ["DATA_DIR", "/d"])
    assert (cfg.DATASET.ROOT, cfg.MODEL.PRETRAINED, cfg.TEST.MODEL_FILE) == ("/d/data/x", "/d/a.pth", "/b.pth")


@pytest.mark.parametrize("text", ["- a", "a: [", "\x00", "_BASE_: [a]"])
def test_a_file_that_is_no_experiment(tmp_path, text):
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


def test_a_whole_section_can_follow_the_command(tmp_path):
    path = write(tmp_path, "a.yaml", "MODEL: {EXTRA: {STAGE2: {NUM_BRANCHES: 2, BLOCK: BASIC}}}")
    cfg = load_config(path, ["MODEL.EXTRA.STAGE2", "{'NUM_BRANCHES': 3}", "MODEL.WARP", "{'NUM_BLOCKS': 4}"])
    assert cfg.MODEL.EXTRA.STAGE2 == {"NUM_BRANCHES": 3, "BLOCK": "BASIC"}
    assert cfg.MODEL.WARP.NUM_BLOCKS == 4
    assert load_config(path).MODEL.EXTRA.STAGE2.NUM_BRANCHES == 2
    assert "NUM_BRANCHES: 3" in cfg.dump()
