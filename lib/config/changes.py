"""Configurations compared: of a run with the one that goes on with it, and of weights with the one that uses them.

A key that is not in one of the tables below changes the result.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from lib.config.default import DEFAULTS
from lib.config.keys import flatten
from lib.utils.errors import InputError

Changes = dict[str, tuple[Any, Any]]
"""Key to its value before and its value now."""

OF_PROCESS = (
    "OUTPUT_DIR",
    "LOG_DIR",
    "GPUS",  # the number of processes counts, and the checkpoint has it
    "WORKERS",
    "PIN_MEMORY",
    "PRINT_FREQ",
    "AUTO_RESUME",
    "DEBUG.",
)
"""Where a run writes and how its processes work: no result depends on these."""

SAME_RESULT = (
    *OF_PROCESS,
    "DATA_DIR",  # what is read from it is named by keys that are compared
    "EXPERIMENT_NAME",
    "MODEL.PRETRAINED",  # compared by content, which its path does not tell
    "TRAIN.RESUME",
    "TRAIN.CHECKPOINT",
    "TRAIN.CHECKPOINT_EVERY",
    "TRAIN.END_EPOCH",  # no other key depends on it: more epochs, or fewer
    "TEST.BATCH_SIZE_PER_GPU",
    "TEST.MODEL_FILE",  # a training tests its own net
    "TEST.PROPAGATE.",
    "TEST.BBOX_THRE",
)
"""Keys, and sections with their dot, that a training may be resumed with other values of."""

OF_TESTS = ("TEST.", "DATASET.TEST_SET", "DATASET.TEST_ANNOTATIONS", "DATASET.GT_DIR", "TRAIN.EVALUATE_EVERY")
"""They decide which epoch is the best, so they count unless TEST.EVALUATE is False."""

OF_SGD = ("TRAIN.MOMENTUM", "TRAIN.WD", "TRAIN.NESTEROV")
"""Adam ignores them."""

RESTORED = (
    "TRAIN.OPTIMIZER",
    "TRAIN.LR",
    "TRAIN.LR_FACTOR",
    "TRAIN.LR_STEP",
    "TRAIN.WARMUP_ITERATIONS",
    *OF_SGD,
)
"""The checkpoint restores them as they were, whatever the configuration says."""

OF_WEIGHTS = ("MODEL.TARGET_TYPE", "MODEL.SIGMA", "DATASET.COLOR_RGB")
OF_WARP_WEIGHTS = ("MODEL.WARP.DILATIONS",)
"""What weights were trained for and their shapes do not show. (MODEL.NAME, NUM_JOINTS and EXTRA show.)"""


def read_config(text: str) -> dict[str, Any]:
    """Return a configuration by dotted key, with today's defaults where it is older than a key.

    Args:
        text: YAML, as the `dump` of a configuration.
    Raises:
        InputError: it is something else.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        raise InputError("the configuration inside the checkpoint or weights is damaged: take another file")
    known = flatten(yaml.safe_load(DEFAULTS.dump()))
    own = flatten(content)
    return known | {key: value for key, value in own.items() if key in known or key.startswith("MODEL.EXTRA.")}


def changes_of_run(earlier: str, cfg: CfgNode) -> Changes:
    """The keys that change the result of a training and have another value now.

    Args:
        earlier: the configuration that the training was begun with, as YAML.
    Raises:
        InputError: that is no configuration.
    """
    before, now = read_config(earlier), read_config(cfg.dump())
    ignored = SAME_RESULT + tuple(
        key
        for keys, applies in ((OF_TESTS, _tests), (OF_SGD, _uses_sgd))
        if not applies(before) and not applies(now)
        for key in keys
    )
    changed = {key: (before.get(key), now.get(key)) for key in {**before, **now} if before.get(key) != now.get(key)}
    return {key: pair for key, pair in changed.items() if key == "TEST.EVALUATE" or not matches(key, ignored)}


