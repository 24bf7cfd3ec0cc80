"""Settings of the last run in an output folder, compared with those of the current one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config.changes import OF_PROCESS, Changes, format_changes, matches
from lib.config.keys import flatten
from lib.utils.files import read_json, write_json
from lib.utils.progress import format_minutes

RECORD = "settings.json"
"""File in the output folder with the settings of the last run."""
UNUSED = (*OF_PROCESS, "EXPERIMENT_NAME", "DATASET.ROOT", "DATASET.TRAIN_ANNOTATIONS", "DATASET.TEST_ANNOTATIONS")
"""Keys that the run sets itself, or that change no result."""
OF_TRAINING = ("MODEL.", "DATASET.", "TRAIN.", "LOSS.", "SEED", "--every", "--images", "joints", "labels")
"""Settings that the nets depend on; the others concern propagation or estimation alone."""


def report_changes(
    folder: Path, recipe: Mapping[str, CfgNode], others: Mapping[str, Any], seconds: Sequence[float]
) -> None:
    """Print the settings that differ from those of the last run in a folder and what they cost, and record the current.

    Args:
        folder: Output folder.
        recipe: Configuration of each stage, by its name.
        others: Other settings, such as options of the command.
        seconds: Expected seconds of each stage; those but the last one are training.
    """
    if changes := changed_settings(folder, {stage: flatten(own) for stage, own in recipe.items()}, others):
        print(format_cost(changes, sum(seconds[:-1]), sum(seconds)))


def changed_settings(folder: Path, stages: Mapping[str, Mapping[str, Any]], others: Mapping[str, Any]) -> Changes:
    """Return the settings that differ from those of the last run, and record the current ones for the next run.

    Args:
        folder: Output folder.
        stages: Values of dotted keys, by name of the stage.
        others: Other settings, such as options of the command.

    Returns:
        Dictionary that maps each changed setting to its earlier and current value; empty for the first run. A key that
        did not change equally in all stages has the name of the stage after it.
    """
    used = {
        stage: {key: value for key, value in keys.items() if not matches(key, UNUSED)} for stage, keys in stages.items()
    }
    now = json.loads(json.dumps({"stages": used, "others": others}))
    path = folder / RECORD
    before = read_json(path) if path.exists() else now
    write_json(path, now, indent=True)
    found = {stage: _changes(before["stages"].get(stage, {}), own) for stage, own in now["stages"].items()}
    changes: Changes = {}
    for stage, own in found.items():
        for key, pair in own.items():
            is_everywhere = all(other.get(key) == pair for other in found.values())
            changes[key if is_everywhere else f"{key} ({stage})"] = pair
    return changes | _changes(before["others"], now["others"])


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    keys = [*now, *(key for key in before if key not in now)]
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def format_cost(changes: Changes, training: float, total: float) -> str:
    """Return a line that names changed settings and what they cost.

    Args:
        changes: Changed settings, at least one.
        training: Expected seconds of training; 0 if nothing is left to train.
        total: Expected seconds of the whole run.
    """
    if training:
        cost = f"retraining takes about {format_minutes(training)}"
    elif any(matches(key.partition(" ")[0], OF_TRAINING) for key in changes):
        cost = f"reusing nets trained with these settings; the remaining steps take about {format_minutes(total)}"
    else:
        cost = f"keeping the nets; the remaining steps take about {format_minutes(total)}"
    return f"Settings changed since the last run: {format_changes(changes)}: {cost}."
