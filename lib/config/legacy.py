"""Translation of experiment files of the original HRNet, SimpleBaseline, and PoseWarper code into today's keys.

Everything about the old keys is in this module. Keys that kept their name and meaning are not listed here.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from lib.utils.errors import InputError
from lib.utils.label_files import sparse_file_name

logger = logging.getLogger(__name__)

COMMAND_LINE = "command line"  # source of a setting that is not from a file

# Old keys whose value is kept under a new name.
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
    "TRAIN.BATCH_SIZE": "TRAIN.BATCH_SIZE_PER_GPU",  # per GPU in SimpleBaseline too
    "TEST.BATCH_SIZE": "TEST.BATCH_SIZE_PER_GPU",
}

# Old keys that have no effect, here or in the original code.
IGNORED = {
    "RANK",
    "PREDS_SFX",
    "FLOW_TYPE",
    "TRACKING_THRESHOLD",  # applies only to tracking scores (EVAL_TRACKING)
    "MODEL.TAG_PER_JOINT",
    "DATASET.HYBRID_JOINTS_TYPE",
    "DATASET.NUM_ADJACENT_FRAMES",
    "TRAIN.STSN_LR",
    "TRAIN.GAMMA1",
    "TRAIN.GAMMA2",
    "TEST.BBOX_THRE",
}

# Old values of keys, and their new names.
RENAMED_VALUES = {"TEST.JOINT_SCORE": {"peak_times_box": "heatmap_times_box", "peak": "heatmap"}}

# Old keys for output that is now written in other ways, and those ways. False and '' request nothing.
REPLACED = {
    "EVAL_TRACKING": "there is no tracker: no MOTA; tools/evaluate.py posetrack --tracking scores any tracks",
    "SAVE_HEATMAPS": "DEBUG.DEBUG True draws heatmaps",
    "SAVE_OFFSETS": "tools/illustrate.py draws the warp",
    "MODEL.VISUALIZE_OFFSETS": "tools/illustrate.py draws the warp",
}

# Old keys that would change the result, and what to use instead. False, 0, and '' request nothing.
REFUSED = {
    "LOAD_PREDS": "tools/evaluate.py posetrack --pred scores the predictions of an earlier run",
    "LOAD_HEATMAPS": "the net estimates heatmaps again; tools/evaluate.py scores the predictions of an earlier run",
    "LOAD_PRECOMPUTED_FLOW_PREDS": "tools/propagate.py --method dis or raft propagates by optical flow",
    "TRACK_PREDS_FILE": "tools/evaluate.py posetrack --tracking scores tracks of any program",
    "ONLY_CONSECUTIVE_VAL_FINETUNE": "DATASET.TRAIN_ANNOTATIONS names the file to train on",
    "MODEL.CYCLE_CONSISTENCY_FINETUNE": "no published net was trained so; MODEL.PRETRAINED starts from given weights",
    "MODEL.USE_GT_INPUT_TRAIN": "training warps the net's heatmaps; tools/propagate.py warps labels",
    "MODEL.MPII_PRETRAINED": "MODEL.PRETRAINED names the weights to start from",
    "MODEL.DILATION_EXP": "MODEL.WARP.DILATIONS lists the dilations",
    "TEST.MODEL_FILE_FOR_OFFSETS": "TEST.MODEL_FILE names the weights of the whole net, offsets too",
}

# Types of the old keys that are translated below. Renamed keys have the type of the new key.
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
    "TEST.JOINT_SCORE": str,
    "ONLY_CONSECUTIVE": bool,
    "EVAL_TRACKING": bool,
    "LOAD_PROPAGATED_GT_PREDS": bool,
}

ALL_VIDEOS = 250  # PoseTrack17's training set; as NUM_LABELED_VIDEOS it meant all videos

ALL_DELTAS = (-2, -1, 0, 1, 2)

Old = dict[str, Any]

Rule = tuple[str, tuple[str, ...], Callable[[Old], Any]]


def _warp_enabled(old: Old) -> bool | None:
    if old.get("MODEL.NAME") == "pose_hrnet_PoseAgg":
        return True
    given = [old[key] for key in _WARPING[1:] if key in old]
    return any(given) if given else None


def _mode(old: Old) -> str | None:
    if old.get("LOAD_PROPAGATED_GT_PREDS"):  # scores propagated poses; tools/propagate.py propagates and scores
        return "propagate"
    if old.get("MODEL.SPATIOTEMPORAL_POSE_AGGREGATION") or old.get("MODEL.NAME") == "pose_hrnet_PoseAgg":
        return "aggregate"
    if old.get("MODEL.WARPING_REVERSE") and old.get("MODEL.USE_WARPING_TEST", old.get("MODEL.WARP.ENABLED")):
        return "propagate"
    if "MODEL.USE_WARPING_TEST" in old:
        return "pair" if old["MODEL.USE_WARPING_TEST"] else "single"
    return None


def _deltas(old: Old) -> list[int]:
    # A current file with a single δ means a fixed δ, even if only the old key for its value is given.
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
    if not old["DATASET.PSEUDO_GT_TRAIN"]:
        return None
    frames, videos = old.get("DATASET.NUM_LABELED_FRAMES_PER_VIDEO", -1), old.get("DATASET.NUM_LABELED_VIDEOS", -1)
    return sparse_file_name(frames, -1 if videos == ALL_VIDEOS else videos, propagated=True)


def _test_annotations(old: Old) -> str | None:
    if old.get("DATASET.JSON_FILE"):
        return old["DATASET.JSON_FILE"]
    return "posetrack_val_consecutive.json" if old.get("ONLY_CONSECUTIVE") else None


_WARPING = ("MODEL.NAME", "MODEL.USE_WARPING_TRAIN", "MODEL.USE_WARPING_TEST", "MODEL.SPATIOTEMPORAL_POSE_AGGREGATION")
_DELTA = ("MODEL.TIMESTEP_DELTA_RAND", "MODEL.TIMESTEP_DELTA_RANGE", "MODEL.TIMESTEP_DELTA")
_SIMPLE_BASELINE = {  # keys that only SimpleBaseline's files have
    "TRAIN.BATCH_SIZE",
    "TEST.BATCH_SIZE",
    "MODEL.STYLE",
    "MODEL.EXTRA.TARGET_TYPE",
    "MODEL.EXTRA.HEATMAP_SIZE",
    "MODEL.EXTRA.SIGMA",
}
_SIMPLE_BASELINE_DEFAULTS = {"TEST.POST_PROCESS": True, "TEST.SHIFT_HEATMAP": True, "TEST.IMAGE_THRE": 0.0}
# A file with one of these and without TEST.OKS_NMS is HRNet's or SimpleBaseline's, whose code had no such key.
_OF_OKS_NMS = {"TEST.OKS_THRE", "TEST.IN_VIS_THRE", "TEST.BBOX_THRE"}
# Old files of other data sets were not scored by OKS.
_SCORED_BY_OKS = ("coco", "ochuman", "aic", "crowdpose", "coco_wholebody")

# New key, the old keys that determine it (at least one is given), and a function that returns its value, or None if
# the old keys do not determine it.
TRANSLATED: tuple[Rule, ...] = (
    (
        "MODEL.NAME",
        ("MODEL.NAME",),
        lambda old: "pose_hrnet" if old["MODEL.NAME"] == "pose_hrnet_PoseAgg" else None,
    ),
    ("MODEL.WARP.ENABLED", _WARPING, _warp_enabled),
    ("TEST.MODE", (*_WARPING, "MODEL.WARPING_REVERSE", "LOAD_PROPAGATED_GT_PREDS"), _mode),
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
    ("MODEL.EXTRA.STRIDE_IN_1X1", ("MODEL.STYLE",), lambda old: old["MODEL.STYLE"] == "caffe" or None),
    *((key, (key,), lambda old, key=key: RENAMED_VALUES[key].get(old[key])) for key in RENAMED_VALUES),
)

OLD_KEYS = IGNORED | REPLACED.keys() | REFUSED.keys() | RENAMED.keys() | KINDS.keys()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A key's value and its origin.

    Attributes:
        value: Decoded value (1 rather than "1").
        key: Key as written, possibly an old one.
        source: File that sets the key, or the command line.
        layer: Number of the source. Later sources override earlier ones.
    """

    value: Any
    key: str
    source: str
    layer: int

    def __str__(self) -> str:
        return f"{self.source}: {self.key}"


