"""Experiment files: YAML that inherits (`_BASE_`), is overridden from the command line, and is frozen."""

import argparse
import ast
import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from lib.config.default import ALSO, CHOICES, DEFAULTS, LEAST
from lib.config.legacy import COMMAND_LINE, OLD_KEYS, Setting, as_gpus, translate
from lib.utils.errors import InputError

BASE_KEY = "_BASE_"
FREE_SECTION = "MODEL.EXTRA."  # its keys are the pose net's own
STRIDE = 32  # of the pose nets' coarsest features


def load_config(path: str | Path, overrides: Sequence[Any] = ()) -> CfgNode:
    """The experiment of a YAML file, complete, checked and frozen.

    Args:
        path: the file. `_BASE_: other.yaml` (relative to it) names a file it inherits from and changes. Files of the
            first HRNet, SimpleBaseline and PoseWarper code are understood too.
        overrides: key, value, key, value …, as typed after a command; values are text or Python values.
    Raises:
        InputError: an unknown key (the nearest known one is named), a wrong type or value, a missing file.
    """
    typed = _flatten({key: _decode(value) for key, value in _pairs(overrides)})
    layers = [*_file_layers(Path(path)), (COMMAND_LINE, typed)]
    known = set(_flatten(DEFAULTS))
    settings = {}
    for layer, (source, content) in enumerate(layers):
        for key, value in content.items():
            _check_known(key, source, known)
            settings[key] = Setting(_decode(value), key, source, layer)
    settings = translate(settings, known)
    cfg = DEFAULTS.clone()
    for key, setting in settings.items():
        _set(cfg, key, setting)
    _complete(cfg, settings)
    _check(cfg, {key: str(settings.get(key, f"{path}: {key}")) for key in known})
    cfg.freeze()
    return cfg


def parse_arguments(
    parser: argparse.ArgumentParser, choose: Callable[[Sequence[str]], list[Any]] | None = None
) -> tuple[CfgNode, str, argparse.Namespace]:
    """The command line of tools that run an experiment.

    Args:
        parser: with the tool's own options; --cfg and what else all these tools share is added to it.
        choose: makes an experiment file, and keys and values to change, of those typed, where --cfg is not given.
    Returns:
        The configuration, the name of the experiment and all options.
    """
    example = "experiment file, for example experiments/posetrack/hrnet/….yaml"
    parser.add_argument("--cfg", required=choose is None, help=example)
    parser.add_argument("--modelDir", default="", help="folder for results (OUTPUT_DIR)")
    parser.add_argument("--logDir", default="", help="folder for tensorboard files (LOG_DIR)")
    parser.add_argument("--dataDir", default="", help="folder that data and weights are under (DATA_DIR)")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the experiment file to change")
    args = parser.parse_intermixed_args()  # options may also follow the keys
    file, *changes = [args.cfg] if args.cfg else choose(args.opts)
    folders = (("OUTPUT_DIR", args.modelDir), ("LOG_DIR", args.logDir), ("DATA_DIR", args.dataDir))
    cfg = load_config(file, [*changes, *args.opts, *(item for pair in folders if pair[1] for item in pair)])
    return cfg, cfg.EXPERIMENT_NAME or Path(file).stem, args


def named_files(cfg: CfgNode, section: str = "") -> list[tuple[str, Path]]:
    """The files that are there and that an experiment names, each with its key."""
    found = []
    for key, value in cfg.items():
        if isinstance(value, CfgNode):
            found += named_files(value, f"{section}{key}.")
        elif isinstance(value, str) and value and Path(value).is_file():
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
    return [*layers, (str(path), _flatten(content))]


