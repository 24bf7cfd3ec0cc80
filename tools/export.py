"""Export a net to a file that runs without this repository: ONNX, or a program of torch.export.

python tools/export.py --cfg experiments/….yaml TEST.MODEL_FILE weights.pth --out net.onnx
python tools/export.py --cfg experiments/….yaml TEST.MODEL_FILE weights.pth --out net.pt2 --frames 1

The file is compared with PyTorch before it is kept. docs/export.md describes the files and how to run them.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401

from lib.config import add_force, named_paths, output_folder, parse_arguments
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file to write, .onnx or .pt2")
    parser.add_argument(
        "--frames", type=int, help="frames of a clip; 1: the single-frame net (default: those of TEST.AGGREGATE)"
    )
    parser.add_argument(
        "--precision", choices=("fp32", "fp16"), default="fp32", help="type of the convolutions (default: %(default)s)"
    )
    parser.add_argument(
        "--split", action="store_true", help="write the pose net and the warp as two files, NAME-pose and NAME-warp"
    )
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)
    if args.out.suffix not in (".onnx", ".pt2"):
        raise InputError(f"--out {args.out}: name an .onnx or a .pt2 file")
    most = len(cfg.TEST.AGGREGATE.OFFSETS) if cfg.MODEL.WARP.ENABLED else 1
    frames = most if args.frames is None else args.frames
    if frames not in (1, most):
        raise InputError(f"--frames {frames}: this experiment has clips of {most}, and single frames (1)")
    if args.split and frames == 1:
        raise InputError("--split: a single-frame net has no warp")

    from lib.core.export import export_net, outputs  # after the arguments: PyTorch takes seconds

    read = [("--cfg", args.cfg), *named_paths(cfg)]
    claim_outputs([("--out", path) for path in outputs(args.out, args.split)], read)
    folder = output_folder(cfg, experiment)
    for file in export_net(
        cfg, folder, args.out, frames=frames, precision=args.precision, split=args.split, force=args.force
    ):
        times = f"{1000 * file.seconds:.0f} ms, PyTorch {1000 * file.eager_seconds:.0f} ms"
        print(f"{file.path}: differs from PyTorch by {file.error:.0e} of the largest value; one sample: {times}")


if __name__ == "__main__":
    run(main)