def translate(settings: dict[str, Setting], known: Collection[str]) -> dict[str, Setting]:
    """Translate settings into today's keys.

    Args:
        settings: Settings by dotted key, with old and new keys mixed.
        known: Today's keys.

    Returns:
        Settings by today's keys.

    Raises:
        InputError: An old setting has the wrong type or no counterpart.
    """
    old = {key: setting.value for key, setting in settings.items()}
    result = {key: setting for key, setting in settings.items() if key in known or key not in OLD_KEYS}
    _check_old(settings)
    if _names_the_year(settings):
        del old["DATASET.IS_POSETRACK18"]
    renamed: list[Rule] = [(new, (name,), itemgetter(name)) for name, new in RENAMED.items()]
    for key, deciding, decide in (*renamed, *TRANSLATED):
        given = [settings[name] for name in deciding if name in settings]
        value = decide(old) if given else None
        if value is None:
            continue
        last = max(given, key=lambda setting: setting.layer)
        if key in deciding or key not in result or result[key].layer < last.layer:
            result[key] = replace(last, value=value)
    of_files = {key for key, setting in settings.items() if setting.source != COMMAND_LINE}
    for name in _SIMPLE_BASELINE & of_files:
        for key, value in _SIMPLE_BASELINE_DEFAULTS.items():
            result.setdefault(key, replace(settings[name], value=value))
    if old.get("DATASET.DATASET") in _SCORED_BY_OKS:
        for name in _OF_OKS_NMS & of_files:
            result.setdefault("TEST.OKS_NMS", replace(settings[name], value=True))
    return result


