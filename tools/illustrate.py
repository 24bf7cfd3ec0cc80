"""Illustrate what a PoseWarper learned: curves, heatmaps before and after the warp, a test video with poses.

python tools/illustrate.py --cfg experiments/synthetic/demo/posewarper.yaml --out pictures TEST.MODEL_FILE net.pth
"""

import argparse
import logging
from pathlib import Path

import _init_paths  # noqa: F401

from lib.config import add_force, named_paths, output_folder, parse_arguments
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal

logger = logging.getLogger("illustrate")

CURVES, WARP, LOOP, POSES = "curves.png", "warp.png", "warp.gif", "poses.mp4"


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help=f"folder for {CURVES}, {WARP}, {LOOP} and {POSES}")
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)
    if cfg.TEST.MODE != "aggregate":
        raise InputError(f"TEST.MODE is {cfg.TEST.MODE}, but pictures show an aggregation; set TEST.MODE aggregate")
    pictures = [("--out", args.out / name) for name in (CURVES, WARP, LOOP, POSES)]
    claim_outputs(pictures, [("--cfg", args.cfg), *named_paths(cfg)])

    from lib.core.trained_model import build_trained_model  # after the arguments: PyTorch takes seconds
    from lib.models import PoseWarper
    from lib.utils.device import choose_device
    from lib.visualization.illustrations import build_illustrator, read_histories
    from lib.visualization.plots import animate_warp, plot_curves, plot_warps

    folder = output_folder(cfg, experiment)
    device = choose_device(cfg.GPUS, 0)
    net, _ = build_trained_model(cfg, folder, device, args.force)
    assert isinstance(net, PoseWarper)  # TEST.MODE aggregate needs one
    illustrator = build_illustrator(cfg, net, device)

    histories = read_histories({"stage 1": Path(cfg.MODEL.PRETRAINED).parent, "stage 2": folder})
    if histories:
        plot_curves(histories, args.out / CURVES)
    examples = illustrator.find_examples()
    if examples:
        plot_warps(examples, args.out / WARP)
        animate_warp(examples[0], args.out / LOOP)
    else:
        logger.info("no picture of the warp: there is no joint that only five warped frames find")
    illustrator.render_video(args.out / POSES)
    logger.info("pictures in %s", args.out)


if __name__ == "__main__":
    run(main)
