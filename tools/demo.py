"""Estimate poses in an unlabeled video: write a video with all poses drawn, and a COCO-style file with tracks.

python tools/demo.py --video clip.mp4 --out poses.mp4 --cfg experiments/….yaml TEST.MODEL_FILE weights.pth
python tools/demo.py --video clip.mp4 --out poses.mp4 --detector detector.pth TEST.MODEL_FILE published.pth

People are found by --detector or read from --boxes; without either, each whole frame is treated as one person.
Published weights under their published name need no --cfg. An interrupted run resumes when the same command is given
again.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401
from yacs.config import CfgNode

from lib.config import add_force, named_paths, output_folder, parse_arguments
from lib.config.rows import published_experiment
from lib.formats.video_poses import check_part
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser, published_experiment)
    check(args, cfg)

    from lib.tracking.video_run import VideoRunOptions, run_video  # after the arguments: PyTorch takes seconds

    options = VideoRunOptions(
        video=args.video,
        poses=args.json or args.out.with_suffix(".json"),
        out=args.out,
        detector=args.detector,
        boxes=args.boxes,
        box_score=args.box_score,
        joint_score=args.joint_score,
        start=args.start,
        end=args.end,
        force=args.force,
    )
    run_video(cfg, output_folder(cfg, experiment), options)
    for path, what in ((options.poses, "poses and tracks"), (options.out, "the video with the poses")):
        if path:
            print(f"{path}: {what}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tool's arguments to a parser."""
    parser.add_argument("--video", type=Path, required=True, help="video file")
    parser.add_argument("--out", type=Path, help="output video with the poses, an .mp4 file")
    parser.add_argument("--json", type=Path, help="output file of the poses (default: --out with the suffix .json)")
    parser.add_argument("--detector", type=Path, help="weights of a torchvision detector")
    parser.add_argument("--boxes", type=Path, help="boxes of people, a JSON list of image_id (frame), bbox and score")
    parser.add_argument("--box-score", type=float, default=0.5, help="minimum score of a box (default: %(default)s)")
    parser.add_argument(
        "--joint-score", type=float, default=0.2, help="minimum score of a joint to draw (default: %(default)s)"
    )
    parser.add_argument("--start", type=int, default=0, help="first frame (default: %(default)s)")
    parser.add_argument("--end", type=int, help="frame to stop before")


def check(args: argparse.Namespace, cfg: CfgNode) -> None:
    """Reject impossible requests before any work is done."""
    if args.out is None and args.json is None:
        raise InputError("nothing to write: set --out to a video, --json to a file of poses, or both")
    for option, path, suffix in (("--out", args.out, ".mp4"), ("--json", args.json, ".json")):
        if path is not None and (path.suffix != suffix or path.is_dir()):
            raise InputError(f"{option} {path}: expected a {suffix} file")
    if args.detector and args.boxes:
        raise InputError("--detector and --boxes exclude each other")
    if args.start < 0 or (args.end is not None and args.end <= args.start):
        raise InputError(f"--start {args.start} --end {args.end}: there are no frames between them")
    if cfg.TEST.MODE not in ("single", "aggregate", "average"):
        modes = "aggregate (five frames) or single" if cfg.MODEL.WARP.ENABLED else "single"
        raise InputError(f"TEST.MODE {cfg.TEST.MODE} cannot estimate poses in a video; set TEST.MODE {modes}")
    poses = args.json or args.out.with_suffix(".json")
    read = [("--video", args.video), ("--boxes", args.boxes), ("--detector", args.detector), ("--cfg", args.cfg)]
    claim_outputs([("--out", args.out), ("--json", poses)], [*read, *named_paths(cfg)])
    check_part(poses)


if __name__ == "__main__":
    run(main, resumes=True)
