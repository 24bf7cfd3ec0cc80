"""Label videos in a browser: place joints in a few frames, propagate them to all others, and correct the result.

python tools/annotate.py clip.mp4
python tools/annotate.py clip.mp4 other.mp4 --joints nose,left_ear,right_ear
python tools/annotate.py clip.mp4 --labels labels.csv

The page is served to this computer alone, at an address with a secret. Everything is stored in a folder beside the
first video, and the same command goes on where it was. docs/annotate.md explains the page.
"""

import argparse
import webbrowser
from pathlib import Path

import _init_paths  # noqa: F401

from lib.annotation.person_file import read_file
from lib.annotation.presets import PRESETS, choose_joints
from lib.annotation.project import SUFFIX, Project, find_videos
from lib.utils.errors import InputError, run
from lib.utils.logging import log_to_terminal


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    args = parse()
    folder, videos = find_videos(args.paths)
    if args.labels and len(videos) != 1:
        raise InputError(f"--labels {args.labels}: name only one video; add others later")
    folder = folder or args.project or videos[0].resolve().with_name(videos[0].resolve().stem + SUFFIX)
    labels = read_file(args.labels, videos[0]) if args.labels else None
    joints = choose_joints(args.joints.split(",")) if args.joints else None
    project = Project(folder, videos)
    if joints:
        project.choose(joints)
    if labels:
        project.load(project.index(videos[0]), *labels)

    def show(address: str) -> None:
        print(f"Annotate at {address}\nLabels are in {folder}. Ctrl-C stops the server.", flush=True)
        if not args.no_browser:
            webbrowser.open(address)

    from lib.annotation.server import serve  # last: PyTorch takes seconds
    from lib.annotation.session import Session

    serve(Session(project, tuple(args.opts)), show)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="VIDEO",
        help="video file, folder of videos or of numbered frames, or folder of a project",
    )
    parser.add_argument("--labels", type=Path, help="labels of the video to begin with (docs/labels.md)")
    parser.add_argument(
        "--joints",
        help=f"names of the joints, separated by commas, or one of {', '.join(PRESETS)} (default: ask); in a project "
        "that has joints, those of the same name keep their labels",
    )
    parser.add_argument("--project", type=Path, help=f"folder of the project (default: VIDEO{SUFFIX})")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    parser.add_argument("--opts", nargs="*", default=[], metavar="KEY VALUE", help="keys of the nets' recipe to change")
    return parser.parse_args()


if __name__ == "__main__":
    run(main, resumes=True)
