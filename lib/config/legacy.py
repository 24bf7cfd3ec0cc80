"""Experiment files of the first HRNet, SimpleBaseline and PoseWarper code, told in today's keys.

This is the one place that knows the old keys. A key that kept its name and meaning is not mentioned here.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

COMMAND_LINE = "command line"  # the source of a setting that no file made

# Old keys whose value moves as it is.
RENAMED = {
    "MODEL.FREEZE_WEIGHTS": "MODEL.FREEZE_POSE_NET",
    "MODEL.ITER": "TRAIN.ITERATIONS_PER_EPOCH",
    "MODEL.EVALUATE": "TEST.EVALUATE",
    "SAVE_PREDS": "TEST.PROPAGATE.SAVE",
    "DATASET.JSON_DIR": "DATASET.ANNOTATION_DIR",
    "DATASET.IMG_DIR": "DATASET.IMAGE_DIR",
    "POSETRACK_ANNOT_DIR": "DATASET.GT_DIR",
    "MODEL.EXTRA.TARGET_TYPE": "MODEL.TARGET_TYPE",
    "MODEL.EXTRA.HEATMAP_SIZE": "MODEL.HEATMAP_SIZE",
    "MODEL.EXTRA.SIGMA": "MODEL.SIGMA",
}

# Old keys that change nothing here: switches of experiments that were not published, caches, file-name suffixes.
IGNORED = {
    "RANK",
    "PREDS_SFX",
    "LOAD_PREDS",
    "SAVE_HEATMAPS",
    "LOAD_HEATMAPS",
    "SAVE_OFFSETS",
    "ONLY_CONSECUTIVE_VAL_FINETUNE",
    "LOAD_PRECOMPUTED_FLOW_PREDS",
    "LOAD_PROPAGATED_GT_PREDS",  # tools/propagate.py scores what it propagates
    "FLOW_TYPE",
    "TRACK_PREDS_FILE",
    "TRACKING_THRESHOLD",  # of people whose tracks are scored: EVAL_TRACKING
    "MODEL.TAG_PER_JOINT",
    "MODEL.CYCLE_CONSISTENCY_FINETUNE",
    "MODEL.MPII_PRETRAINED",
    "MODEL.USE_GT_INPUT_TRAIN",
    "MODEL.DILATION_EXP",
    "MODEL.VISUALIZE_OFFSETS",
    "DATASET.HYBRID_JOINTS_TYPE",
    "DATASET.NUM_ADJACENT_FRAMES",
    "TRAIN.STSN_LR",
    "TRAIN.GAMMA1",
    "TRAIN.GAMMA2",
    "TEST.MODEL_FILE_FOR_OFFSETS",
}

# The types of the old keys that are translated below; those of the renamed ones are their new keys'.
KINDS: dict[str, type] = {
    "MODEL.NAME": str,
    "MODEL.STYLE": str,
    "MODEL.USE_WARPING_TRAIN": bool,
    "MODEL.USE_WARPING_TEST": bool,
    "MODEL.SPATIOTEMPORAL_POSE_AGGREGATION": bool,
    "MODEL.WARPING_REVERSE": bool,
    "MODEL.USE_GT_INPUT_TEST": bool,
    "MODEL.TIMESTEP_DELTA_RAND": bool,
    "MODEL.TIMESTEP_DELTA_RANGE": int,
    "MODEL.TIMESTEP_DELTA": int,
    "DATASET.DATASET": str,
    "DATASET.IS_POSETRACK18": bool,
    "DATASET.NUM_LABELED_VIDEOS": int,
    "DATASET.NUM_LABELED_FRAMES_PER_VIDEO": int,
    "DATASET.PSEUDO_GT_TRAIN": bool,
    "DATASET.TEST_ON_TRAIN": bool,
    "DATASET.JSON_FILE": str,
    "ONLY_CONSECUTIVE": bool,
    "EVAL_TRACKING": bool,
    "TRAIN.BATCH_SIZE": int,
    "TEST.BATCH_SIZE": int,
}

ALL_VIDEOS = 250  # of PoseTrack17's training set: as NUM_LABELED_VIDEOS it stood for all of them

ALL_DELTAS = (-2, -1, 0, 1, 2)

Old = dict[str, Any]


def _warp_enabled(old: Old) -> bool | None:
    if old.get("MODEL.NAME") == "pose_hrnet_PoseAgg":
        return True
    given = [old[key] for key in _WARPING[1:] if key in old]
    return any(given) if given else None


def _mode(old: Old) -> str | None:
    if old.get("MODEL.SPATIOTEMPORAL_POSE_AGGREGATION") or old.get("MODEL.NAME") == "pose_hrnet_PoseAgg":
        return "aggregate"
    if old.get("MODEL.WARPING_REVERSE") and old.get("MODEL.USE_WARPING_TEST", old.get("MODEL.WARP.ENABLED")):
        return "propagate"
    if "MODEL.USE_WARPING_TEST" in old:
        return "pair" if old["MODEL.USE_WARPING_TEST"] else "single"
    return None


def _deltas(old: Old) -> list[int]:
    # A file of ours with one δ means a fixed one, even where only the old key of its value is given.
    drawn = len(old.get("DATASET.FRAME_DELTAS", ALL_DELTAS)) > 1
    if old.get("MODEL.TIMESTEP_DELTA_RAND", drawn):
        reach = old.get("MODEL.TIMESTEP_DELTA_RANGE", 2)
        return list(range(-reach, reach + 1))
    return [old.get("MODEL.TIMESTEP_DELTA", 0)]


def _dataset(old: Old) -> str | None:
    name, is_18 = old.get("DATASET.DATASET", "posetrack"), old.get("DATASET.IS_POSETRACK18")
    if not name.startswith("posetrack") or (is_18 is None and name in ("posetrack17", "posetrack18")):
        return None
    return "posetrack18" if is_18 else "posetrack17"


def _train_annotations(old: Old) -> str | None:
    return _sparse_name(old) if old["DATASET.PSEUDO_GT_TRAIN"] else None


def _test_annotations(old: Old) -> str | None:
    if old.get("DATASET.JSON_FILE"):
        return old["DATASET.JSON_FILE"]
    return "posetrack_val_consecutive.json" if old.get("ONLY_CONSECUTIVE") else None


def _sparse_name(old: Old) -> str:
    frames, videos = old.get("DATASET.NUM_LABELED_FRAMES_PER_VIDEO", -1), old.get("DATASET.NUM_LABELED_VIDEOS", -1)
    name = "posetrack_train"
    if frames >= 0:
        name += f"_N{frames}_per_video" + ("" if videos in (ALL_VIDEOS, -1) else f"_V{videos}_videos")
    return f"{name}_wPseudoGT.json"


def _per_gpu(key: str) -> Callable[[Old], int]:
    return lambda old: max(1, old[key] // max(1, len(as_gpus(old.get("GPUS", 0)))))


def as_gpus(value: Any) -> tuple[int, ...]:
    """Device numbers: one number stands for itself alone."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


