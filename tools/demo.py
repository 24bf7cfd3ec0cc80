"""Estimate poses in an unlabeled video: write a video with all poses drawn, and a COCO-style file with tracks.

python tools/demo.py --video clip.mp4 --out poses.mp4 --cfg experiments/….yaml TEST.MODEL_FILE weights.pth
python tools/demo.py --video clip.mp4 --out poses.mp4 --detector models/fasterrcnn_….pth TEST.MODEL_FILE published.pth

People are found by --detector or read from --boxes; without either, each whole frame is treated as one person.
Published weights under their published name need no --cfg. An interrupted run resumes when the same command is given
again.
"""

import argparse
import logging
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401
import torch
from yacs.config import CfgNode

from lib.config import add_force, named_paths, output_folder, parse_arguments
from lib.config.rows import read_rows, row_of_weights
from lib.core.trained_model import build_trained_model
from lib.dataset import build_skeleton
from lib.formats.video_poses import PosesFile, TrackedPose, check_part
from lib.frames.video_file import VideoFile
from lib.pose.skeletons import Skeleton
from lib.tracking.boxes import FindPeople, ListedBoxes, whole_frame
from lib.tracking.detector import Detector, load_detector
from lib.tracking.estimator import build_video_estimator
from lib.tracking.pose_video import VideoPart, estimate_video, identity
from lib.utils.commands import ROWS
from lib.utils.device import choose_device, describe, make_reproducible
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal
from lib.utils.precision import choose_precision
from lib.utils.progress import progress_bar
from lib.utils.provenance import describe_command
from lib.visualization.poses import render_poses

logger = logging.getLogger("demo")


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser, published_experiment)
    check(args, cfg)
    part = VideoPart(VideoFile(args.video), args.start, args.end)
    device = choose_device(cfg.GPUS, 0)
    # The batch size varies with the number of people, and cuDNN would benchmark its algorithms for each size.
    make_reproducible(cfg.SEED, False, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED, cfg.CUDNN.ALLOW_TF32)
    folder = output_folder(cfg, experiment)
    net, forced = build_trained_model(cfg, folder, device, args.force)
    find = build_finder(args, device)
    weights = Path(cfg.TEST.MODEL_FILE or folder / "final_state.pth")
    path = args.json or args.out.with_suffix(".json")
    with PosesFile(path, made_with(args, cfg, weights, device)) as file:
        if file.finished:
            logger.info("%s: there already, of the same video, weights and settings", path)
        else:
            estimator = build_video_estimator(cfg, net, device, find)
            precision = choose_precision(cfg.TEST.PRECISION, device)
            info = {"forced": forced, "inference_precision": precision, **describe_command()}
            estimate_video(estimator, part, file, info)
    if args.out:
        render(args, part, file, build_skeleton(cfg))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tool's arguments to a parser."""
    parser.add_argument("--video", type=Path, required=True, help="video file")
    parser.add_argument("--out", type=Path, help="the .mp4 file to draw")
    parser.add_argument("--json", type=Path, help="the file of poses to write (beside --out, with its name)")
    parser.add_argument("--detector", type=Path, help="weights of a detector of torchvision")
    parser.add_argument("--boxes", type=Path, help="people's boxes, a JSON list: image_id (frame, from 0), bbox, score")
    parser.add_argument("--box-score", type=float, default=0.5, help="least score of a box (%(default)s)")
    parser.add_argument("--joint-score", type=float, default=0.2, help="least score of a joint to draw (%(default)s)")
    parser.add_argument("--start", type=int, default=0, help="first frame (%(default)s)")
    parser.add_argument("--end", type=int, help="frame to stop before")


def check(args: argparse.Namespace, cfg: CfgNode) -> None:
    """Reject impossible requests before any work is done."""
    if args.out is None and args.json is None:
        raise InputError("nothing to write: --out names a video, --json a file of poses")
    for option, path, suffix in (("--out", args.out, ".mp4"), ("--json", args.json, ".json")):
        if path is not None and (path.suffix != suffix or path.is_dir()):
            raise InputError(f"{option} {path}: it has to name a {suffix} file")
    if args.detector and args.boxes:
        raise InputError("--detector and --boxes: one of them tells where people are")
    if args.start < 0 or (args.end is not None and args.end <= args.start):
        raise InputError(f"--start {args.start} --end {args.end}: there are no frames between them")
    if cfg.TEST.MODE not in ("single", "aggregate", "average"):
        modes = "aggregate (five frames) or single" if cfg.MODEL.WARP.ENABLED else "single"
        raise InputError(f"TEST.MODE {cfg.TEST.MODE}: it estimates no frame of its own; set TEST.MODE {modes}")
    poses = args.json or args.out.with_suffix(".json")
    read = [("--video", args.video), ("--boxes", args.boxes), ("--detector", args.detector), ("--cfg", args.cfg)]
    claim_outputs([("--out", args.out), ("--json", poses)], [*read, *named_paths(cfg)])
    check_part(poses)


def published_experiment(opts: Sequence[str]) -> list[Any]:
    """Return the experiment file of published weights, found by the name of TEST.MODEL_FILE, and the keys it changes.

    Args:
        opts: Keys and values of the command line.

    Raises:
        InputError: There are no weights, or their name is not a published one.
    """
    weights = dict(zip(opts[::2], opts[1::2], strict=False)).get("TEST.MODEL_FILE")
    if weights is None:
        raise InputError("neither --cfg, an experiment file, nor TEST.MODEL_FILE, published weights")
    row = row_of_weights(read_rows(ROWS), Path(weights).name)
    if row is None:
        raise InputError(f"{weights}: not the name of published weights ({ROWS}); --cfg has to name their experiment")
    logger.info("%s: the weights of %s, %s", weights, row.id, row.experiment)
    return [row.experiment, *(part for setting in row.overrides.items() for part in setting)]


def made_with(args: argparse.Namespace, cfg: CfgNode, weights: Path, device: torch.device) -> dict[str, Any]:
    """Return everything that the poses depend on."""
    return {
        "video": identity(args.video),
        "start": args.start,
        "end": args.end,
        "detector": args.detector and identity(args.detector),
        "boxes": args.boxes and identity(args.boxes),
        "box_score": args.box_score,
        "weights": identity(weights),
        "versions": describe(device),
        "config": cfg.dump(),
    }


def build_finder(args: argparse.Namespace, device: torch.device) -> FindPeople:
    """Build the function that finds people in frames."""
    if args.detector:
        return Detector(load_detector(args.detector, device), device, args.box_score)
    return ListedBoxes(args.boxes, args.box_score) if args.boxes else whole_frame


def render(args: argparse.Namespace, part: VideoPart, file: PosesFile, skeleton: Skeleton) -> None:
    """Draw the poses of the file on the frames."""
    people = file.people()
    number, poses = next(people, (None, []))

    def poses_of(frame: int) -> Sequence[TrackedPose]:
        nonlocal number, poses
        found = poses if frame == number else []
        if frame == number:
            number, poses = next(people, (None, []))
        return found

    video = part.video
    frames = takewhile(lambda pair: part.end is None or pair[0] < part.end, video.frames(part.start))
    shown = progress_bar(None, "frame", iterable=frames, desc="drawn")
    render_poses(args.out, video.size, video.fps, shown, poses_of, skeleton, args.joint_score)


if __name__ == "__main__":
    run(main)
