"""The shipped experiments: every file, the published rows' recipes, and the first implementations' own files."""

import csv
from pathlib import Path

import pytest
import torch
import yaml

from lib.config import load_config
from lib.config.keys import flatten
from lib.dataset.sources import build_annotations_path, build_box_rule, build_skeleton
from lib.models import build_model

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
GOLDEN = ROOT / "tests/golden/config"
FILES = sorted(str(path.relative_to(EXPERIMENTS)) for path in EXPERIMENTS.rglob("*.yaml"))
OTHERS = ("bases/", "rows.yaml")  # what experiments inherit from; the published rows
LEAVES = [name for name in FILES if not (name.startswith(OTHERS) or Path(name).stem.startswith("base"))]
RECIPES = list(csv.DictReader((GOLDEN / "recipes.csv").read_text().splitlines()))  # of MMPose 0.x
PUBLISHED = yaml.safe_load((GOLDEN / "published_files.yaml").read_text())
ORIGINALS = {
    name: group
    for group in ("files_hrnet", "files_simplebaseline")
    for name in PUBLISHED[group]
    if not name.endswith("_caffe.yaml")  # of other weights, which are not supported
}
MILLIONS = {"res50": 34.0, "res101": 53.0, "res152": 68.6, "w32": 28.5, "w48": 63.6}  # parameters with 17 joints
PER_JOINT = 257 / 1e6  # of a ResNet's last layer: 256 weights and a bias


@pytest.mark.parametrize("name", LEAVES)
def test_experiments_load_and_are_short(name):
    load_config(EXPERIMENTS / name)
    assert len((EXPERIMENTS / name).read_text().splitlines()) <= 15


@pytest.mark.parametrize("name", [name for name in LEAVES if "/resnet/" in name or "/hrnet/" in name])
def test_nets_match_file_names(name):
    cfg = load_config(EXPERIMENTS / name)
    net, size = Path(name).stem.split("_")[:2]
    assert [int(side) for side in size.split("x")] == cfg.MODEL.IMAGE_SIZE[::-1]
    cfg.defrost()
    cfg.MODEL.WARP.ENABLED = False
    with torch.device("meta"):  # shapes alone
        model = build_model(cfg)
    assert model.final_layer.out_channels == cfg.MODEL.NUM_JOINTS
    expected = MILLIONS[net] + (cfg.MODEL.NUM_JOINTS - 17) * PER_JOINT
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(expected, abs=0.05)


def test_learning_rates_match_file_names():
    for name in LEAVES:
        if "_adam_lr" in name:
            rate = float(Path(name).stem.split("_adam_lr")[1].split("_")[0])
            assert load_config(EXPERIMENTS / name).TRAIN.LR == rate, name


