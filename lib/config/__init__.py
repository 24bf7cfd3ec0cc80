"""Experiment files: YAML with inheritance (`_BASE_`), command-line overrides, and a frozen result."""

import argparse
import ast
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from lib.config.default import ALSO, AUTOMATIC, CHOICES, DEFAULTS, MAX_VALUES, MIN_VALUES, PATHS
from lib.config.keys import BASE_KEY, EXTRA_SECTION, KNOWN, check_extra, check_key, flatten
from lib.config.legacy import COMMAND_LINE, FLAGS, Setting, take_up, translate
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

STRIDE = 32  # stride of the pose nets' coarsest features


def load_config(path: str | Path, overrides: Sequence[Any] = ()) -> CfgNode:
    """Load an experiment file as a complete, checked, and frozen configuration.

    Args:
        path: Path to the file. `_BASE_: other.yaml` (a path relative to the file) names a file to inherit from. Files
            of the original HRNet, SimpleBaseline, and PoseWarper code are supported too.
        overrides: Alternating keys and values, as typed on the command line. Values are text or Python values.

    Returns:
        The frozen configuration.

    Raises:
        InputError: A key is unknown (the message suggests the closest one), a value has the wrong type or is out of
            range, or a file is missing.
    """
    typed = flatten({key: _decode(value) for key, value in _pairs(overrides)})
    layers = [*_file_layers(Path(path)), (COMMAND_LINE, typed)]
    settings = {}
    for layer, (source, content) in enumerate(layers):
        for key, value in content.items():
            check_key(key, source)
            settings[key] = Setting(_decode(value), key, source, layer)
    settings = translate(settings, KNOWN)
    cfg = DEFAULTS.clone()
    for key, setting in settings.items():
        _set(cfg, key, setting)

    def blame(*keys: str) -> str:
        """Return the source and name of the key among `keys` that was set last and so caused a conflict."""
        given = [settings[key] for key in keys if key in settings]
        return str(max(given, key=lambda setting: setting.layer)) if given else f"{path}: {keys[0]}"

    _complete(cfg, settings)
    _check(cfg, blame)
    for key, setting in settings.items():
        if key.startswith(EXTRA_SECTION):
            check_extra(key, str(setting), cfg.MODEL.NAME)
    cfg.freeze()
    return cfg


