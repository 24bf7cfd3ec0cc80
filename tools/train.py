"""Train an experiment's net: stage 1 on single frames, stage 2 (the warping head) on pairs of frames.

python tools/train.py --cfg experiments/synthetic/demo/single.yaml DATASET.ROOT data/synthetic
torchrun --nproc_per_node 8 tools/train.py --cfg experiments/posetrack/hrnet/w48_384x288_adam_lr1e-4.yaml

Weights and the log go to OUTPUT_DIR/<data set>/<net>/<experiment>/. With AUTO_RESUME, the same command resumes an
interrupted run.
"""

import argparse
import os
import shlex
import sys

import _init_paths  # noqa: F401 (first: makes lib importable)

from lib.config import add_force, parse_arguments
from lib.utils.errors import InputError, run
from lib.utils.logging import log_to_terminal


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)
    if args.prevModelDir and not cfg.TRAIN.RESUME:
        raise InputError(
            f"--prevModelDir {args.prevModelDir}: contains weights, but no checkpoint.pth to resume from; "
            f"to start a new training from them, set MODEL.PRETRAINED …/final_state.pth"
        )

    from lib.evaluation.trained_run import train_experiment  # after the arguments: PyTorch takes seconds

    train_experiment(cfg, experiment, args.force)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"next: python tools/test.py {shlex.join(sys.argv[1:])}")


if __name__ == "__main__":
    run(main)
