"""Label a video from labels of a few of its frames: learn from these, propagate them to all frames.

python tools/label_video.py --video clip.mp4 --labels labels.json --out dense.json --review review.html
python tools/label_video.py --video clip.mp4 --labels images.csv --images folder --out dense.json
python tools/label_video.py --video other.mp4 --nets dense --out other.json

With --images, the labels belong to other images: a net learns from them and estimates poses in the video. With --nets,
the nets of an earlier run, in the folder beside its --out, estimate another video without labels. The same command
resumes an interrupted run; after labels are corrected, only what depends on them is propagated again. --every K
holds out labels to measure the error. docs/custom_video.md explains both.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401 (first: makes lib importable)
from yacs.config import CfgNode

from lib.config import load_config
from lib.labeling.options import LabelingOptions
from lib.propagation.options import add_arguments, choose_methods
from lib.utils.errors import InputError, run
from lib.utils.logging import log_to_terminal

RECIPE = Path(__file__).resolve().parents[1] / "experiments" / "video"
METHOD, PRIORS = "warp", ("dis", "lucas_kanade", "linear")


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    args = parse()
    options = LabelingOptions(
        video=args.video,
        labels=args.labels,
        out=args.out,
        review=args.review,
        draw=args.draw,
        images=args.images,
        nets=args.nets,
        recipe=args.recipe,
        every=args.every,
        fill=args.merge == "fill",
        relearn=args.relearn,
        method=args.method,
        priors=args.prior,
        fuse=args.fuse,
        raft=args.raft,
        opts=args.opts,
    )
    options.check_outputs()

    def configure(stage: str, keys: Sequence[Any], places: Sequence[Any] = ()) -> CfgNode:
        return load_config(args.recipe / f"{stage}.yaml", [*keys, *args.opts, *places])

    from lib.labeling.image_labeler import label_from_images  # after the arguments: PyTorch takes seconds
    from lib.labeling.net_labeler import label_with_nets
    from lib.labeling.outputs import write_outputs
    from lib.labeling.video_labeler import label_video

    if args.nets:
        content = label_with_nets(options)
    else:
        content = (label_from_images if args.images else label_video)(options, configure)
    write_outputs(options, content)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="video file, or folder of numbered frames")
    parser.add_argument("--labels", type=Path, help="labels of some of its frames (docs/labels.md)")
    parser.add_argument("--out", type=Path, required=True, help="labels of all frames, in the format of the suffix")
    parser.add_argument("--review", type=Path, help="page to check and correct the labels, an .html file")
    parser.add_argument("--draw", type=Path, help="video of the labels, an .mp4 file")
    parser.add_argument("--images", type=Path, help="folder of the labels' images, if they are no frames of the video")
    parser.add_argument("--nets", type=Path, help="folder of an earlier run: its nets estimate a video without labels")
    parser.add_argument("--every", type=int, help="keep labels this many frames apart, and measure with the others")
    parser.add_argument(
        "--merge",
        choices=("frames", "fill"),
        default="frames",
        help="propagate to frames without any label (frames), or also what labeled frames lack (fill)",
    )
    parser.add_argument("--relearn", action="store_true", help="train the nets again on new or corrected labels")
    parser.add_argument(
        "--recipe", type=Path, default=RECIPE, help="folder of single.yaml and posewarper.yaml (experiments/video)"
    )
    add_arguments(parser)
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the recipe to change")
    args = parser.parse_intermixed_args()
    if args.video is None:
        what = f"the video, or the folder of frames, that {args.labels} labels" if args.labels else "the video to label"
        raise InputError(f"--video is missing: it names {what}")
    if args.labels is None and args.nets is None:
        raise InputError(
            f"--labels is missing: it names the labels of some frames of {args.video} (docs/labels.md); --nets "
            f"estimates a video without labels by the nets of an earlier run"
        )
    if args.nets and (args.labels or args.images):
        raise InputError("--nets estimates a video without labels: leave out --labels and --images")
    if args.every is not None and args.every < 1:
        raise InputError(f"--every {args.every}: it has to be 1 or more")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise InputError("label_video.py runs in one process: start it without torchrun")
    of_propagation = args.every or args.merge == "fill" or args.method or args.prior or args.fuse or args.relearn
    if (args.images or args.nets) and of_propagation:
        option = "--images" if args.images else "--nets"
        raise InputError(f"{option}: nothing is propagated: --every, --merge, --method and their like have no effect")
    choose_methods(args, METHOD, PRIORS)
    return args


if __name__ == "__main__":
    run(main, resumes=True)
