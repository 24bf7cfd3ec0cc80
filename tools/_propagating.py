"""What takes labels to other frames, as the options of tools/propagate.py and an experiment say."""

import argparse
import hashlib
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _testing import choose_strategy, decoding
from lib.core.inference import Estimates, Poses, collect, infer
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from lib.config.changes import Changes
from lib.core.strategies import Strategy, near_labels, scatter, scatter_own
from lib.dataset import CUSTOM, build_clips, build_test_loader
from lib.dataset.people import Person
from lib.frames.video import FrameFolder
from lib.propagation import flow
from lib.propagation.cache import propagate_cached
from lib.propagation.fusion import combine, fuse_sides, leave_one_out_error, refine
from lib.propagation.targets import EstimateClips, PropagatedPoses, PropagationMethod, Target, copy_labels, warp
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json
from lib.utils.provenance import describe_run

logger = logging.getLogger("propagate")

NETS = ("warp", "single")
METHODS = {
    "warp": "by PoseWarper's head",
    "single": "no labels: the pose net's own estimates (pseudo-labels; TEST.PROPAGATE.PSEUDO_LABELS, TEST.USE_GT_BBOX)",
    "copy": "left where they are",
    "linear": "along the straight line between two labels of the same person",
    "lucas_kanade": "along sparse optical flow at the joints, from frame to frame",
    "dis": "along dense optical flow, OpenCV's DIS, from frame to frame",
    "raft": "along dense optical flow, torchvision's RAFT, from frame to frame",
}
PRIORS = ("linear", "lucas_kanade", "dis", "raft")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say how labels move."""
    methods = "; ".join(f"{name}: {how}" for name, how in METHODS.items())
    parser.add_argument("--method", choices=METHODS, help=f"how labels move (warp); {methods}")
    parser.add_argument("--fuse", action="store_true", help="use the labels on both sides of a frame, not the nearer")
    parser.add_argument(
        "--prior",
        choices=PRIORS,
        action="append",
        help="move them by this too, from both sides, and weigh all by how well each finds labels hidden from it",
    )
    parser.add_argument("--raft", type=Path, metavar="WEIGHTS", help="weights of torchvision's raft_large")


def complete_arguments(args: argparse.Namespace, method: str, *prior: str) -> None:
    """Take these for what is not given; refuse options that do not go together.

    Raises:
        InputError: they do not.
    """
    if args.method is None:
        args.method, args.prior = method, args.prior or list(prior)
    args.prior = args.prior or []
    if "raft" in (args.method, *args.prior) and not args.raft:
        raise InputError("raft needs --raft WEIGHTS, a file of torchvision's raft_large")
    if args.method == "single" and (args.fuse or args.prior):
        raise InputError("--method single estimates each frame alone: there is nothing to fuse")
    if args.method == "copy" and args.prior:
        raise InputError("--prior takes both sides, and copy from both sides is linear: name that as the method")
    if args.fuse and (args.prior or args.method == "linear"):
        raise InputError(f"--fuse: {'--prior takes' if args.prior else 'linear is'} both sides already")
    if len({args.method, *args.prior}) <= len(args.prior):
        raise InputError("--prior: a way to move labels is named twice")


def needs_net(args: argparse.Namespace, cfg: CfgNode) -> bool:
    """Whether these options make use of the experiment's net."""
    return args.method in NETS or cfg.TEST.PROPAGATE.REFINE > 0


def takes_both_sides(args: argparse.Namespace) -> bool:
    """Whether these options ask the labels before and after a frame, not the nearer alone."""
    return bool(args.fuse or args.prior or args.method == "linear")


def describe_method(args: argparse.Namespace, cfg: CfgNode) -> str:
    """The options as a part of a file's name."""
    if args.method == "single":
        frames = ["all"] if cfg.TEST.PROPAGATE.PSEUDO_LABELS == "all" else []
        return "-".join(["single", *frames, *([] if cfg.TEST.USE_GT_BBOX else ["detected"])])
    refined = ["refined"] if cfg.TEST.PROPAGATE.REFINE else []
    return "-".join([args.method, *args.prior, *(["fused"] if args.fuse else []), *refined])


