"""Label a video from labels of a few of its frames: train on these, and propagate them to all frames.

python tools/label_video.py --video clip.mp4 --labels labels.json --out dense.json --review review.html
python tools/label_video.py --video clip.mp4 --labels images.csv --images folder --out dense.json

With --images, the labels belong to other images: a net is trained on them and estimates poses in the video. The same
command resumes an interrupted run; after labels are corrected, only what depends on them is propagated again. --every K
hides labels to measure the error. docs/custom_video.md explains both.
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
        recipe=args.recipe,
        every=args.every,
        fill=args.merge == "fill",
        relearn=args.relearn,
        methods=choose_methods(args, METHOD, PRIORS),
    )
    options.check_outputs()

    def configure(stage: str, keys: Sequence[Any], places: Sequence[Any] = ()) -> CfgNode:
        return load_config(args.recipe / f"{stage}.yaml", [*keys, *args.opts, *places])

    from lib.labeling.image_labeler import label_from_images  # after the arguments: PyTorch takes seconds
    from lib.labeling.outputs import write_outputs
    from lib.labeling.video_labeler import label_video

    label = label_from_images if args.images else label_video
    write_outputs(options, label(options, configure))


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="video file, or folder of numbered frames")
    parser.add_argument("--labels", type=Path, help="labels of some of its frames (docs/labels.md)")
    parser.add_argument(
        "--out", type=Path, required=True, help="output file of all labels, in the format of its suffix"
    )
    parser.add_argument("--review", type=Path, help="output page to check and correct the labels, an .html file")
    parser.add_argument("--draw", type=Path, help="output video with the labels, an .mp4 file")
    parser.add_argument("--images", type=Path, help="folder of the labeled images, if they are not frames of the video")
    parser.add_argument(
        "--every", type=int, help="keep labels this many frames apart, and measure the error on the others"
    )
    parser.add_argument(
        "--merge",
        choices=("frames", "fill"),
        default="frames",
        help="frames: propagate to frames without labels; fill: also people and joints that labeled frames lack "
        "(default: %(default)s)",
    )
    parser.add_argument("--relearn", action="store_true", help="train the nets again on new or corrected labels")
    parser.add_argument(
        "--recipe",
        type=Path,
        default=RECIPE,
        help="folder of single.yaml and posewarper.yaml (default: experiments/video)",
    )
    add_arguments(parser)
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the recipe to change")
    args = parser.parse_intermixed_args()
    if args.video is None:
        what = f"the video, or the folder of frames, that {args.labels} labels" if args.labels else "the video to label"
        raise InputError(f"--video is missing: it names {what}")
    if args.labels is None:
        raise InputError(f"--labels is missing: it names the labels of some frames of {args.video} (docs/labels.md)")
    if args.every is not None and args.every < 1:
        raise InputError(f"--every {args.every}: it must be at least 1")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise InputError("label_video.py runs in a single process; start it without torchrun")
    if args.images and (args.every or args.merge == "fill" or args.method or args.prior or args.fuse or args.relearn):
        raise InputError(
            "--images propagates nothing: remove --every, --merge, --relearn, --method, --prior and --fuse"
        )
    return args


if __name__ == "__main__":
    run(main, resumes=True)
