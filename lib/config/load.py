"""Loading of experiment files: YAML with inheritance (`_BASE_`), overrides, and a frozen result."""

import ast
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config.checks import check_config
from lib.config.default import ALSO, DEFAULTS, PATHS
from lib.config.interval import is_interval
from lib.config.keys import BASE_KEY, EXTRA_SECTION, KNOWN, check_extra, check_key, flatten
from lib.config.legacy import COMMAND_LINE, Setting, translate, with_article
from lib.config.limits import AUTOMATIC, INTERVALS
from lib.utils.errors import InputError
from lib.utils.onnx_file import ONNX, metadata_of, open_session
from lib.utils.yaml_files import parse_yaml, read_yaml

logger = logging.getLogger(__name__)


def load_config(path: str | Path, overrides: Sequence[Any] = ()) -> CfgNode:
    """Load an experiment file as a complete, checked, and frozen configuration.

    Args:
        path: Path to the file. `_BASE_: other.yaml` (a path relative to the file) names a file to inherit from. Files
            of the original HRNet, SimpleBaseline, and PoseWarper code are supported too, and ONNX files of
            tools/export.py, which hold the configuration of their net.
        overrides: Alternating keys and values, as typed on the command line. Values are text or Python values.

    Returns:
        The frozen configuration.

    Raises:
        InputError: A key is unknown (the message suggests the closest one), a value has the wrong type or is out of
            range, or a file is missing.
    """
    typed = flatten({key: _decode(value) for key, value in key_value_pairs(overrides)})
    layers = [*_file_layers(Path(path)), (COMMAND_LINE, typed)]
    settings = {}
    for layer, (source, content) in enumerate(layers):
        for key, value in content.items():
            check_key(key, source)
            settings[key] = Setting(value=_decode(value), key=key, source=source, layer=layer)
    settings = translate(settings, KNOWN)
    cfg = DEFAULTS.clone()
    for key, setting in settings.items():
        _set(cfg, key, setting)

    def blame(*keys: str) -> str:
        """Return the source and name of the key that was set last, but not the name of the first of several keys."""
        given = [settings[key] for key in keys if key in settings]
        if not given:
            return f"{path}: {keys[0]}" if len(keys) == 1 else str(path)
        last = max(given, key=lambda setting: setting.layer)
        return last.source if len(keys) > 1 and last.key == keys[0] else str(last)

    _complete(cfg, settings)
    check_config(cfg, blame)
    for key, setting in settings.items():
        if key.startswith(EXTRA_SECTION):
            check_extra(key, str(setting), cfg.MODEL.NAME)
    cfg.freeze()
    return cfg


