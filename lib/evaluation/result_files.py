"""Result files of several runs: runs that differ only in the seed are summarized together, all others separately."""

import logging
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.config.changes import changes_of_result, format_changes
from lib.config.keys import flatten
from lib.config.legacy import update_stored
from lib.utils.errors import InputError
from lib.utils.files import read_json

SEED, NAME = "SEED", "EXPERIMENT_NAME"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A result file.

    Attributes:
        path: Path to the file.
        experiment: EXPERIMENT_NAME.
        method: TEST.MODE or the propagation method.
        seed: Seed of the run; None if the file does not contain it.
        keys: Keys of the experiment and their values, without EXPERIMENT_NAME, SEED and ignored keys. Paths inside the
            run's own OUTPUT_DIR are relative to it.
        content: Content of the file.
    """

    path: Path
    experiment: str
    method: str
    seed: Any
    keys: Mapping[str, Any]
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """Summary of a measure over seeds.

    Attributes:
        mean: Mean over seeds.
        std: Sample standard deviation; NaN for one seed.
        n: Number of seeds.
    """

    mean: float
    std: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.n < 2 else f"{self.mean:.1f} ± {self.std:.1f}"


NOTHING = Summary(math.nan, math.nan, 0)
"""Summary of a measure that no run has."""


def summarize(values: Sequence[float | None]) -> Summary:
    """Return the mean and the sample standard deviation; NaN if a value is NaN or None.

    Args:
        values: Values of a measure, one for each seed.
    """
    numbers = [math.nan if value is None else value for value in values]
    if not numbers or any(map(math.isnan, numbers)):
        return Summary(math.nan, math.nan, len(numbers))
    return Summary(statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else math.nan, len(numbers))


def read_results(
    paths: Iterable[Path], needed: Iterable[str], kind: str, ignored: Callable[[str], bool]
) -> list[Result]:
    """Read the result files that have certain keys.

    Other files are left out with a warning. Repeated paths are read once.

    Args:
        paths: Paths to the files.
        needed: Keys of the file.
        kind: Description of files with these keys, for messages.
        ignored: Returns True for a key of the experiment that may differ between runs of one setting, as SEED may.

    Raises:
        InputError: No file has these keys, or one is not JSON.
    """
    results = []
    needed = {"config", *needed}
    for path in {path.resolve(): path for path in paths}.values():
        content = read_json(path)
        lacking = sorted(needed - content.keys()) if isinstance(content, dict) else sorted(needed)
        if lacking:
            logger.warning("%s is left out: not %s; it lacks %s", path, kind, ", ".join(lacking))
            continue
        results.append(_as_result(path, content, ignored))
    if not results:
        raise InputError(f"none of these files is {kind}")
    return results


def check_result(path: Path, config: str) -> None:
    """Refuse to replace a file that is not a result, before there are results to lose.

    The replacement of a result of other settings is logged.

    Args:
        path: File of a result, which need not exist.
        config: Configuration of the run that is going to write it, as YAML text.

    Raises:
        InputError: The file exists, and no run wrote it.
    """
    if not path.exists():
        return
    try:
        changes = changes_of_result(read_json(path)["config"], config)
    except (InputError, LookupError, TypeError):
        message = f"{path}: not a result file; move it elsewhere, because this run writes its result there"
        raise InputError(message) from None
    if changes:
        logger.warning(
            "%s is a result of other settings: %s; it will be replaced; to keep it, move it elsewhere now",
            path,
            format_changes(changes),
        )


def find_result(folder: Path, command: str) -> Path:
    """Return the result file that a command wrote; each result records its command.

    Args:
        folder: Folder of an experiment's results.
        command: Command as typed.

    Raises:
        InputError: There is no such file, or more than one.
    """
    results = {path: read_json(path) for path in sorted(folder.glob("result-*.json"))}
    found = [
        path for path, content in results.items() if isinstance(content, dict) and content.get("command") == command
    ]
    if len(found) != 1:
        raise InputError(f"{folder}: {len(found)} results record the command {command}; expected one")
    return found[0]


def _as_result(path: Path, content: Mapping[str, Any], ignored: Callable[[str], bool]) -> Result:
    try:
        config = yaml.safe_load(content["config"])
    except (yaml.YAMLError, AttributeError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{path}: 'config' is not the YAML text of an experiment")
    flat = update_stored(flatten(config))
    method = str(content.get("name") or content.get("method") or flat.get("TEST.MODE") or "")
    own = f"{str(flat.get('OUTPUT_DIR', '')).rstrip('/')}/"
    keys = {
        key: value.removeprefix(own) if isinstance(value, str) else value
        for key, value in flat.items()
        if key not in (NAME, SEED) and not ignored(key)
    }
    return Result(
        path=path,
        experiment=str(flat.get(NAME) or ""),
        method=method,
        seed=flat.get(SEED),
        keys=keys,
        content=content,
    )


def group_seeds(results: Sequence[Result], over: str | None = None) -> dict[str, list[Result]]:
    """Group runs that differ only in SEED, and possibly in EXPERIMENT_NAME, each group by a unique name.

    A group is named after its results. If several groups have the same name, the keys in which they differ are added.
    Runs of one setting with the same seed or the same net are not a sample of seeds, unless those of each name are:
    each becomes a group of its own, and its path is added to the name.

    Args:
        results: Results of the runs.
        over: Key that may also differ within a group, in which case each of its values may have the same seeds and
            nets.
    """
    by_setting: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        setting = {key: value for key, value in result.keys.items() if key != over}
        by_setting.setdefault((result.method, repr(sorted(setting.items()))), []).append(result)
    of_name: dict[str, list[list[Result]]] = {}
    for group in by_setting.values():
        for part in [group] if _are_seeds(group, over) else _by_experiment(group):
            of_name.setdefault(_name(part), []).append(part)
    groups = {}
    for name, alike in of_name.items():
        differing = _differing_keys([group[0].keys for group in alike], over)
        for group in alike:
            values = [f"{key} {group[0].keys.get(key, '(not set)')}" for key in differing]
            label = ", ".join([name, *values])
            if _are_seeds(group, over):
                groups[label] = group
            else:
                groups |= {f"{label}, {result.path}": [result] for result in group}
    return groups


def _by_experiment(group: Sequence[Result]) -> list[list[Result]]:
    parts: dict[str, list[Result]] = {}
    for result in group:
        parts.setdefault(result.experiment, []).append(result)
    return list(parts.values())


def _name(group: Sequence[Result]) -> str:
    """Return the names of the group's experiments and its method: `s1 + s2 single`."""
    experiments = " + ".join(dict.fromkeys(result.experiment for result in group if result.experiment))
    return " ".join(part for part in (experiments, group[0].method) if part)


def _are_seeds(group: Sequence[Result], over: str | None) -> bool:
    """Return True if the runs differ in their seeds and tested different nets, for each value of the key `over`."""
    values = [over and result.keys.get(over) for result in group]
    seeds = [repr((result.seed, value)) for result, value in zip(group, values, strict=True)]
    nets = [(result.content.get("weights_sha256"), repr(value)) for result, value in zip(group, values, strict=True)]
    known = [net for net in nets if net[0]]
    return len(set(seeds)) == len(seeds) and len(set(known)) == len(known)


def _differing_keys(settings: Sequence[Mapping[str, Any]], over: str | None) -> list[str]:
    keys = dict.fromkeys(key for setting in settings for key in setting)
    return [key for key in keys if key != over and len({repr(setting.get(key)) for setting in settings}) > 1]
