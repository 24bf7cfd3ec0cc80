"""Command lines of the tools that run an experiment."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config.load import key_value_pairs, load_config
from lib.config.run_folder import CHECKPOINT, FINAL_WEIGHTS
from lib.utils.errors import InputError

# Options of HRNet's and SimpleBaseline's tools: the key each one sets and its value, or None if the value is typed.
FLAGS = {
    "--modelDir": ("OUTPUT_DIR", None),
    "--logDir": ("LOG_DIR", None),
    "--dataDir": ("DATA_DIR", None),
    "--gpus": ("GPUS", None),
    "--workers": ("WORKERS", None),
    "--frequent": ("PRINT_FREQ", None),
    "--model-file": ("TEST.MODEL_FILE", None),
    "--coco-bbox-file": ("TEST.COCO_BBOX_FILE", None),
    "--use-detect-bbox": ("TEST.USE_GT_BBOX", False),
    "--flip-test": ("TEST.FLIP_TEST", True),
    "--post-process": ("TEST.POST_PROCESS", True),
    "--shift-heatmap": ("TEST.SHIFT_HEATMAP", True),
}


def parse_arguments(
    parser: argparse.ArgumentParser,
    choose: Callable[[Sequence[str], argparse.Namespace], list[Any]] | None = None,
) -> tuple[CfgNode, str, argparse.Namespace]:
    """Parse the command line of a tool that runs an experiment.

    Args:
        parser: Parser with the tool's own options. --cfg and the other options shared by these tools are added to it.
        choose: Function that takes the typed keys and values and all options, and returns an experiment file followed
            by the keys and values to change in it. If it is given, --cfg is optional.

    Returns:
        The configuration, the name of the experiment, and all options.
    """
    example = "experiment file, for example experiments/posetrack/hrnet/….yaml"
    group = parser.add_argument_group("experiment")
    group.add_argument("--cfg", required=choose is None, help=example)
    group.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="keys of the experiment file to override, each with its value"
    )
    group = parser.add_argument_group("options of HRNet's and SimpleBaseline's tools (each one sets a key)")
    for flag, (key, value) in FLAGS.items():
        if value is None:
            names = [flag, "--model"] if flag == "--model-file" else [flag]
            group.add_argument(*names, dest=key, metavar="X", help=f"{key} X")
        else:
            group.add_argument(flag, dest=key, action="store_const", const=value, help=f"{key} {value}")
    group.add_argument("--prevModelDir", metavar="X", help="OUTPUT_DIR of an earlier run to resume or test")
    args = parser.parse_intermixed_args()  # options may also follow the keys
    key_value_pairs(args.opts)  # raises an error before the options are appended
    flags = {key: getattr(args, key) for key, _ in FLAGS.values()}
    typed = [*args.opts, *(item for pair in flags.items() if pair[1] is not None for item in pair)]
    file, *changes = choose(typed, args) if choose and not args.cfg else [args.cfg]
    cfg = load_config(file, [*changes, *typed])
    experiment = cfg.EXPERIMENT_NAME or Path(file).stem
    if args.prevModelDir:
        cfg = _continue_run(cfg, experiment, args.prevModelDir)
    return cfg, experiment, args


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add --force, the option shared by all tools that continue from something with its own configuration.

    Args:
        parser: Parser to add the option to.
    """
    parser.add_argument("--force", action="store_true", help="accept weights or a checkpoint with different settings")


def _continue_run(cfg: CfgNode, experiment: str, folder: str) -> CfgNode:
    """Add the results of an earlier run in another OUTPUT_DIR to a configuration (--prevModelDir in HRNet's tools).

    HRNet's code copied that folder into OUTPUT_DIR; here the configuration points to its files. As in HRNet's code,
    files that OUTPUT_DIR already has or the experiment names take precedence.

    Args:
        cfg: Configuration of the experiment.
        experiment: Name of the experiment.
        folder: The other OUTPUT_DIR.

    Returns:
        A frozen copy of the configuration.

    Raises:
        InputError: The folder has no results of the experiment.
    """
    run = Path(cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    checkpoint, weights = (Path(folder, run, name) for name in (CHECKPOINT, FINAL_WEIGHTS))
    if not checkpoint.exists() and not weights.exists():
        raise InputError(f"--prevModelDir: neither {checkpoint} nor {weights} exists")
    cfg = cfg.clone()
    cfg.defrost()
    is_there = Path(cfg.OUTPUT_DIR, run, checkpoint.name).exists()
    if not cfg.TRAIN.CHECKPOINT and (is_there or checkpoint.exists()):
        cfg.TRAIN.RESUME, cfg.TRAIN.CHECKPOINT = True, "" if is_there else str(checkpoint)
    if weights.exists() and not cfg.TEST.MODEL_FILE and not Path(cfg.OUTPUT_DIR, run, weights.name).exists():
        cfg.TEST.MODEL_FILE = str(weights)
    cfg.freeze()
    return cfg