_WARPING = ("MODEL.NAME", "MODEL.USE_WARPING_TRAIN", "MODEL.USE_WARPING_TEST", "MODEL.SPATIOTEMPORAL_POSE_AGGREGATION")
_DELTA = ("MODEL.TIMESTEP_DELTA_RAND", "MODEL.TIMESTEP_DELTA_RANGE", "MODEL.TIMESTEP_DELTA")
_SIMPLE_BASELINE = {  # keys that only SimpleBaseline's files have; it shifts and post-processes by default
    "TRAIN.BATCH_SIZE",
    "TEST.BATCH_SIZE",
    "MODEL.STYLE",
    "MODEL.EXTRA.TARGET_TYPE",
    "MODEL.EXTRA.HEATMAP_SIZE",
    "MODEL.EXTRA.SIGMA",
}
# A file with one of these and without TEST.OKS_NMS is HRNet's or SimpleBaseline's, whose code had no such key.
_OF_OKS_NMS = {"TEST.OKS_THRE", "TEST.IN_VIS_THRE", "TEST.BBOX_THRE"}
_SCORED_BY_OKS = ("coco", "ochuman", "aic", "crowdpose", "coco_wholebody")

# New key, the old keys that decide it (at least one of them is given), how. None: the old keys do not say.
TRANSLATED: tuple[tuple[str, tuple[str, ...], Callable[[Old], Any]], ...] = (
    (
        "MODEL.NAME",
        ("MODEL.NAME",),
        lambda old: "pose_hrnet" if old["MODEL.NAME"] == "pose_hrnet_PoseAgg" else None,
    ),
    ("MODEL.WARP.ENABLED", _WARPING, _warp_enabled),
    ("TEST.MODE", (*_WARPING, "MODEL.WARPING_REVERSE"), _mode),
    (
        "TEST.PROPAGATE.FROM",
        ("MODEL.USE_GT_INPUT_TEST",),
        lambda old: "labels" if old["MODEL.USE_GT_INPUT_TEST"] else "net",
    ),
    ("DATASET.FRAME_DELTAS", _DELTA, _deltas),
    ("DATASET.DATASET", ("DATASET.DATASET", "DATASET.IS_POSETRACK18"), _dataset),
    (
        "DATASET.NUM_LABELED_VIDEOS",
        ("DATASET.NUM_LABELED_VIDEOS",),
        lambda old: -1 if old["DATASET.NUM_LABELED_VIDEOS"] == ALL_VIDEOS else None,
    ),
    (
        "DATASET.TEST_SET",
        ("DATASET.TEST_SET", "DATASET.TEST_ON_TRAIN"),
        lambda old: "train" if old.get("DATASET.TEST_ON_TRAIN") else None,
    ),
    ("DATASET.TRAIN_ANNOTATIONS", ("DATASET.PSEUDO_GT_TRAIN",), _train_annotations),
    ("DATASET.TEST_ANNOTATIONS", ("DATASET.JSON_FILE", "ONLY_CONSECUTIVE"), _test_annotations),
    ("TRAIN.BATCH_SIZE_PER_GPU", ("TRAIN.BATCH_SIZE",), _per_gpu("TRAIN.BATCH_SIZE")),
    ("TEST.BATCH_SIZE_PER_GPU", ("TEST.BATCH_SIZE",), _per_gpu("TEST.BATCH_SIZE")),
)

