"""Propagate the labels of some frames to the frames around them, and score them or turn them into training labels.

python tools/propagate.py --cfg experiments/posetrack/hrnet/…_video_pose_propagation.yaml
python tools/propagate.py --cfg experiments/posetrack/hrnet/…_data_augmentation.yaml

The first command takes the longest annotated runs of the test videos, keeps the labels of every 7th frame, and scores
the labels propagated to the other frames. The second (TEST.PROPAGATE.SAVE) makes additional training labels from those
of the sparse training set. tools/label_video.py propagates the labels of a custom video.
"""

import argparse
import logging
import sys
from pathlib import Path

import _init_paths  # noqa: F401 (first: makes lib importable)
from yacs.config import CfgNode

from lib.config import add_force, named_paths, parse_arguments
from lib.formats.data_sets import is_posetrack
from lib.propagation.options import add_arguments, choose_methods
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs, refuse_inputs, sha256, write_json
from lib.utils.logging import log_to_terminal, to_log_file

logger = logging.getLogger("propagate")

SINGLE = "single"
SINGLE_HELP = "the pose net's own estimates, without labels (TEST.PROPAGATE.PSEUDO_LABELS, TEST.USE_GT_BBOX)"
EVERY = 7  # the paper's
CUSTOM = ("--video", "--labels")  # options of tools/label_video.py


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, {SINGLE: SINGLE_HELP})
    add_force(parser)
    parser.add_argument("--every", type=int, help=f"frames from label to label ({EVERY})")
    parser.add_argument("--out", type=Path, help="of TEST.PROPAGATE.SAVE: the .json file to write")
    if custom := [typed for argument in sys.argv[1:] if (typed := argument.partition("=")[0]) in CUSTOM]:
        missing = [option for option in CUSTOM if option not in custom]
        also = f", and needs {' and '.join(missing)} too" if missing else ""
        raise InputError(
            f"{' and '.join(custom)}: python tools/label_video.py --video VIDEO --labels LABELS --out OUT propagates "
            f"labels of a custom video{also}; propagate.py propagates those of an experiment, --cfg"
        )
    cfg, experiment, args = parse_arguments(parser)
    choose_methods(args, "warp")
    check(args, cfg)
    claim_outputs([("--out", args.out)], [("--cfg", args.cfg), ("--raft", args.raft), *named_paths(cfg)])
    if cfg.TEST.PROPAGATE.SAVE:
        augment(args, cfg, experiment)
    else:
        score(args, cfg, experiment)


def check(args: argparse.Namespace, cfg: CfgNode) -> None:
    """Reject options that cannot be combined."""
    saves = cfg.TEST.PROPAGATE.SAVE
    if cfg.TEST.MODE != "propagate":
        raise InputError(f"TEST.MODE is {cfg.TEST.MODE}: this experiment propagates nothing; see tools/test.py")
    if not is_posetrack(cfg.DATASET.DATASET):
        raise InputError(
            f"DATASET.DATASET {cfg.DATASET.DATASET}: only PoseTrack's videos have something to propagate to; "
            f"tools/label_video.py propagates labels of custom videos"
        )
    if args.method == SINGLE and saves:
        raise InputError("--method single estimates each frame alone: there is nothing to save")
    if args.method == SINGLE and (args.fuse or args.prior):
        raise InputError("--method single estimates each frame alone: there is nothing to fuse")
    if args.out and not saves:
        raise InputError("--out names a file of training labels: it needs TEST.PROPAGATE.SAVE True")
    if args.every is not None and (args.every < 1 or saves):
        raise InputError(f"--every {args.every}: it must be 1 or more, and goes with tests alone")
    if args.out and args.out.suffix != ".json":
        raise InputError(f"--out {args.out}: name a .json file")


def score(args: argparse.Namespace, cfg: CfgNode, experiment: str) -> None:
    """Propagate labels over the runs of the test videos, write the submission, and score it."""
    from lib.core.run import build_run
    from lib.core.trained_model import build_trained_model, build_weights_path
    from lib.evaluation.results import check_result
    from lib.evaluation.submission import check_predictions
    from lib.propagation.propagator import build_options
    from lib.propagation.protocol import (
        build_propagated_runs,
        build_protocol_result,
        build_protocol_runs,
        build_pseudo_labels,
        format_protocol,
        pseudo_label_name,
    )

    every, single = args.every or EVERY, args.method == SINGLE
    if single:
        options, method = None, pseudo_label_name(cfg.TEST.PROPAGATE.PSEUDO_LABELS, cfg.TEST.USE_GT_BBOX)
    else:
        options = build_options(cfg, args.method, args.prior, args.fuse, args.raft)
        method = options.name
    name = f"{method}-every{every}"
    with build_run(cfg, experiment, f"propagate-{name}") as this:
        predictions = this.folder / "predictions" / f"propagate-{name}"
        path = this.folder / f"result-propagate-{name}.json"
        if this.is_first:
            check_predictions(predictions, named_paths(cfg))
            check_result(path)
        needs_net = options is None or options.needs_net
        weights = {"weights_sha256": sha256(build_weights_path(cfg, this.folder))} if needs_net else {}
        net, forced = build_trained_model(cfg, this.folder, this.device, args.force) if needs_net else (None, {})
        runs = build_protocol_runs(cfg, every)
        if options is None:
            assert net is not None
            poses = build_pseudo_labels(cfg, this, net, runs)
        else:
            poses = build_propagated_runs(cfg, options, this, net, runs)
        if not this.is_first:
            return
        result = {"name": name, "method": method, "every": every}
        result |= build_protocol_result(cfg, runs, poses, predictions)
        write_json(path, result | weights | this.describe(forced), indent=True)
        logger.info("result: %s", path)
        if cfg.TEST.EVALUATE:
            print(format_protocol(result))
            to_log_file(format_protocol(result))


def augment(args: argparse.Namespace, cfg: CfgNode, experiment: str) -> None:
    """Propagate the labels of the sparse training set to the frames around them, and write both as training labels."""
    from lib.core.run import build_run
    from lib.core.trained_model import build_trained_model
    from lib.dataset import build_sparse_labels
    from lib.propagation.augmentation import build_augmented_labels, build_augmented_path
    from lib.propagation.propagator import build_options

    options = build_options(cfg, args.method, args.prior, args.fuse, args.raft)
    with build_run(cfg, experiment, f"propagate-{options.name}") as this:
        use_net = options.needs_net
        net, forced = build_trained_model(cfg, this.folder, this.device, args.force) if use_net else (None, {})
        labels = build_sparse_labels(cfg)
        path = args.out or build_augmented_path(cfg, labels)
        refuse_inputs([("--out", path)], [("the labels", labels.path)])
        if not args.out and this.is_first:
            claim_outputs([("--out", path)])
        content = build_augmented_labels(cfg, labels, options, this, net)
        if not this.is_first:
            return
        content["info"] |= this.describe(forced)
        write_json(path, content)
    propagated = sum("propagated_from" in person for person in content["annotations"])
    frames, people = len(content["images"]), len(content["annotations"])
    print(f"{path}: {frames} frames, {people} people, {propagated} of them propagated")


if __name__ == "__main__":
    run(main)