def _flatten(content: dict, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _pairs(overrides: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    if len(overrides) % 2:
        raise InputError(f"command line: KEY VALUE pairs expected, nothing follows {overrides[-1]!r}")
    return zip(overrides[::2], overrides[1::2], strict=True)


def _check_known(key: str, source: str, known: set[str]) -> None:
    if key in known or key in OLD_KEYS or key.startswith(FREE_SECTION):
        return
    everything = [*sorted(known), *sorted(OLD_KEYS)]
    names = {other.rpartition(".")[2]: other for other in reversed(everything)}
    nearest = (
        difflib.get_close_matches(key, sorted(known), 1)
        or difflib.get_close_matches(key, sorted(OLD_KEYS), 1)
        # perhaps the right name in the wrong section, or none
        or [names[name] for name in difflib.get_close_matches(key.rpartition(".")[2], names, 1)]
        or difflib.get_close_matches(key, everything, 1, cutoff=0.0)
    )
    raise InputError(f"{source}: unknown key {key}; did you mean {nearest[0]}?")


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            pass
    return value


def _set(cfg: CfgNode, key: str, setting: Setting) -> None:
    """Give one key its value; a whole number may stand for a float, a tuple for a list."""
    *sections, name = key.split(".")
    node = cfg
    for section in sections:
        node = node.setdefault(section, CfgNode(new_allowed=True))
        if not isinstance(node, CfgNode):
            raise InputError(f"{setting}: {section} is a value, not a section")
    value = setting.value
    if key == "GPUS":
        value = as_gpus(value)
    elif key == "DATASET.ALSO":
        value = _data_sets(value, str(setting))
    elif not key.startswith(FREE_SECTION):
        value = _coerce(value, node[name], str(setting))
    node[name] = value


def _data_sets(value: Any, where: str) -> list[dict[str, Any]]:
    """DATASET.ALSO with all keys of each data set."""
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
        return "" if value is None else str(value)  # an experiment may be called 7
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
    if size and (cells is None or cells.layer < size.layer):  # another size was asked for, and nothing of the heatmaps
        cfg.MODEL.HEATMAP_SIZE = [side // 4 for side in cfg.MODEL.IMAGE_SIZE]
    cfg.OUTPUT_DIR = cfg.OUTPUT_DIR or DEFAULTS.OUTPUT_DIR
    cfg.LOG_DIR = cfg.LOG_DIR or DEFAULTS.LOG_DIR
    if cfg.DATA_DIR:
        for data_set in (cfg.DATASET, *cfg.DATASET.ALSO):
            data_set["ROOT"] = str(Path(cfg.DATA_DIR, data_set["ROOT"]))
    for section, key in ((cfg.MODEL, "PRETRAINED"), (cfg.TEST, "MODEL_FILE")):
        if cfg.DATA_DIR and section[key]:
            section[key] = str(Path(cfg.DATA_DIR, section[key]))


def _check(cfg: CfgNode, where: dict[str, str]) -> None:
    """Values that no experiment can have; `where` says for each key which file or command set it."""
    flat = _flatten(cfg)
    for key, choices in CHOICES.items():
        if flat[key] not in choices:
            raise InputError(f"{where[key]} is {flat[key]!r}; it can be {', '.join(choices)}")
    for key, least in LEAST.items():
        values = flat[key] if isinstance(flat[key], (list, tuple)) else [flat[key]]
        if any(not isinstance(value, (int, float)) or not least <= value < math.inf for value in values):
            raise InputError(f"{where[key]} is {flat[key]!r}; it must be at least {least}")
    for key in ("DATASET.FRAME_DELTAS", "MODEL.WARP.DILATIONS"):
        if not flat[key]:
            raise InputError(f"{where[key]} is empty")
    if cfg.TEST.TRACKING:
        raise InputError(
            f"{where['TEST.TRACKING']} is True, but there is no tracker: track ids count the people of a frame, and "
            f"MOTA would say nothing; set it False, and score another tracker's files with tools/evaluate.py posetrack "
            f"--tracking"
        )
    if cfg.TEST.SOFT_NMS and cfg.TEST.OKS_THRE == 0:
        raise InputError(f"{where['TEST.OKS_THRE']} is 0; TEST.SOFT_NMS needs more")
    if cfg.TEST.POST_PROCESS_PER_AXIS and not cfg.TEST.POST_PROCESS:
        raise InputError(
            f"{where['TEST.POST_PROCESS_PER_AXIS']} is a variant of TEST.POST_PROCESS, which is False; set that True"
        )
    if cfg.LOSS.USE_OHKM and cfg.LOSS.TOPK > cfg.MODEL.NUM_JOINTS:
        raise InputError(f"{where['LOSS.TOPK']} is {cfg.LOSS.TOPK}, of MODEL.NUM_JOINTS {cfg.MODEL.NUM_JOINTS}")
    if cfg.MODEL.TARGET_TYPE == "udp" and cfg.TEST.SHIFT_HEATMAP:
        raise InputError(
            f"{where['TEST.SHIFT_HEATMAP']} is True, and would misplace what MODEL.TARGET_TYPE udp aligns; set it False"
        )
    size, cells = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE
    if len(size) != 2 or any(side <= 0 or side % STRIDE for side in size):
        raise InputError(f"{where['MODEL.IMAGE_SIZE']} is {size}; width and height must be multiples of {STRIDE}")
    if [4 * side for side in cells] != size:
        raise InputError(f"{where['MODEL.HEATMAP_SIZE']} is {cells}; it is a quarter of MODEL.IMAGE_SIZE {size}")
    offsets, weights = cfg.TEST.AGGREGATE.OFFSETS, cfg.TEST.AGGREGATE.WEIGHTS
    if len(offsets) != len(weights) or not offsets or offsets[0] != 0:
        raise InputError(f"{where['TEST.AGGREGATE.OFFSETS']}: a weight for each offset, the key frame (0) first")
    if cfg.TEST.MODE != "single" and not cfg.MODEL.WARP.ENABLED:
        raise InputError(
            f"{where['TEST.MODE']} is {cfg.TEST.MODE}, and needs a PoseWarper; set MODEL.WARP.ENABLED true"
        )