@dataclass(frozen=True)
class Machine:
    """What runs the clips: the experiment, its net (None: no method needs it), device, rank and number of processes,
    and in which settings the net was trained otherwise, where that was accepted."""

    cfg: CfgNode
    net: nn.Module | None
    device: torch.device
    process: tuple[int, int]
    forced: Changes

    @property
    def is_first(self) -> bool:
        return self.process[0] == 0

    def describe(self) -> dict[str, Any]:
        """What stands beside a result."""
        return {"forced": self.forced, **describe_run(self.device, self.cfg.dump())}

    def infer(self, net: nn.Module, frames: dict[int, FrameFolder], strategy: Strategy) -> EstimateClips:
        """The inference loop over clips of people, with progress."""
        cfg, is_cuda = self.cfg, self.device.type == "cuda"

        def run_clips(people: list[Person], offsets: list[int]) -> Poses:
            loader = build_test_loader(cfg, build_clips(cfg, people, frames, offsets), self.process, is_cuda)
            interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
            total = len(loader.sampler)
            batches = infer(net, loader, strategy, self.device, **decoding(cfg))
            with tqdm(
                total=total, unit="person", mininterval=interval, delay=2, leave=False, disable=not self.is_first
            ) as bar:
                return collect(_watched(batches, bar))

        return run_clips

    def target(
        self,
        args: argparse.Namespace,
        frames: dict[int, FrameFolder],
        people: Sequence[Person],
        targets: Sequence[Target],
    ) -> PropagatedPoses:
        """Where the labels of `people` end."""
        return self._carry_out(args, frames, self._errors(args, frames, people), people, targets)

    def propagate_cached(
        self,
        args: argparse.Namespace,
        frames: dict[int, FrameFolder],
        people: Sequence[Person],
        targets: Sequence[Target],
        folder: Path,
    ) -> PropagatedPoses:
        """The same, but what was done before, with these settings and this net, is read from `folder`."""
        if self.process[1] > 1:
            return self.target(args, frames, people, targets)
        raft = args.raft and args.raft.stat()
        settings = [describe_method(args, self.cfg), self.cfg.MODEL, self.cfg.TEST, _fingerprint(self.net)]
        settings += [raft and (str(args.raft), raft.st_size, raft.st_mtime_ns)]
        settings += [video.stamp() for video in frames.values()]
        path = folder / f"errors-{hashlib.sha256(repr(settings).encode()).hexdigest()[:16]}.json"
        errors = read_json(path) if path.exists() else [None]
        if None in errors:
            errors = self._errors(args, frames, people)
            write_json(path, errors)
        carry_out = partial(self._carry_out, args, frames, errors)
        return propagate_cached(people, targets, carry_out, folder / "stretches", repr([errors, *settings]))

    def _carry_out(
        self,
        args: argparse.Namespace,
        frames: dict[int, FrameFolder],
        errors: Sequence[float],
        people: Sequence[Person],
        targets: Sequence[Target],
    ) -> PropagatedPoses:
        method = self._mover(args, args.method, frames)
        if args.prior:
            poses = combine(
                people, targets, [method, *(self._mover(args, name, frames) for name in args.prior)], errors
            )
        elif takes_both_sides(args):
            poses = fuse_sides(people, targets, method)
        else:
            poses = method(people, targets)
        spread = self.cfg.TEST.PROPAGATE.REFINE
        if not spread:
            return poses

        def look(share: float) -> EstimateClips:
            strategy = partial(near_labels, spread=share, sigma=self.cfg.MODEL.SIGMA)
            return self.infer(self.net.pose_net, frames, choose_strategy(self.cfg, strategy))

        return refine(look, people, targets, poses, spread)

    def _errors(
        self, args: argparse.Namespace, frames: dict[int, FrameFolder], people: Sequence[Person]
    ) -> list[float]:
        """How far each of several ways to move labels misses those that are hidden from it."""
        if not args.prior:
            return []
        names = args.method, *args.prior
        errors = [leave_one_out_error(people, self._mover(args, name, frames)) for name in names]
        if not np.isfinite(errors).all():
            logger.info("no label lies between two others of its person: %s count alike", ", ".join(names))
            return errors
        shares = [f"{name} {100 * error:.2f} %" for name, error in zip(names, errors, strict=True)]
        logger.info("labels hidden from them are missed by (median, of the crop's longer side): %s", ", ".join(shares))
        if args.method == "warp" and self.cfg.DATASET.DATASET == CUSTOM and errors[0] < min(errors[1:]):
            logger.info("warp learned from these labels: it counts like the best of the others")
            errors[0] = min(errors[1:])
        return errors

    def _mover(self, args: argparse.Namespace, method: str, frames: dict[int, FrameFolder]) -> PropagationMethod:
        """What takes labels to other frames, each from its own side."""
        if method == "warp":
            propagate = self.cfg.TEST.PROPAGATE
            strategy = choose_strategy(self.cfg, scatter if propagate.FROM == "labels" else scatter_own)
            settings = {"hop": propagate.HOP, "follow": propagate.FOLLOW, "relative": propagate.RELATIVE}
            return partial(warp, self.infer(self.net, frames, strategy), **settings)
        steps = {"lucas_kanade": flow.lucas_kanade, "dis": flow.dis}
        if method == "raft":
            steps["raft"] = flow.raft(flow.load_raft(args.raft).to(self.device), self.device)
        if method not in steps:  # copy, and linear, which is copy from both sides
            return copy_labels
        return partial(flow.along_flow, lambda video, number: frames[video].read_nearest(number)[0], step=steps[method])


def _fingerprint(net: nn.Module | None) -> str:
    """What stands for a net's weights."""
    digest = hashlib.sha256()
    for tensor in net.state_dict().values() if net else ():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _watched(batches: Iterator[Estimates], bar: tqdm) -> Iterator[Estimates]:
    """The batches, each without its heatmaps: they would fill the memory, and only poses are collected."""
    for batch in batches:
        bar.update(len(batch.points))
        yield replace(batch, heatmaps=batch.heatmaps[:0])
