"""Propagate the labels of some frames to the frames around them, and score it, or make training labels of them.

python tools/propagate.py --cfg experiments/posetrack/hrnet/…_video_pose_propagation.yaml
python tools/propagate.py --cfg experiments/posetrack/hrnet/…_data_augmentation.yaml

With TEST.PROPAGATE.SAVE the labels of the sparse training set become more labels to train on. Without it the test
videos' longest annotated runs are taken, every 7th frame of them keeps its labels, and the labels propagated to the
others are scored.
"""

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401 (first: makes lib importable)
import numpy as np
import torch
from _testing import build_rules, choose_strategy, load_net, write_submission
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from lib.config import parse_arguments
from lib.core import flow
from lib.core.inference import Estimates, Poses, collect, infer
from lib.core.propagation import Infer, Move, Mover, distances, fuse_sides, nearest, reached, stay, warp
from lib.core.strategies import Strategy, scatter, scatter_own, single
from lib.core.submission import make_submission
from lib.dataset import (
    LabeledRuns,
    build_clips,
    build_labeled_runs,
    build_sparse_labels,
    build_test_loader,
)
from lib.dataset.augmented import PROPAGATED_BY, REACH, Propagated, augmented_content, frames_around
from lib.dataset.people import Person
from lib.dataset.runs import LABELED_EVERY
from lib.evaluation.posetrack import check_truth, evaluate_videos, format_table
from lib.evaluation.propagation import compare_tracks, score_by_distance
from lib.evaluation.tables import format_rows
from lib.frames.store import frame_number
from lib.frames.video import FrameFolder
from lib.utils.device import choose_device, describe, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.errors import InputError, run
from lib.utils.files import check_writable, write_json
from lib.utils.logging import log_to_file, log_to_terminal, to_log_file

logger = logging.getLogger("propagate")

NETS = ("warp", "single")
METHODS = {
    "warp": "by PoseWarper's head",
    "single": "no labels: the pose net's own estimates in the true boxes (pseudo-labels)",
    "copy": "left where they are",
    "linear": "along the straight line between two labels of the same person",
    "lucas_kanade": "along sparse optical flow at the joints, from frame to frame",
    "dis": "along dense optical flow, OpenCV's DIS, from frame to frame",
    "raft": "along dense optical flow, torchvision's RAFT, from frame to frame",
}


def main() -> None:
    log_to_terminal(local_rank())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    methods = "; ".join(f"{name}: {how}" for name, how in METHODS.items())
    parser.add_argument("--method", choices=METHODS, default="warp", help=f"how labels move (%(default)s); {methods}")
    parser.add_argument("--every", type=int, default=LABELED_EVERY, help="frames from label to label (%(default)s)")
    parser.add_argument("--fuse", action="store_true", help="use the labels on both sides of a frame, not the nearer")
    parser.add_argument("--raft", type=Path, metavar="WEIGHTS", help="weights of torchvision's raft_large")
    parser.add_argument("--out", type=Path, help="of TEST.PROPAGATE.SAVE: the file to write")
    cfg, experiment, args = parse_arguments(parser)
    if cfg.TEST.MODE != "propagate":
        raise InputError(f"TEST.MODE is {cfg.TEST.MODE}: this experiment propagates nothing; see tools/test.py")
    if args.every < 1:
        raise InputError(f"--every {args.every}: it has to be 1 or more")
    if args.out and not cfg.TEST.PROPAGATE.SAVE:
        raise InputError("--out names a file of training labels: it needs TEST.PROPAGATE.SAVE True")
    if args.method == "raft" and not args.raft:
        raise InputError("--method raft needs --raft WEIGHTS, a file of torchvision's raft_large")
    if args.method == "single" and (args.fuse or cfg.TEST.PROPAGATE.SAVE):
        raise InputError("--method single estimates each frame alone: there is nothing to fuse or to save")
    folder = Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    device = choose_device(cfg.GPUS, local_rank())
    name = "-".join(["propagate", args.method, *(["fused"] if args.fuse else []), f"every{args.every}"])
    with processes(device) as process:
        if process[0] == 0:
            logger.info("%s", log_to_file(folder, experiment, name, header=cfg.dump()))
        make_reproducible(cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED)
        net = load_net(cfg, folder, device) if args.method in NETS else None
        machine = Machine(cfg, net, device, process)
        if cfg.TEST.PROPAGATE.SAVE:
            augment(args, machine)
        else:
            score(args, machine, folder, name)