def _file_layers(path: Path, heirs: tuple[Path, ...] = ()) -> list[tuple[str, dict[str, Any]]]:
    if path.resolve() in heirs:
        raise InputError(f"{path}: {BASE_KEY} refers back to the file itself")
    content = _read_content(path) or {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: an experiment file must be a mapping (lines of KEY: VALUE)")
    base = content.pop(BASE_KEY, None)
    if not isinstance(base, (str, type(None))) or not (base or "").isprintable():
        raise InputError(f"{path}: {BASE_KEY} is {base!r}; it must name one file")
    if base and not (path.parent / base).exists():
        raise InputError(f"{path}: {BASE_KEY} is {base}: there is no such file; the path is relative to {path.name}")
    layers = _file_layers(path.parent / base, (*heirs, path.resolve())) if base else []
    return [*layers, (str(path), flatten(content))]


def _read_content(path: Path) -> Any:
    """Read an experiment file, or the configuration in an ONNX file of tools/export.py."""
    return parse_yaml(metadata_of(open_session(path), path)["config"], path) if path.suffix == ONNX else read_yaml(path)


def key_value_pairs(overrides: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return alternating keys and values as pairs.

    Args:
        overrides: Keys and values, as in `load_config`.

    Raises:
        InputError: A key has no value.
    """
    pairs = list(zip(overrides[::2], overrides[1::2], strict=False))
    for key, value in pairs:
        if key in KNOWN and key != "EXPERIMENT_NAME" and isinstance(value, str) and value in KNOWN:
            raise InputError(f"{COMMAND_LINE}: {key} has no value (it is followed by the key {value})")
    if len(overrides) % 2:
        raise InputError(f"{COMMAND_LINE}: KEY VALUE pairs expected, but {overrides[-1]!r} has no value")
    return pairs


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two for many brackets
            pass
    return value


def _set(cfg: CfgNode, key: str, setting: Setting) -> None:
    """Set a key, where an integer is accepted for a float and a tuple for a list."""
    *sections, name = key.split(".")
    node = cfg
    for section in sections:
        node = node.setdefault(section, CfgNode(new_allowed=True))  # sections of MODEL.EXTRA
    value = setting.value
    if key == "GPUS":
        value = _gpus(value, str(setting))
    elif key == "DATASET.ALSO":
        value = _data_sets(value, str(setting))
    elif key in AUTOMATIC and value == "auto":
        pass
    elif key in INTERVALS and isinstance(value, str):
        if not is_interval(value):
            raise InputError(
                f"{setting} is {value!r}; it must be a number of epochs (2), iterations (500it) or minutes (10m)"
            )
    elif not key.startswith(EXTRA_SECTION):
        value = _coerce(value, node[name], str(setting))
    node[name] = value


def _gpus(value: Any, where: str) -> tuple[int, ...]:
    """Return GPU numbers as a tuple. A single number need not be in a list."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise InputError(f"{where} is {value!r}; it must be GPU numbers, such as 0 or 0,1")
    return numbers


def _data_sets(value: Any, where: str) -> list[dict[str, Any]]:
    """Return DATASET.ALSO with every key of each data set filled in."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, dict) and "DATASET" in one for one in value):
        raise InputError(
            f"{where}: {value!r} is not a list of data sets (such as [{{'DATASET': 'posetrack17', 'ROOT': …}}])"
        )
    complete = []
    for one in value:
        if unknown := one.keys() - set(ALSO):
            raise InputError(f"{where}: unknown key {min(unknown)}; it can be {', '.join(ALSO)}")
        own = {key: _coerce(one[key], DEFAULTS.DATASET[key], f"{where}: {key}") for key in one}
        complete.append({key: DEFAULTS.DATASET[key] for key in ALSO} | own)
    return complete


def _coerce(value: Any, default: Any, where: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, str) and (number or value is None):
        return "" if value is None else str(value)  # an experiment may be named 7
    if isinstance(default, float) and number:
        return float(value)
    if isinstance(default, list) and isinstance(value, (list, tuple)):
        kind = type(default[0])
        if all(isinstance(item, (int, kind)) and not isinstance(item, bool) for item in value):
            return [kind(item) for item in value]
    elif type(value) is type(default):
        return value
    raise InputError(f"{where}: {value!r} is not {_describe(default)} (such as {default!r})")


def _describe(default: Any) -> str:
    if isinstance(default, list):
        return f"a list of {type(default[0]).__name__}"
    return with_article(type(default))


def _complete(cfg: CfgNode, settings: dict[str, Setting]) -> None:
    size, cells = settings.get("MODEL.IMAGE_SIZE"), settings.get("MODEL.HEATMAP_SIZE")
    if size and (cells is None or cells.layer < size.layer):  # the image size was changed, the heatmap size was not
        cfg.MODEL.HEATMAP_SIZE = [side // 4 for side in cfg.MODEL.IMAGE_SIZE]
    cfg.OUTPUT_DIR = cfg.OUTPUT_DIR or DEFAULTS.OUTPUT_DIR
    cfg.LOG_DIR = cfg.LOG_DIR or DEFAULTS.LOG_DIR
    if not cfg.MODEL.INIT_WEIGHTS and cfg.MODEL.PRETRAINED:
        logger.info("MODEL.INIT_WEIGHTS is False: MODEL.PRETRAINED is not loaded")
        cfg.MODEL.PRETRAINED = ""
    if not cfg.DATA_DIR:
        return
    for key in PATHS:
        section, name = key.split(".")
        for node in (cfg[section], *(cfg.DATASET.ALSO if section == "DATASET" else ())):
            if node.get(name) or name == "ROOT":
                node[name] = str(Path(cfg.DATA_DIR, node.get(name)))
