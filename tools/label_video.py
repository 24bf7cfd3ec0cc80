"""Label a video from labels of a few of its frames: train on these, and propagate them to all frames.

python tools/label_video.py --video clip.mp4 --labels labels.json --out dense.json --review review.html
python tools/label_video.py --video clip.mp4 --labels images.csv --images folder --out dense.json
python tools/label_video.py --video other.mp4 --nets dense --out other.json
python tools/label_video.py --video a.mp4 --labels a.csv --video b.mp4 --labels b.csv --out folder
python tools/label_video.py --project project.yaml

With --images, the labels belong to other images: a net is trained on them and estimates poses in the video. With
--nets, the nets of an earlier run, in the folder beside its --out, estimate another video without labels. Several
videos, or those of a project file, share one pair of nets. The same command resumes an interrupted run; after labels
are corrected, only what depends on them is propagated again. --every K hides labels to measure the error.
docs/custom_video.md and docs/projects.md explain all of it.
"""

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401 (first: makes lib importable)
from yacs.config import CfgNode

from lib.config import load_config
from lib.labeling.options import Configure, LabelingOptions
from lib.labeling.project import ProjectVideo, list_project, read_project
from lib.propagation.options import add_arguments, choose_methods
from lib.utils.errors import InputError, run
from lib.utils.logging import log_to_terminal

RECIPE = Path(__file__).resolve().parents[1] / "experiments" / "video"
METHOD, PRIORS = "warp", ("dis", "lucas_kanade", "linear")


def main() -> None:
    """Run the tool."""
    log_to_terminal(logging.WARNING)  # the stages and their bars say the rest
    args = parse()
    if args.project or len(args.video) > 1:
        label_project(args)
        return
    (video,), labels = args.video, args.labels[0] if args.labels else None
    options = options_of(args, video=video, labels=labels, out=args.out, review=args.review, draw=args.draw)
    options.check_outputs()

    from lib.labeling.image_labeler import label_from_images  # after the arguments: PyTorch takes seconds
    from lib.labeling.net_labeler import label_with_nets
    from lib.labeling.outputs import write_outputs
    from lib.labeling.video_labeler import label_video

    if args.nets:
        content = label_with_nets(options)
    else:
        label = label_from_images if args.images else label_video
        content = label(options, configure_from(options.recipe, args.opts))
    write_outputs(options, content)


def label_project(args: argparse.Namespace) -> None:
    """Label several videos."""
    project = read_project(args.project) if args.project else list_project(args.video, args.labels, args.out)
    args.method, args.prior = args.method or project.method, args.prior or list(project.priors) or None
    args.recipe = args.recipe or project.recipe or RECIPE
    args.merge = "fill" if project.fill else args.merge
    args.opts = [*project.settings, *args.opts]

    def options(video: ProjectVideo) -> LabelingOptions:
        return options_of(args, video=video.video, labels=video.labels, **project.outputs(video))

    for video in project.videos:
        options(video).check_outputs()
    project.check_outputs()

    from lib.labeling.project_labeler import label_project as label  # after the arguments: PyTorch takes seconds

    label(project, options, configure_from(args.recipe, args.opts))


def configure_from(recipe: Path, opts: Sequence[Any]) -> Configure:
    """Return the function that returns the configuration of a stage of the recipe."""

    def configure(stage: str, keys: Sequence[Any] = (), fixed: Sequence[Any] = ()) -> CfgNode:
        return load_config(recipe / f"{stage}.yaml", [*keys, *opts, *fixed])

    return configure


def options_of(args: argparse.Namespace, **files: Any) -> LabelingOptions:
    """Return the options of a video."""
    return LabelingOptions(
        **files,
        images=args.images,
        nets=args.nets,
        recipe=args.recipe or RECIPE,
        every=args.every,
        fill=args.merge == "fill",
        relearn=args.relearn,
        methods=choose_methods(args, METHOD, PRIORS),
        opts=args.opts,
    )


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_argument_group("input")
    group.add_argument(
        "--video", type=Path, action="append", default=[], help="video file, or folder of numbered frames"
    )
    group.add_argument(
        "--labels",
        type=Path,
        action="append",
        default=[],
        help="labels of some of its frames (docs/labels.md), once for each video or once for all",
    )
    group.add_argument("--project", type=Path, help="project file, in place of --video and --labels")
    group.add_argument("--images", type=Path, help="folder of the labeled images, if they are not frames of the video")
    group.add_argument("--nets", type=Path, help="folder of an earlier run: its nets estimate a video without labels")
    group = parser.add_argument_group("output")
    group.add_argument("--out", type=Path, help="output file, in the format of its suffix; a folder for several videos")
    group.add_argument("--review", type=Path, help="output page to check and correct the labels, an .html file")
    group.add_argument("--draw", type=Path, help="output video with the labels, an .mp4 file")
    group = parser.add_argument_group("training")
    group.add_argument("--relearn", action="store_true", help="train the nets again on new or corrected labels")
    group.add_argument(
        "--recipe", type=Path, help="folder of single.yaml and posewarper.yaml (default: experiments/video)"
    )
    group.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the recipe to change")
    group = add_arguments(parser, METHOD, PRIORS)
    group.add_argument(
        "--merge",
        choices=("frames", "fill"),
        default="frames",
        help="frames: propagate to frames without labels; fill: also people and joints that labeled frames lack "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--every", type=int, help="keep labels this many frames apart, and measure the error on the others"
    )
    args = parser.parse_intermixed_args()
    check(args)
    return args


def check(args: argparse.Namespace) -> None:
    """Refuse options that are missing or contradict each other.

    Args:
        args: Parsed arguments.

    Raises:
        InputError: An option is missing, or options contradict each other.
    """
    if args.every is not None and args.every < 1:
        raise InputError(f"--every {args.every}: it must be at least 1")
    if args.project or len(args.video) > 1:
        single = {"--review": args.review, "--draw": args.draw, "--images": args.images, "--nets": args.nets}
        if args.project:
            single |= {"--video": args.video, "--labels": args.labels, "--out": args.out}
        if given := [option for option, value in single.items() if value]:
            with_what = "--project" if args.project else "several videos"
            raise InputError(f"{given[0]} cannot be combined with {with_what}; docs/projects.md describes projects")
        if not args.project and args.out is None:
            raise InputError("--out is missing: it names the folder for the results of several videos")
        return
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise InputError("a single video is labeled by a single process; start label_video.py without torchrun")
    labels = args.labels[0] if args.labels else None
    if not args.video:
        what = f"the video, or the folder of frames, that {labels} labels" if labels else "the video to label"
        raise InputError(f"--video is missing: it names {what}")
    if args.out is None:
        raise InputError("--out is missing: it names the output file, such as dense.json")
    if len(args.labels) > 1:
        raise InputError(f"got {len(args.labels)} --labels, but only 1 --video")
    if labels is None and args.nets is None:
        raise InputError(
            f"--labels is missing: it names the labels of some frames of {args.video[0]} (docs/labels.md); --nets "
            f"uses the nets of an earlier run to label a video that has no labels"
        )
    if args.nets and (labels or args.images):
        raise InputError("--nets estimates a video without labels: remove --labels and --images")
    of_propagation = args.every or args.merge == "fill" or args.method or args.prior or args.fuse or args.relearn
    if (args.images or args.nets) and of_propagation:
        option = "--images" if args.images else "--nets"
        raise InputError(
            f"{option} propagates nothing: remove --every, --merge, --relearn, --method, --prior and --fuse"
        )


if __name__ == "__main__":
    run(main, resumes=True)