@dataclass(frozen=True)
class Machine:
    """What runs the clips: the experiment, its net (None: no method needs it), device, rank and number of processes."""

    cfg: CfgNode
    net: nn.Module | None
    device: torch.device
    process: tuple[int, int]

    @property
    def is_first(self) -> bool:
        return self.process[0] == 0

    def infer(self, net: nn.Module, frames: dict[int, FrameFolder], strategy: Strategy) -> Infer:
        """The inference loop over clips of people, with progress."""
        cfg, is_cuda = self.cfg, self.device.type == "cuda"
        strategy = choose_strategy(cfg, strategy)

        def run_clips(people: list[Person], offsets: list[int]) -> Poses:
            loader = build_test_loader(cfg, build_clips(cfg, people, frames, offsets), self.process, is_cuda)
            interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
            total = len(loader.sampler)
            with tqdm(total=total, unit="person", mininterval=interval, disable=not self.is_first) as bar:
                return collect(_watched(infer(net, loader, strategy, self.device, cfg.TEST.POST_PROCESS), bar))

        return run_clips

    def mover(self, args: argparse.Namespace, frames: dict[int, FrameFolder]) -> Mover:
        """What takes labels to other frames."""
        mover = self._one_sided(args, frames)
        return partial(fuse_sides, mover=mover) if args.fuse or args.method == "linear" else mover

    def _one_sided(self, args: argparse.Namespace, frames: dict[int, FrameFolder]) -> Mover:
        if args.method == "warp":
            propagate = self.cfg.TEST.PROPAGATE
            infer_clips = self.infer(self.net, frames, scatter if propagate.FROM == "labels" else scatter_own)
            settings = {"hop": propagate.HOP, "follow": propagate.FOLLOW, "relative": propagate.RELATIVE}
            return partial(warp, infer_clips, **settings)
        steps = {"lucas_kanade": flow.lucas_kanade, "dis": flow.dis}
        if args.method == "raft":
            steps["raft"] = flow.raft(flow.load_raft(args.raft).to(self.device), self.device)
        if args.method in steps:
            return partial(
                flow.along_flow, lambda video, number: frames[video].read_nearest(number)[0], step=steps[args.method]
            )
        return stay


def _watched(batches: Iterator[Estimates], bar: tqdm) -> Iterator[Estimates]:
    """The batches, each without its heatmaps: they would fill the memory, and only poses are collected."""
    for batch in batches:
        bar.update(len(batch.points))
        yield replace(batch, heatmaps=batch.heatmaps[:0])


def score(args: argparse.Namespace, machine: Machine, folder: Path, name: str) -> None:
    """Propagate labels over the test videos' runs, write the submission, score it."""
    cfg = machine.cfg
    if machine.is_first:
        check_writable(folder / "predictions" / name)
    runs = build_labeled_runs(cfg, args.every)
    if cfg.TEST.EVALUATE:
        check_truth(runs.videos)
    numbers = [[frame_number(frame) for frame in video.frame_names] for video in runs.videos]
    moves = nearest(runs.sources, [(v, number) for v, own in enumerate(numbers) for number in own])
    truth = reached(runs.people, runs.sources, moves)
    if args.method == "single":
        people, points, scores, far = _estimate(machine, runs)
    else:
        points, scores = machine.mover(args, runs.frames)(runs.sources, moves)
        far = distances(runs.sources, moves)
        people = [replace(runs.sources[move.person], number=move.number) for move in moves]
        people = [replace(person, frame=numbers[person.video].index(person.number)) for person in people]
    if not machine.is_first:
        return
    order = sorted(range(len(people)), key=lambda index: (people[index].video, people[index].frame))
    people, points, scores, far = [people[index] for index in order], points[order], scores[order], far[order]
    videos = make_submission(runs.videos, people, points, scores, build_rules(cfg))
    write_submission(cfg, videos, folder / "predictions" / name / runs.split)
    result = {
        "name": name.removeprefix("propagate-"),
        "method": args.method,
        "fused": args.fuse,
        "every": args.every,
        "people": len(people),
    }
    if cfg.TEST.EVALUATE:
        result |= evaluate_videos(zip(runs.videos, videos, strict=True))
        result["ap_by_distance"] = score_by_distance(runs.videos, videos, runs.labeled)
        result["tracks_by_distance"] = compare_tracks(people, points, far, truth)
        table = f"{format_table(result)}\n\n{_format_distances(result)}"
    result |= {"versions": describe(machine.device), "config": cfg.dump()}
    write_json(folder / f"result-{name}.json", result, indent=1)
    logger.info("result: %s", folder / f"result-{name}.json")
    if cfg.TEST.EVALUATE:
        print(table)
        to_log_file(table)


