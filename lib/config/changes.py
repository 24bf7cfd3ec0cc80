"""Comparison of configurations: a run with its continuation, and weights with the experiment that uses them.

A key that is not listed in one of the tables below changes the result.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from lib.config.default import DEFAULTS
from lib.config.keys import flatten
from lib.config.legacy import update_stored
from lib.config.run_folder import BEST_WEIGHTS
from lib.utils.errors import InputError
from lib.utils.yaml_files import parse_yaml

Changes = dict[str, tuple[Any, Any]]
"""Dictionary that maps each changed key to its earlier and current value."""

OF_PROCESS = (
    "OUTPUT_DIR",
    "LOG_DIR",
    "GPUS",  # only the number of processes matters, and the checkpoint stores it
    "WORKERS",
    "PIN_MEMORY",
    "PRINT_FREQ",
    "AUTO_RESUME",
    "DEBUG.",
)
"""Keys for where a run writes and how its processes work. No result depends on them."""

SAME_RESULT = (
    *OF_PROCESS,
    "DATA_DIR",  # the files read from it are named by keys that are compared
    "EXPERIMENT_NAME",
    "MODEL.PRETRAINED",  # compared by content, not by path
    "TRAIN.RESUME",
    "TRAIN.CHECKPOINT",
    "TRAIN.CHECKPOINT_EVERY",
    "TRAIN.NOT_FINITE",
    "TRAIN.PROFILE",
    "TEST.BATCH_SIZE_PER_GPU",
    "TEST.MODEL_FILE",  # a training run tests its own net
    "TEST.PROPAGATE.",
)
"""Keys, and sections ending in a dot, that may change when a training run is resumed."""

OF_TESTS = ("TEST.", "DATASET.TEST_SET", "DATASET.TEST_ANNOTATIONS", "DATASET.GT_DIR", "TRAIN.EVALUATE_EVERY")
"""Keys that determine the best epoch."""

IGNORED = {
    ("TRAIN.OPTIMIZER", "adam"): ("TRAIN.MOMENTUM", "TRAIN.WD", "TRAIN.NESTEROV"),
    ("TRAIN.OPTIMIZER", "adamw"): ("TRAIN.MOMENTUM", "TRAIN.NESTEROV"),
    ("TRAIN.SCHEDULE", "step"): ("TRAIN.END_EPOCH",),  # it can be raised or lowered
    ("TRAIN.SCHEDULE", "cosine"): ("TRAIN.LR_FACTOR", "TRAIN.LR_STEP"),
    ("DATASET.PROB_SHIFT", 0.0): ("DATASET.SHIFT_FACTOR",),
    ("LOSS.USE_TARGET_WEIGHT", False): ("LOSS.USE_DIFFERENT_JOINTS_WEIGHT",),
    ("TEST.EVALUATE", False): OF_TESTS,
}
"""Keys, and sections ending in a dot, that have no effect on the training with this value of another key."""

RESTORED = (
    "TRAIN.OPTIMIZER",
    "TRAIN.LR",
    "TRAIN.LAYER_DECAY",
    "TRAIN.LR_FACTOR",
    "TRAIN.LR_STEP",
    "TRAIN.SCHEDULE",
    "TRAIN.END_EPOCH",
    "TRAIN.WARMUP_ITERATIONS",
    "TRAIN.MOMENTUM",
    "TRAIN.WD",
    "TRAIN.NESTEROV",
)
"""Keys that the checkpoint restores to their earlier values regardless of the configuration."""

OF_WEIGHTS = (
    "MODEL.TARGET_TYPE",
    "MODEL.SIGMA",
    "DATASET.COLOR_RGB",
    "MODEL.EXTRA.STRIDE_IN_1X1",
    "MODEL.EXTRA.NUM_HEADS",
)
OF_WARP_WEIGHTS = ("MODEL.WARP.DILATIONS",)
"""Training settings that the shapes of weights do not reveal, unlike MODEL.NAME, NUM_JOINTS, and the rest of EXTRA."""


def read_config(text: str) -> dict[str, Any]:
    """Parse a configuration into a dictionary with dotted keys; keys that it is too old to have get today's defaults.

    Args:
        text: YAML text, as returned by the `dump` method of a configuration.

    Returns:
        Dictionary that maps dotted keys to values.

    Raises:
        InputError: The text is not a configuration.
    """
    try:
        content = parse_yaml(text, "the configuration")
    except InputError:
        content = None
    if not isinstance(content, dict):
        raise InputError("the configuration stored with the checkpoint or weights is damaged; use another file")
    known = flatten(yaml.safe_load(DEFAULTS.dump()))
    own = update_stored(flatten(content))
    return known | {key: value for key, value in own.items() if key in known or key.startswith("MODEL.EXTRA.")}


def changes_of_run(earlier: str, cfg: CfgNode) -> Changes:
    """Return the changed keys that affect the result of a training run.

    Args:
        earlier: Configuration that the run was started with, as YAML text.
        cfg: Current configuration.

    Returns:
        Dictionary that maps each changed key to its earlier and current value.

    Raises:
        InputError: `earlier` is not a configuration.
    """
    before, now = read_config(earlier), read_config(cfg.dump())
    return {
        key: pair
        for key, pair in _changed(before, now).items()
        if key == "TEST.EVALUATE"
        or not (matches(key, SAME_RESULT) or (_is_ignored(key, before) and _is_ignored(key, now)))
    }


def changes_of_result(earlier: str, config: str) -> Changes:
    """Return the changed keys that affect a result.

    Args:
        earlier: Configuration of an earlier result, as YAML text.
        config: Current configuration, as YAML text.

    Returns:
        Dictionary that maps each changed key to its earlier and current value.

    Raises:
        InputError: One of them is not a configuration.
    """
    changed = _changed(read_config(earlier), read_config(config))
    return {key: pair for key, pair in changed.items() if not matches(key, OF_PROCESS)}


def check_resumable(changes: Changes, checkpoint: Path, force: bool) -> None:
    """Refuse to resume a run if the result would not match its configuration.

    Args:
        changes: Changes of the configuration since the checkpoint was written.
        checkpoint: Path to the checkpoint, for messages.
        force: If True, accept all changes except those to keys that the checkpoint restores.

    Raises:
        InputError: The changes are not accepted.
    """
    restored = [key for key in changes if key in RESTORED]
    if not changes or (force and not restored):
        return
    if restored:
        best = checkpoint.with_name(BEST_WEIGHTS)
        way = (
            f"the checkpoint restores {', '.join(restored)} even with --force; to train with other values, start the "
            f"new run from MODEL.PRETRAINED {best}"
        )
    else:
        way = "--force resumes anyway, and the results record it"
    raise InputError(
        f"{checkpoint}: this run has other settings: {format_changes(changes)}; restore them, or start a new run "
        f"(EXPERIMENT_NAME …); {way}"
    )


def changes_of_weights(training: Mapping[str, Any], cfg: CfgNode, joints: Sequence[str]) -> Changes:
    """Return the keys that weights and the configuration that uses them must agree on, but do not.

    Args:
        training: Record of how the weights were trained, as reported by `lib.utils.checkpoint.load_weights`. An empty
            record means that it is unknown.
        cfg: Configuration that uses the weights.
        joints: Names of the joints that the weights are used for.

    Returns:
        Dictionary that maps each key to its value in training and in `cfg`.
    """
    if not training:
        return {}
    before, now = read_config(training["config"]), read_config(cfg.dump())
    warps = before["MODEL.WARP.ENABLED"] and now["MODEL.WARP.ENABLED"]
    keys = OF_WEIGHTS + (OF_WARP_WEIGHTS if warps else ())
    pairs = {key: (before.get(key, False), now.get(key, False)) for key in keys}  # EXTRA may lack its key: off
    changes = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    return changes | _other_joints(training["joints"], joints)


def _other_joints(before: Sequence[str], now: Sequence[str]) -> Changes:
    if len(before) != len(now):
        return {"number of joints": (len(before), len(now))}
    pairs = enumerate(zip(before, now, strict=True))
    return next(({f"joint {index}": pair} for index, pair in pairs if pair[0] != pair[1]), {})


def check_weights(changes: Changes, path: Path, force: bool) -> None:
    """Refuse weights that were trained with incompatible settings even though the shapes match.

    Args:
        changes: Changes of the configuration since the weights were trained.
        path: Path to the weights, for messages.
        force: If True, accept all changes.

    Raises:
        InputError: There are changes and `force` is False.
    """
    if changes and not force:
        raise InputError(
            f"{path}: these weights were trained with other settings: {format_changes(changes)}; restore "
            f"them; --force uses the weights anyway, and the results record it"
        )


def changes_of_training(training: Mapping[str, Any], cfg: CfgNode) -> Changes:
    """Return the changed training keys that do not affect testing the weights.

    Args:
        training: Record of how the weights were trained, as in `changes_of_weights`.
        cfg: Configuration that uses the weights.

    Returns:
        Dictionary that maps each changed key to its value in training and in `cfg`.
    """
    used = (*OF_TESTS, *OF_WEIGHTS, *OF_WARP_WEIGHTS, "MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE", "CUDNN.")
    changes = changes_of_run(training["config"], cfg) if training else {}
    return {key: pair for key, pair in changes.items() if not matches(key, used)}


def crop_size(training: Mapping[str, Any]) -> list[int] | None:
    """Return the MODEL.IMAGE_SIZE that the weights were trained with, or None if it is unknown.

    Args:
        training: Record of how the weights were trained, as in `changes_of_weights`.
    """
    return read_config(training["config"])["MODEL.IMAGE_SIZE"] if training else None


def ignored_keys(cfg: CfgNode) -> dict[str, str]:
    """Return the keys of a training that were set but have no effect.

    Args:
        cfg: Configuration of the experiment.

    Returns:
        Dictionary that maps each of these keys to the key and value that ignores it.
    """
    config, defaults = (flatten(one) for one in (cfg, DEFAULTS))
    return {
        key: f"{by} {value}"
        for (by, value), keys in IGNORED.items()
        if config[by] == value and keys != OF_TESTS
        for key in keys
        if key != "TRAIN.END_EPOCH" and config[key] != defaults[key]
    }


def format_changes(changes: Changes) -> str:
    """Format changes as part of a sentence: `SEED was 0 and is 1; TRAIN.LR was …`.

    Args:
        changes: Changes to format.
    """
    return "; ".join(f"{key} was {_show(before)} and is {_show(now)}" for key, (before, now) in changes.items())


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    return {key: (before.get(key), now.get(key)) for key in {**before, **now} if before.get(key) != now.get(key)}


def _show(value: Any) -> str:
    return "not set" if value is None else repr(value) if value == "" else str(value)


def matches(key: str, names: Sequence[str]) -> bool:
    """Return True if a dotted key is one of these names, or in one of these sections, which end with a dot."""
    return any(key == name or (name.endswith(".") and key.startswith(name)) for name in names)


def _is_ignored(key: str, config: Mapping[str, Any]) -> bool:
    """Return True if a key has no effect, because of the value of another one."""
    return any(config[by] == value and matches(key, keys) for (by, value), keys in IGNORED.items())