def check_resumable(changes: Changes, checkpoint: Path, force: bool) -> None:
    """Refuse to go on with a run whose result would not be that of its configuration.

    Args:
        changes: of the configuration, since the checkpoint.
        force: accept them, except for those that the checkpoint restores.
    Raises:
        InputError: there are such changes.
    """
    restored = [key for key in changes if key in RESTORED]
    if not changes or (force and not restored):
        return
    if restored:
        best = checkpoint.with_name("model_best.pth")
        way = (
            f"the checkpoint restores {', '.join(restored)}, with --force too; to train on with other values begin the "
            f"new run with MODEL.PRETRAINED {best}"
        )
    else:
        way = "--force resumes all the same, and the results record it"
    raise InputError(
        f"{checkpoint}: this run has other settings: {format_changes(changes)}; set them as they were, or begin a "
        f"new run (EXPERIMENT_NAME …); {way}"
    )


def changes_of_weights(training: Mapping[str, Any], cfg: CfgNode, joints: Sequence[str]) -> Changes:
    """The keys that weights must agree on with the configuration that uses them, where they do not.

    Args:
        training: how the weights were trained, as `lib.utils.checkpoint.load_weights` reports it; empty: not known.
        joints: names of the joints that they are used for.
    """
    if not training:
        return {}
    before, now = read_config(training["config"]), read_config(cfg.dump())
    warps = before["MODEL.WARP.ENABLED"] and now["MODEL.WARP.ENABLED"]
    keys = OF_WEIGHTS + (OF_WARP_WEIGHTS if warps else ())
    changes = {key: (before[key], now[key]) for key in keys if before[key] != now[key]}
    return changes | _other_joints(training["joints"], joints)


def _other_joints(before: Sequence[str], now: Sequence[str]) -> Changes:
    if len(before) != len(now):
        return {"number of joints": (len(before), len(now))}
    pairs = enumerate(zip(before, now, strict=True))
    return next(({f"joint {index}": pair} for index, pair in pairs if pair[0] != pair[1]), {})


def check_weights(changes: Changes, path: Path, force: bool) -> None:
    """Refuse weights that were trained for something else, of the same shapes.

    Args:
        changes: since their training.
        path: of their file.
        force: accept them.
    Raises:
        InputError: there are changes.
    """
    if changes and not force:
        raise InputError(
            f"{path}: these weights were trained with other settings: {format_changes(changes)}; set them as they "
            f"were; --force uses the weights all the same, and the results record it"
        )


def changes_of_training(training: Mapping[str, Any], cfg: CfgNode) -> Changes:
    """The keys of a training whose value is not the one that weights were trained with, and that a test has no use for.

    Args:
        training: as in `changes_of_weights`.
    """
    used = (*OF_TESTS, *OF_WEIGHTS, *OF_WARP_WEIGHTS, "MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE", "CUDNN.")
    changes = changes_of_run(training["config"], cfg) if training else {}
    return {key: pair for key, pair in changes.items() if not matches(key, used)}


def crop_size(training: Mapping[str, Any]) -> list[int] | None:
    """MODEL.IMAGE_SIZE that weights were trained with, if it is known."""
    return read_config(training["config"])["MODEL.IMAGE_SIZE"] if training else None


def ignored_by_optimizer(cfg: CfgNode) -> list[str]:
    """The keys that were set for another optimizer than TRAIN.OPTIMIZER."""
    config, usual = (flatten(one) for one in (cfg, DEFAULTS))
    return [] if _uses_sgd(config) else [key for key in OF_SGD if config[key] != usual[key]]


def format_changes(changes: Changes) -> str:
    """Changes as a part of a sentence: `SEED was 0 and is 1; TRAIN.LR was …`."""
    return "; ".join(f"{key} was {_show(before)} and is {_show(now)}" for key, (before, now) in changes.items())


def _show(value: Any) -> str:
    return "not set" if value is None else repr(value) if value == "" else str(value)


def matches(key: str, names: Sequence[str]) -> bool:
    """Return True if a dotted key is one of these names, or in one of these sections, which end with a dot."""
    return any(key == name or (name.endswith(".") and key.startswith(name)) for name in names)


def _tests(config: Mapping[str, Any]) -> bool:
    return config["TEST.EVALUATE"]


def _uses_sgd(config: Mapping[str, Any]) -> bool:
    return config["TRAIN.OPTIMIZER"] == "sgd"