def _estimate(machine: Machine, runs: LabeledRuns) -> tuple[list[Person], np.ndarray, np.ndarray, np.ndarray]:
    """Everybody in the runs: in labelled frames the labels, in the others the single-frame net's estimates.

    Returns:
        people, points (P, J, 2), scores (P, J), frames from a label (P,).
    """
    labeled = {(person.video, person.number) for person in runs.sources}
    own = stay(runs.sources, [Move(index, person.number) for index, person in enumerate(runs.sources)])
    others = [person for person in runs.people if (person.video, person.number) not in labeled]
    if not others:
        return runs.sources, *own, np.zeros(len(runs.sources), dtype=int)
    poses = machine.infer(machine.net.pose_net, runs.frames, single)(others, [0])
    away = np.array([min(abs(person.frame - frame) for frame in runs.labeled[person.video]) for person in others])
    points, scores = np.concatenate([own.points, poses.points]), np.concatenate([own.scores, poses.peaks])
    return runs.sources + others, points, scores, np.concatenate([np.zeros_like(away, shape=len(runs.sources)), away])


def _format_distances(result: dict[str, Any]) -> str:
    """A row per distance from a label."""
    ap, tracks = result["ap_by_distance"], result["tracks_by_distance"]
    rows = {
        distance: {"AP": ap.get(distance, float("nan")), "PCK .05": row["pck"], "pixels": row["pixels"]}
        for distance, row in tracks.items()
    }
    return format_rows(rows)


def augment(args: argparse.Namespace, machine: Machine) -> None:
    """Propagate the labels of the sparse training set to the frames around them, and write both as training labels."""
    cfg = machine.cfg
    labels = build_sparse_labels(cfg)
    path = args.out or labels.path.parent / _file_name(cfg)
    if machine.is_first:
        check_writable(path.parent)
    moves = nearest(labels.people, frames_around(labels.people, labels.frames))
    if not moves:
        raise InputError(f"{labels.path}: no frame is there within {REACH} of a labelled one")
    points, scores = machine.mover(args, labels.frames)(labels.people, moves)
    if not machine.is_first:
        return
    people = [replace(labels.people[move.person], number=move.number) for move in moves]
    info = {
        "description": "PoseTrack: sparse and propagated labels",
        "annotations": str(labels.path),
        "num_videos": cfg.DATASET.NUM_LABELED_VIDEOS,
        "num_frames": cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO,
        "seed": cfg.SEED,
        PROPAGATED_BY: args.method,
        "fused": args.fuse,
        "versions": describe(machine.device),
        "config": cfg.dump(),
    }
    propagated = Propagated(people, points, scores)
    content = augmented_content(labels.videos, labels.people, propagated, labels.frames, info)
    write_json(path, content)
    frames = len(content["images"])
    print(f"{path}: {frames} frames, {len(content['annotations'])} people, {len(people)} of them propagated")


def _file_name(cfg: CfgNode) -> str:
    """What the first code calls the file of a sparse set's real and propagated labels."""
    frames, videos = cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO, cfg.DATASET.NUM_LABELED_VIDEOS
    some_videos = f"_V{videos}_videos" if videos >= 0 else ""
    return f"posetrack_train{f'_N{frames}_per_video{some_videos}' if frames >= 0 else ''}_wPseudoGT.json"


if __name__ == "__main__":
    run(main)