@pytest.mark.parametrize("row", RECIPES, ids=lambda row: row["experiment"])
def test_a_published_row_is_trained_as_published(row):
    cfg = load_config(EXPERIMENTS / row["experiment"])
    data, model, train = cfg.DATASET, cfg.MODEL, cfg.TRAIN
    assert (train.OPTIMIZER, train.LR, train.LR_FACTOR, train.WARMUP_ITERATIONS) == ("adam", 5e-4, 0.1, 500)
    assert (data.FLIP, data.ROT_FACTOR, data.SCALE_FACTOR, data.COLOR_RGB) == (True, 40, 0.5, True)
    assert (cfg.LOSS.USE_TARGET_WEIGHT, cfg.LOSS.USE_OHKM) == (True, False)
    assert (model.NUM_JOINTS, model.SIGMA) == (int(row["joints"]), float(row["sigma"]))
    assert model.IMAGE_SIZE == [int(row["width"]), int(row["height"])]
    assert model.HEATMAP_SIZE == [side // 4 for side in model.IMAGE_SIZE]
    assert (train.END_EPOCH, train.BATCH_SIZE_PER_GPU, len(cfg.GPUS)) == (int(row["epochs"]), int(row["batch"]), 8)
    assert train.LR_STEP == [int(step) for step in row["steps"].split()]
    assert data.PROB_HALF_BODY == float(row["half_body_prob"])
    assert not row["half_body"] or int(row["half_body"]) == data.NUM_JOINTS_HALF_BODY
    assert data.SHIFT_FACTOR == float(row["shift"])
    assert not data.SHIFT_FACTOR or float(row["shift_prob"]) == data.PROB_SHIFT
    assert Path(model.PRETRAINED).name.startswith(row["weights"])
    build_skeleton(cfg)  # knows the data set, and its number of joints


@pytest.mark.parametrize("row", RECIPES, ids=lambda row: row["experiment"])
def test_a_published_row_is_tested_as_published(row):
    test = load_config(EXPERIMENTS / row["experiment"]).TEST
    assert (test.MODE, test.FLIP_TEST, test.SHIFT_HEATMAP, test.POST_PROCESS) == ("single", True, True, True)
    assert (test.DARK, test.OKS_NMS, test.SOFT_NMS, test.OKS_THRE) == (False, True, False, 0.9)
    assert (test.IN_VIS_THRE, test.JOINT_SCORE, test.NMS_THRE) == (0.2, "heatmap", 1.0)
    assert str(test.USE_GT_BBOX) == row["gt_boxes"]
    assert test.USE_GT_BBOX or row["box_file"] == test.COCO_BBOX_FILE
    assert not row["box_threshold"] or float(row["box_threshold"]) == test.IMAGE_THRE


@pytest.mark.parametrize("row", RECIPES, ids=lambda row: row["experiment"])
def test_a_published_rows_annotations_are_found_where_users_have_them(tmp_path, row):
    for part in ("train", "test"):
        (tmp_path / row[part]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / row[part]).touch()
    cfg = load_config(EXPERIMENTS / row["experiment"], ["DATA_DIR", str(tmp_path)])
    assert build_annotations_path(cfg, train=False) == tmp_path / row["test"]
    if cfg.DATASET.DATASET != "ochuman":  # COCO's net is tested
        assert build_annotations_path(cfg, train=True) == tmp_path / row["train"]


MMPOSES = [name for name in LEAVES if name.endswith("_lr5e-4.yaml") or "_stage" in name or "_mmpose1" in name]


@pytest.mark.parametrize("name", LEAVES)
def test_only_mmpose_rows_use_exif_orientation(name):
    assert load_config(EXPERIMENTS / name).DATASET.EXIF_ORIENTATION == (name in MMPOSES)


def test_rules_of_individual_rows():
    """The sigmas of AI Challenger up to MMPose 0.10; boxes and the quarter-cell step of MMPose 1.x."""
    for name in LEAVES:
        cfg = load_config(EXPERIMENTS / name)
        assert cfg.TEST.SIGMA_SCALE == (2 if name.startswith("aic/") else 1), name
        rules = cfg.DATASET.CLIP_BOXES, cfg.TEST.POST_PROCESS_PER_AXIS
        assert rules == (("edges", True) if name.endswith("_mmpose1.yaml") else ("last_pixel", False)), name
        assert (cfg.CUDNN.ALLOW_TF32, cfg.TEST.RESCORE) == (True, False), name


@pytest.mark.parametrize(
    ("size", "dim", "depth", "heads", "drop_path", "decay"),
    [
        ("s", 384, 12, 12, 0.3, 0.9),
        ("b", 768, 12, 12, 0.3, 0.75),
        ("l", 1024, 24, 16, 0.5, 0.8),
        ("h", 1280, 32, 16, 0.55, 0.85),
    ],
)
@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_vitposes_recipe(size, dim, depth, heads, drop_path, decay, decoder):
    """Of the configurations in ViTPose's repository."""
    middle = "_simple" if decoder == "simple" else ""
    cfg = load_config(EXPERIMENTS / f"coco/vit/vit{size}_256x192{middle}_adamw_lr5e-4.yaml")
    train, data, test, extra = cfg.TRAIN, cfg.DATASET, cfg.TEST, cfg.MODEL.EXTRA
    assert (extra.EMBED_DIM, extra.DEPTH, extra.NUM_HEADS) == (dim, depth, heads)
    assert (extra.DROP_PATH_RATE, extra.DECODER) == (drop_path, decoder)
    assert (train.OPTIMIZER, train.LR, train.LAYER_DECAY, train.WD, train.CLIP_GRADIENT) == (
        "adamw",
        5e-4,
        decay,
        0.1,
        1,
    )
    assert (train.END_EPOCH, train.LR_STEP, train.LR_FACTOR, train.WARMUP_ITERATIONS) == (210, [170, 200], 0.1, 500)
    assert (train.BATCH_SIZE_PER_GPU, len(cfg.GPUS), train.CLIP_GRADIENT) == (64, 8, 1)
    assert (data.FLIP, data.PROB_HALF_BODY, data.NUM_JOINTS_HALF_BODY) == (True, 0.3, 8)
    assert (data.ROT_FACTOR, data.SCALE_FACTOR, data.PROB_SHIFT, data.COLOR_RGB) == (40, 0.5, 0, True)
    assert (cfg.MODEL.IMAGE_SIZE, cfg.MODEL.SIGMA, cfg.MODEL.TARGET_TYPE) == ([192, 256], 2, "udp")
    assert (test.FLIP_TEST, test.SHIFT_HEATMAP, test.USE_GT_BBOX, test.IMAGE_THRE) == (True, False, False, 0)
    assert (test.OKS_NMS, test.SOFT_NMS, test.OKS_THRE, test.IN_VIS_THRE, test.NMS_THRE) == (True, False, 0.9, 0.2, 1)
    assert test.JOINT_SCORE == "heatmap"


@pytest.mark.parametrize("size", ["b", "h"])
def test_posewarper_over_vitpose(size):
    first, second = (
        load_config(EXPERIMENTS / f"posetrack18/vit/vit{size}_256x192_{name}.yaml")
        for name in ("adamw_lr5e-4_PoseWarper_stage1", "adam_lr1e-4_PoseWarper_stage2")
    )
    coco = load_config(EXPERIMENTS / f"coco/vit/vit{size}_256x192_adamw_lr5e-4.yaml")
    assert (
        {**coco.MODEL.EXTRA}
        == {**first.MODEL.EXTRA, "DECODER": "classic"}
        == {**second.MODEL.EXTRA, "DECODER": "classic"}
    )
    assert (first.MODEL.WARP.ENABLED, first.TEST.MODE, first.TEST.FLIP_TEST) == (False, "single", True)
    assert (second.MODEL.WARP.ENABLED, second.TEST.MODE, second.TEST.FLIP_TEST) == (True, "aggregate", False)
    assert (second.MODEL.FREEZE_POSE_NET, second.TRAIN.OPTIMIZER, second.TRAIN.LR) == (True, "adam", 1e-4)


def test_ochuman_differs_from_coco_only_in_the_test():
    names = [path.name for path in (EXPERIMENTS / "ochuman/resnet").iterdir()]
    assert len(names) == 6
    changed = {"DATASET.DATASET", "DATASET.ROOT", "DATASET.TEST_SET", "TEST.USE_GT_BBOX", "TEST.COCO_BBOX_FILE"}
    for name in names:
        ours, coco = (flatten(load_config(EXPERIMENTS / data / "resnet" / name)) for data in ("ochuman", "coco"))
        assert {key for key in ours if ours[key] != coco[key]} == changed


def test_posewarper_plus_differs_from_posewarper_only_in_the_test():
    paper, plus = (
        flatten(load_config(EXPERIMENTS / f"synthetic/demo/{name}.yaml")) for name in ("posewarper", "posewarper_plus")
    )
    changed = {
        "TEST.FLIP_TEST",
        "TEST.SHIFT_HEATMAP",
        *(f"TEST.AGGREGATE.{key}" for key in ("OFFSETS", "WEIGHTS", "SHARE_CROPS")),
    }
    assert {key for key in plus if plus[key] != paper[key]} == changed


@pytest.mark.parametrize(("stage", "mode", "epochs", "batch"), [(1, "single", 10, 16), (2, "aggregate", 20, 8)])
def test_mmposes_posewarper(stage, mode, epochs, batch):
    cfg = load_config(EXPERIMENTS / f"posetrack18/hrnet/w48_384x288_adam_lr1e-4_PoseWarper_stage{stage}.yaml")
    assert (cfg.TRAIN.LR, cfg.TRAIN.END_EPOCH, cfg.TRAIN.BATCH_SIZE_PER_GPU, len(cfg.GPUS)) == (1e-4, epochs, batch, 8)
    assert cfg.TRAIN.LR_STEP == ([5, 7] if stage == 1 else [10, 15])
    assert (cfg.MODEL.WARP.ENABLED, cfg.MODEL.FREEZE_POSE_NET) == (stage == 2, stage == 2)
    assert (cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO, cfg.DATASET.NUM_LABELED_VIDEOS) == (-1, -1)
    assert (cfg.DATASET.SHIFT_FACTOR, cfg.DATASET.PROB_SHIFT) == (0.16, 0.3)
    test = cfg.TEST
    assert (test.MODE, test.FLIP_TEST, test.POST_PROCESS, test.USE_GT_BBOX) == (mode, stage == 1, True, True)
    assert test.SHIFT_HEATMAP
    assert (test.OKS_NMS, test.OKS_THRE, test.IN_VIS_THRE, test.IMAGE_THRE) == (True, 0.9, 0.2, 0.2)
    assert test.JOINT_SCORE == "heatmap"


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ([], "posetrack18"),
        (["DATASET.DATASET", "posetrack17"], "posetrack17"),
        (["DATASET.DATASET", "posetrack"], "posetrack17"),  # the first code's name
        (["DATASET.DATASET", "posetrack", "DATASET.IS_POSETRACK18", "True"], "posetrack18"),
        (["DATASET.DATASET", "posetrack17", "DATASET.JOINTS_BOX", "posetrack18"], "posetrack18"),
    ],
)
def test_the_rule_for_boxes_of_joints_goes_by_the_data_set(keys, rule):
    for path in (EXPERIMENTS / "posetrack/hrnet").glob("w48*.yaml"):
        assert build_box_rule(load_config(path, keys)) == rule