def update_stored(flat: Old) -> Old:
    """Return the keys of a configuration that an earlier version stored, without ignored keys and with today's values.

    Args:
        flat: Values by dotted key.
    """
    kept = {key: value for key, value in flat.items() if key not in IGNORED}
    return kept | {key: names[kept[key]] for key, names in RENAMED_VALUES.items() if key in kept and kept[key] in names}


def with_article(kind: type) -> str:
    """Return the name of a type with its article, such as "an int"."""
    return f"{'an' if kind is int else 'a'} {kind.__name__}"


def _check_old(settings: dict[str, Setting]) -> None:
    for key in sorted(OLD_KEYS & settings.keys()):
        setting, kind = settings[key], KINDS.get(key)
        if key in IGNORED:
            logger.info("%s has no effect here and is ignored", setting)
        if key in REPLACED and setting.value:
            logger.warning("%s has no effect here and is ignored: %s", setting, REPLACED[key])
        if key in REFUSED and setting.value:
            raise InputError(f"{setting} is {setting.value!r}, which is not supported: {REFUSED[key]}")
        if kind and type(setting.value) is not kind and not (kind is str and setting.value is None):
            raise InputError(f"{setting}: {setting.value!r} is not {with_article(kind)}")
    style = settings.get("MODEL.STYLE")
    if style and style.value not in ("pytorch", "caffe"):
        raise InputError(f"{style} is {style.value!r}; it can be pytorch, caffe")


def _names_the_year(settings: dict[str, Setting]) -> bool:
    """Return True if DATASET.DATASET is posetrack17 or posetrack18 and no later IS_POSETRACK18 overrides it."""
    name, is_18 = settings.get("DATASET.DATASET"), settings.get("DATASET.IS_POSETRACK18")
    return bool(name and is_18 and name.value in ("posetrack17", "posetrack18") and name.layer >= is_18.layer)