OLD_KEYS = IGNORED | RENAMED.keys() | KINDS.keys()


@dataclass(frozen=True)
class Setting:
    """A key's value and where it comes from.

    Attributes:
        value: decoded (not "1" but 1).
        key: as it was written, which may be an old one.
        source: the file, or the command line.
        layer: number of the source; a later one overrides.
    """

    value: Any
    key: str
    source: str
    layer: int

    def __str__(self) -> str:
        return f"{self.source}: {self.key}"


def translate(settings: dict[str, Setting], known: set[str]) -> dict[str, Setting]:
    """Settings in today's keys.

    Args:
        settings: by dotted key, old and new ones mixed.
        known: today's keys.
    Raises:
        InputError: a setting of an older implementation of another type, or without a counterpart.
    """
    old = {key: setting.value for key, setting in settings.items()}
    result = {key: setting for key, setting in settings.items() if key in known or key not in OLD_KEYS}
    _check_old(settings)
    if _names_the_year(settings):
        del old["DATASET.IS_POSETRACK18"]
    for key, deciding, decide in (*((new, (name,), itemgetter(name)) for name, new in RENAMED.items()), *TRANSLATED):
        given = [settings[name] for name in deciding if name in settings]
        value = decide(old) if given else None
        if value is None:
            continue
        last = max(given, key=lambda setting: setting.layer)
        if key in deciding or key not in result or result[key].layer < last.layer:
            result[key] = replace(last, value=value)
    of_files = {key for key, setting in settings.items() if setting.source != COMMAND_LINE}
    for name in _SIMPLE_BASELINE & of_files:
        for key in ("TEST.POST_PROCESS", "TEST.SHIFT_HEATMAP"):
            result.setdefault(key, replace(settings[name], value=True))
    if old.get("DATASET.DATASET") in _SCORED_BY_OKS:
        for name in _OF_OKS_NMS & of_files:
            result.setdefault("TEST.OKS_NMS", replace(settings[name], value=True))
    return result


def _check_old(settings: dict[str, Setting]) -> None:
    for key in sorted(OLD_KEYS & settings.keys()):
        setting, kind = settings[key], KINDS.get(key)
        if key in IGNORED:
            logger.info("%s has no effect here and is ignored", setting)
        if kind and type(setting.value) is not kind and not (kind is str and setting.value is None):
            raise InputError(f"{setting}: {setting.value!r} is no {kind.__name__}")
    tracking = settings.get("EVAL_TRACKING")
    if tracking and tracking.value:
        logger.warning(
            "%s is True, but there is no tracker: no MOTA; tools/evaluate.py posetrack --tracking scores another "
            "tracker's files",
            tracking,
        )
    style = settings.get("MODEL.STYLE")
    if style and style.value != "pytorch":
        raise InputError(f"{style} {style.value}: not supported; use torchvision's ResNet weights")


def _names_the_year(settings: dict[str, Setting]) -> bool:
    """DATASET.DATASET says posetrack17 or posetrack18, and no later IS_POSETRACK18 says otherwise."""
    name, is_18 = settings.get("DATASET.DATASET"), settings.get("DATASET.IS_POSETRACK18")
    return bool(name and is_18 and name.value in ("posetrack17", "posetrack18") and name.layer >= is_18.layer)