def test_the_first_posewarpers_training_on_propagated_labels():
    cfg = load_config(EXPERIMENTS / "posetrack/hrnet/w48_384x288_adam_lr1e-4_pseudo_gt_train.yaml")
    assert (len(cfg.GPUS), cfg.TRAIN.BATCH_SIZE_PER_GPU) == (4, 16)
    assert (cfg.DATASET.SHIFT_FACTOR, cfg.DATASET.PROB_SHIFT) == (0, 0)


def published(name):
    """The keys of a first implementation's file, nested as in it."""
    group, tree = PUBLISHED[ORIGINALS[name]], {}
    flat = {**group.get(group[name].get("_differs_from"), {}), **group[name]}
    for key, value in flat.items():
        *sections, last = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        if value is not None and key != "_differs_from":
            node[last] = value
    return tree


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_first_implementations_experiments_mean_what_their_files_do(tmp_path, name):
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(published(name)))
    old, ours = flatten(load_config(tmp_path / "old.yaml")), flatten(load_config(EXPERIMENTS / name))
    unsaid = {"TEST.JOINT_SCORE"}  # of which their code had no key for what it did
    if name.startswith("mpii"):  # scored without boxes and OKS: what some of its files say of them is not read
        unread = ("COCO_BBOX_FILE", "USE_GT_BBOX", "IMAGE_THRE", "IN_VIS_THRE", "OKS_THRE", "OKS_NMS")
        unsaid |= {f"TEST.{key}" for key in unread}
        old["DATASET.PROB_HALF_BODY"] = max(0, old["DATASET.PROB_HALF_BODY"])  # −1 is never
    assert {key: ours[key] for key in ours if ours[key] != old.get(key) and key not in unsaid} == {}
    assert set(old) == set(ours)
