"""Propagate the labels of some frames to the frames around them, and score them or turn them into training labels.

python tools/propagate.py --cfg experiments/posetrack/hrnet/…_video_pose_propagation.yaml
python tools/propagate.py --cfg experiments/posetrack/hrnet/…_data_augmentation.yaml

The first command takes the longest annotated runs of the test videos, keeps the labels of every 7th frame, and scores
the labels propagated to the other frames. The second (TEST.PROPAGATE.SAVE) makes additional training labels from those
of the sparse training set. tools/label_video.py propagates the labels of a custom video.
"""

import argparse
import sys
from pathlib import Path

import _init_paths  # noqa: F401 (first: makes lib importable)
from yacs.config import CfgNode

from lib.config import add_force, named_paths, parse_arguments
from lib.formats.data_sets import is_posetrack
from lib.propagation.options import add_arguments, choose_methods
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal

METHOD = "warp"
SINGLE = "single"
SINGLE_HELP = "the pose net's own estimates, without labels (TEST.PROPAGATE.PSEUDO_LABELS, TEST.USE_GT_BBOX)"
EVERY = 7  # the paper's
CUSTOM = ("--video", "--labels")  # options of tools/label_video.py


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, METHOD, others={SINGLE: SINGLE_HELP})
    add_force(parser)
    parser.add_argument("--every", type=int, help=f"number of frames from one label to the next (default: {EVERY})")
    parser.add_argument("--out", type=Path, help="output .json file of TEST.PROPAGATE.SAVE")
    if custom := [typed for argument in sys.argv[1:] if (typed := argument.partition("=")[0]) in CUSTOM]:
        missing = [option for option in CUSTOM if option not in custom]
        also = f", and needs {' and '.join(missing)} too" if missing else ""
        raise InputError(
            f"{' and '.join(custom)}: python tools/label_video.py --video VIDEO --labels LABELS --out OUT propagates "
            f"labels of a custom video{also}; propagate.py propagates the labels of an experiment (--cfg)"
        )
    cfg, experiment, args = parse_arguments(parser)
    check(args, cfg)
    methods = None if args.method == SINGLE else choose_methods(args, METHOD)
    claim_outputs([("--out", args.out)], [("--cfg", args.cfg), *(methods.files if methods else []), *named_paths(cfg)])

    from lib.propagation.augmentation import run_augmentation  # after the arguments: PyTorch takes seconds
    from lib.propagation.protocol import run_protocol

    if cfg.TEST.PROPAGATE.SAVE:
        assert methods  # single saves nothing
        run_augmentation(cfg, experiment, methods, args.out, force=args.force)
    else:
        run_protocol(cfg, experiment, methods, args.every or EVERY, force=args.force)


def check(args: argparse.Namespace, cfg: CfgNode) -> None:
    """Reject options that cannot be combined."""
    saves = cfg.TEST.PROPAGATE.SAVE
    if cfg.TEST.MODE != "propagate":
        raise InputError(f"TEST.MODE is {cfg.TEST.MODE}: this experiment does not propagate; use tools/test.py")
    if not is_posetrack(cfg.DATASET.DATASET):
        raise InputError(
            f"DATASET.DATASET {cfg.DATASET.DATASET}: only videos of PoseTrack can be propagated here; "
            f"tools/label_video.py propagates labels of custom videos"
        )
    if args.method == SINGLE and saves:
        raise InputError("--method single has no propagated labels to save: set TEST.PROPAGATE.SAVE False")
    if args.method == SINGLE and (args.fuse or args.prior):
        raise InputError("--method single propagates nothing: remove --fuse and --prior")
    if args.out and not saves:
        raise InputError("--out requires TEST.PROPAGATE.SAVE True")
    if args.every is not None and (args.every < 1 or saves):
        raise InputError(f"--every {args.every}: it must be at least 1, and TEST.PROPAGATE.SAVE must be False")
    if args.out and args.out.suffix != ".json":
        raise InputError(f"--out {args.out}: expected a .json file")


if __name__ == "__main__":
    run(main)
