"""Share trained nets on the Hugging Face Hub.

python tools/hub.py push output/posetrack18/pose_hrnet/posewarper OWNER/NAME
python tools/hub.py pull OWNER/NAME --out models/NAME

`push` uploads the weights of a training as a .safetensors file, its experiment, and a model card. First, log in with
`hf auth login`. `pull` downloads them and prints how to use them.
"""

import argparse
import shlex
from pathlib import Path

import _init_paths  # noqa: F401

from lib.config.run_folder import BEST_WEIGHTS, FINAL_WEIGHTS
from lib.utils.errors import InputError, run


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    upload = commands.add_parser("push", help="upload the net of a training")
    upload.add_argument("folder", type=Path, help="folder of the training, with result-train.json")
    upload.add_argument("repository", help="OWNER/NAME; created if it does not exist")
    upload.add_argument(
        "--weights", choices=(FINAL_WEIGHTS, BEST_WEIGHTS), default=FINAL_WEIGHTS, help="weights (%(default)s)"
    )
    upload.add_argument("--card", type=Path, help="completed model card (default: the one that tools/card.py writes)")
    upload.add_argument("--private", action="store_true", help="make a new repository private")
    download = commands.add_parser("pull", help="download a net")
    download.add_argument("repository", help="OWNER/NAME")
    download.add_argument("--revision", help="branch, tag, or commit (default: the main branch)")
    download.add_argument("--out", type=Path, required=True, help="new folder for the files")
    args = parser.parse_args()
    if args.command == "pull" and args.out.exists():
        raise InputError(f"--out {args.out}: exists already; name a new folder")

    from lib.evaluation.hub import EXPERIMENT, keys_of, pull, push  # after the arguments: PyTorch takes seconds

    if args.command == "push":
        print(push(args.folder, args.repository, weights=args.weights, card=args.card, private=args.private))
        return
    pull(args.repository, args.revision, args.out)
    keys = [word for pair in keys_of(args.out).items() for word in pair]
    command = ["python", "tools/demo.py", "--cfg", str(args.out / EXPERIMENT), *keys]
    print(f"{args.out}: to use the net: {shlex.join(command)} --video …")


if __name__ == "__main__":
    run(main)