def parse_arguments(
    parser: argparse.ArgumentParser, choose: Callable[[Sequence[str]], list[Any]] | None = None
) -> tuple[CfgNode, str, argparse.Namespace]:
    """Parse the command line of a tool that runs an experiment.

    Args:
        parser: Parser with the tool's own options. --cfg and the other options shared by these tools are added to it.
        choose: Function that takes the typed keys and values and returns an experiment file followed by the keys and
            values to change in it. If it is given, --cfg is optional.

    Returns:
        The configuration, the name of the experiment, and all options.
    """
    example = "experiment file, for example experiments/posetrack/hrnet/….yaml"
    parser.add_argument("--cfg", required=choose is None, help=example)
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the experiment file to change")
    group = parser.add_argument_group("options of HRNet's and SimpleBaseline's tools, each short for a key")
    for flag, (key, value) in FLAGS.items():
        if value is None:
            group.add_argument(flag, dest=key, metavar="X", help=f"{key} X")
        else:
            group.add_argument(flag, dest=key, action="store_const", const=value, help=f"{key} {value}")
    group.add_argument("--prevModelDir", metavar="X", help="OUTPUT_DIR of an earlier run, to go on from or to test")
    args = parser.parse_intermixed_args()  # options may also follow the keys
    _pairs(args.opts)  # raises an error before the options are appended
    flags = {key: getattr(args, key) for key, _ in FLAGS.values()}
    typed = [*args.opts, *(item for pair in flags.items() if pair[1] is not None for item in pair)]
    file, *changes = choose(typed) if choose and not args.cfg else [args.cfg]
    cfg = load_config(file, [*changes, *typed])
    experiment = cfg.EXPERIMENT_NAME or Path(file).stem
    if args.prevModelDir:
        cfg = take_up(cfg, experiment, args.prevModelDir)
    return cfg, experiment, args


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add --force, the option shared by all tools that continue from something with its own configuration.

    Args:
        parser: Parser to add the option to.
    """
    parser.add_argument(
        "--force", action="store_true", help="use weights or a checkpoint although their settings were other ones"
    )


def output_folder(cfg: CfgNode, experiment: str) -> Path:
    """Return the folder for an experiment's results.

    Args:
        cfg: Configuration of the experiment.
        experiment: Name of the experiment.
    """
    return Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)


def named_paths(cfg: CfgNode, section: str = "") -> list[tuple[str, Path]]:
    """Return the existing files and folders that a configuration names, each with its key.

    Args:
        cfg: Configuration or one of its sections.
        section: Prefix of the section's keys, ending in a dot.
    """
    found = []
    for key, value in cfg.items():
        if isinstance(value, CfgNode):
            found += named_paths(value, f"{section}{key}.")
        elif isinstance(value, str) and value and Path(value).exists():
            found.append((f"{section}{key}", Path(value)))
    return found


def _file_layers(path: Path, heirs: tuple[Path, ...] = ()) -> list[tuple[str, dict[str, Any]]]:
    if path.resolve() in heirs:
        raise InputError(f"{path}: {BASE_KEY} leads back to the file itself")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: an experiment file is a mapping, lines of KEY: VALUE")
    base = content.pop(BASE_KEY, None)
    if not isinstance(base, (str, type(None))):
        raise InputError(f"{path}: {BASE_KEY} is {base!r}; it names one file")
    layers = _file_layers(path.parent / base, (*heirs, path.resolve())) if base else []
    return [*layers, (str(path), flatten(content))]


def _pairs(overrides: Sequence[Any]) -> list[tuple[str, Any]]:
    pairs = list(zip(overrides[::2], overrides[1::2], strict=False))
    for key, value in pairs:
        if key in KNOWN and key != "EXPERIMENT_NAME" and isinstance(value, str) and value in KNOWN:
            raise InputError(f"{COMMAND_LINE}: {key} has no value; the key {value} follows it")
    if len(overrides) % 2:
        raise InputError(f"{COMMAND_LINE}: KEY VALUE pairs expected, nothing follows {overrides[-1]!r}")
    return pairs


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
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
            f"{where}: {value!r} is no list of data sets (such as [{{'DATASET': 'posetrack17', 'ROOT': …}}])"
        )
    complete = []
    for one in value:
        if unknown := one.keys() - set(ALSO):
            raise InputError(f"{where}: unknown key {min(unknown)}; a further data set has {', '.join(ALSO)}")
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
    raise InputError(f"{where}: {value!r} is no {_describe(default)} (such as {default!r})")


def _describe(default: Any) -> str:
    if isinstance(default, list):
        return f"list of {type(default[0]).__name__}"
    return type(default).__name__


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


def _check_range(where: str, value: Any, number: float, least: float | None, most: float | None) -> None:
    if not math.isfinite(number):
        raise InputError(f"{where} is {value!r}; it must be a finite number")
    if least is not None and number < least:
        raise InputError(f"{where} is {value!r}; it must be at least {least}")
    if most is not None and number > most:
        raise InputError(f"{where} is {value!r}; it must be at most {most}")


def _check(cfg: CfgNode, blame: Callable[..., str]) -> None:
    """Reject values that no experiment can have; `blame` names the source of a key, or of the last set of several."""
    flat = flatten(cfg)
    for key, choices in CHOICES.items():
        if flat[key] not in choices:
            raise InputError(f"{blame(key)} is {flat[key]!r}; it can be {', '.join(choices)}")
    for key, value in flat.items():
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, (int, float)):
                _check_range(blame(key), value, number, MIN_VALUES.get(key), MAX_VALUES.get(key))
    for key in ("DATASET.FRAME_DELTAS", "MODEL.WARP.DILATIONS"):
        if not flat[key]:
            raise InputError(f"{blame(key)} is empty")
    for key in ("TRAIN.PRECISION", "TEST.PRECISION"):
        if flat[key] == "tf32" and not cfg.CUDNN.ALLOW_TF32:
            where = blame(key, "CUDNN.ALLOW_TF32")
            raise InputError(f"{where}: {key} is tf32, and CUDNN.ALLOW_TF32 False turns TF32 off")
    if cfg.TEST.TRACKING:
        raise InputError(
            f"{blame('TEST.TRACKING')} is True, but there is no tracker: track ids count the people of a frame, and "
            f"MOTA would say nothing; set it False, and score another tracker's files with tools/evaluate.py posetrack "
            f"--tracking"
        )
    if cfg.TEST.SOFT_NMS and cfg.TEST.OKS_THRE == 0:
        where = blame("TEST.OKS_THRE", "TEST.SOFT_NMS")
        raise InputError(f"{where}: TEST.OKS_THRE is 0, and TEST.SOFT_NMS needs more")
    if cfg.TEST.POST_PROCESS_PER_AXIS and not cfg.TEST.POST_PROCESS:
        where = blame("TEST.POST_PROCESS_PER_AXIS", "TEST.POST_PROCESS")
        raise InputError(
            f"{where}: TEST.POST_PROCESS_PER_AXIS is a variant of TEST.POST_PROCESS, which is False; set that True"
        )
    if cfg.LOSS.USE_OHKM and cfg.LOSS.TOPK > cfg.MODEL.NUM_JOINTS:
        where = blame("LOSS.TOPK", "MODEL.NUM_JOINTS", "LOSS.USE_OHKM")
        raise InputError(f"{where}: LOSS.TOPK is {cfg.LOSS.TOPK}, of MODEL.NUM_JOINTS {cfg.MODEL.NUM_JOINTS}")
    if cfg.MODEL.TARGET_TYPE == "udp" and cfg.TEST.SHIFT_HEATMAP:
        where = blame("TEST.SHIFT_HEATMAP", "MODEL.TARGET_TYPE")
        raise InputError(
            f"{where}: TEST.SHIFT_HEATMAP is True, and would misplace what MODEL.TARGET_TYPE udp aligns; set it False"
        )
    size, cells = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE
    if len(size) != 2 or any(side <= 0 or side % STRIDE for side in size):
        raise InputError(f"{blame('MODEL.IMAGE_SIZE')} is {size}; width and height must be multiples of {STRIDE}")
    if [4 * side for side in cells] != size:
        where = blame("MODEL.HEATMAP_SIZE", "MODEL.IMAGE_SIZE")
        raise InputError(f"{where}: MODEL.HEATMAP_SIZE is {cells}; it is a quarter of MODEL.IMAGE_SIZE {size}")
    offsets, weights = cfg.TEST.AGGREGATE.OFFSETS, cfg.TEST.AGGREGATE.WEIGHTS
    if len(offsets) != len(weights) or not offsets or offsets[0] != 0:
        where = blame("TEST.AGGREGATE.OFFSETS", "TEST.AGGREGATE.WEIGHTS")
        raise InputError(
            f"{where}: TEST.AGGREGATE.OFFSETS {offsets} and WEIGHTS {weights}: a weight for each offset, "
            "the key frame (0) first"
        )
    if cfg.TEST.TRACKER.MOTION == "warp" and not cfg.MODEL.WARP.ENABLED:
        where = blame("TEST.TRACKER.MOTION", "MODEL.WARP.ENABLED")
        raise InputError(f"{where}: TEST.TRACKER.MOTION is warp, and needs a PoseWarper; set it flow, velocity or none")
    if cfg.TEST.MODE != "single" and not cfg.MODEL.WARP.ENABLED:
        where = blame("TEST.MODE", "MODEL.WARP.ENABLED")
        raise InputError(f"{where}: TEST.MODE is {cfg.TEST.MODE}, and needs a PoseWarper; set MODEL.WARP.ENABLED True")
