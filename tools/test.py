"""Run an experiment's net on the people of a test set, write PoseTrack's submission and score it."""

import argparse
import logging
from pathlib import Path

import _init_paths  # noqa: F401 (first: makes lib importable)
import torch
from _testing import run_test

from lib.config import parse_arguments
from lib.dataset import build_test_set
from lib.evaluation.posetrack import format_table
from lib.formats import posetrack17, posetrack18
from lib.models import build_model
from lib.utils.checkpoint import load_weights
from lib.utils.device import choose_device, describe, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.errors import InputError, run
from lib.utils.files import atomic_folder, check_writable, write_json
from lib.utils.logging import log_to_file, log_to_terminal, to_log_file

logger = logging.getLogger("test")


def main() -> None:
    log_to_terminal(local_rank())
    cfg, experiment, _ = parse_arguments(argparse.ArgumentParser(description=__doc__))
    if cfg.TEST.MODE == "propagate":
        raise InputError("TEST.MODE propagate: tools/test.py tests single, pair, aggregate and average")
    folder = Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    device = choose_device(cfg.GPUS, local_rank())
    with processes(device) as process:
        if process[0] == 0:
            logger.info("%s", log_to_file(folder, experiment, f"test-{cfg.TEST.MODE}", header=cfg.dump()))
            check_writable(folder / "predictions" / cfg.TEST.MODE)
        make_reproducible(cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED)
        test_set = build_test_set(cfg)
        net = build_model(cfg).to(device, memory_format=torch.channels_last)
        weights = Path(cfg.TEST.MODEL_FILE or folder / "final_state.pth")
        if not cfg.TEST.MODEL_FILE and not weights.exists():
            raise InputError(f"TEST.MODEL_FILE is not set, and {weights}, which training leaves, is not there")
        report = load_weights(net, weights)
        logger.info("%s", report)
        report.raise_if_incomplete()
        videos, result = run_test(cfg, net.eval(), device, test_set, folder, process)
        if process[0] > 0:
            return

    predictions = folder / "predictions" / cfg.TEST.MODE / test_set.split
    write = posetrack17.write if cfg.DATASET.DATASET == "posetrack17" else posetrack18.write
    with atomic_folder(predictions) as temporary:
        for video in videos:
            write(temporary / f"{video.name}.json", video)
    logger.info("submission: %d files in %s", len(videos), predictions)
    result |= {"versions": describe(device), "config": cfg.dump()}
    path = folder / f"result-{cfg.TEST.MODE}.json"
    write_json(path, result, indent=1)
    logger.info("result: %s", path)
    if "table" in result:
        print(format_table(result))
        to_log_file(format_table(result))


if __name__ == "__main__":
    run(main)
