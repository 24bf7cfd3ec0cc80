"""Estimate poses in unlabeled videos: write a video with all poses drawn, and a COCO-style file with tracks.

python tools/demo.py --video clip.mp4
python tools/demo.py --video folder --out results --detector models/fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth
python tools/demo.py --video 0 --out poses.mp4
python tools/demo.py --video clip.mp4 --out poses.mp4 --cfg experiments/….yaml TEST.MODEL_FILE weights.pth

Without --cfg and TEST.MODEL_FILE, a published net estimates the poses of people whom a published detector finds; both
are downloaded to models/ after a question. Published weights under their published name need no --cfg. An interrupted
run resumes when the same command is given again.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401
from yacs.config import CfgNode

from lib.config import add_force, named_paths, output_folder, parse_arguments
from lib.config.published import default_detector, missing_files, published_experiment
from lib.tracking.video_jobs import VideoJob, plan_jobs
from lib.utils.commands import ROWS
from lib.utils.download import fetch_missing
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal
from lib.utils.onnx_file import ONNX


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser, lambda typed, args: published_experiment(typed, args.rows))
    jobs = plan_jobs(args.video, args.out, args.json)
    detector = choose_detector(args, cfg)
    check(args, cfg, jobs)
    weights = [Path(cfg.TEST.MODEL_FILE), *([detector] if detector else [])]
    fetch_missing(missing_files(weights, args.rows), agreed=args.yes)

    from lib.tracking.video_run import VideoRunOptions, run_videos  # after the arguments: PyTorch takes seconds

    options = VideoRunOptions(
        detector=detector,
        boxes=args.boxes,
        box_score=args.box_score,
        joint_score=args.joint_score,
        start=args.start,
        end=args.end,
        force=args.force,
    )
    run_videos(cfg, output_folder(cfg, experiment), [job.recorded(args.end) for job in jobs], options)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tool's arguments to a parser."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "--video",
        required=True,
        help="video file, folder of video files, folder of images, number of a webcam such as 0, or address of a "
        "stream (http, https, rtsp, …)",
    )
    group.add_argument("--start", type=int, default=0, help="first frame (default: %(default)s)")
    group.add_argument("--end", type=int, help="frame to stop before (default: the end of the video)")
    group = parser.add_argument_group("output")
    group.add_argument(
        "--out",
        type=Path,
        help="output video with the poses, an .mp4 file; a folder for a folder of videos (default without --json: the "
        "name of the input, with -poses)",
    )
    group.add_argument(
        "--json",
        type=Path,
        help="output file of the poses; a folder for a folder of videos (default: --out with the suffix .json)",
    )
    group.add_argument(
        "--joint-score", type=float, default=0.2, help="minimum score of a joint to draw (default: %(default)s)"
    )
    group = parser.add_argument_group("people")
    group.add_argument(
        "--detector",
        type=Path,
        help="weights of a torchvision detector, or a YOLOX in an ONNX file (default for published nets: a published "
        "detector)",
    )
    group.add_argument("--boxes", type=Path, help="boxes of people, a JSON list of image_id (frame), bbox and score")
    group.add_argument(
        "--whole-frame", action="store_true", help="treat each frame as the box of one person (default with --cfg)"
    )
    group.add_argument("--box-score", type=float, default=0.5, help="minimum score of a box (default: %(default)s)")
    group = parser.add_argument_group("download of published weights")
    group.add_argument("--yes", action="store_true", help="download missing weights without a question")
    group.add_argument("--rows", type=Path, default=ROWS, help="file of the published rows (default: %(default)s)")


def choose_detector(args: argparse.Namespace, cfg: CfgNode) -> Path | None:
    """Return the detector to use, if any."""
    if sum(map(bool, (args.detector, args.boxes, args.whole_frame))) > 1:
        raise InputError("use only one of --detector, --boxes, and --whole-frame")
    is_published = args.cfg is None and Path(cfg.TEST.MODEL_FILE).suffix != ONNX
    if args.detector or args.boxes or args.whole_frame or not is_published:
        return args.detector
    return default_detector(args.rows)


def check(args: argparse.Namespace, cfg: CfgNode, jobs: list[VideoJob]) -> None:
    """Reject impossible requests before any work is done."""
    if args.boxes and len(jobs) > 1:
        raise InputError(f"--boxes {args.boxes}: boxes belong to one video, and {args.video} has {len(jobs)}")
    if args.start < 0 or (args.end is not None and args.end <= args.start):
        raise InputError(f"--start {args.start} --end {args.end}: there are no frames between them")
    if cfg.TEST.MODE not in ("single", "aggregate", "average"):
        modes = "aggregate (five frames) or single" if cfg.MODEL.WARP.ENABLED else "single"
        raise InputError(f"TEST.MODE {cfg.TEST.MODE} cannot estimate poses in a video; set TEST.MODE {modes}")
    read = [("--video", job.video) for job in jobs if not job.live]
    read += [("--boxes", args.boxes), ("--detector", args.detector), ("--cfg", args.cfg)]
    claim_outputs([output for job in jobs for output in job.outputs], [*read, *named_paths(cfg)])


if __name__ == "__main__":
    run(main, resumes=True)
