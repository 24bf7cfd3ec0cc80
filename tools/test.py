"""Run an experiment's net on the people of a test set, write its submission and score it."""

import argparse
import logging
from pathlib import Path

import _init_paths  # noqa: F401 (first: makes lib importable)
from _testing import add_force, check_predictions, find_weights, load_net, run_test, will_score

from lib.config import parse_arguments
from lib.dataset import build_test_set
from lib.evaluation.scoring import format_result
from lib.utils.device import choose_device, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.errors import InputError, run
from lib.utils.files import write_json
from lib.utils.logging import log_to_file, log_to_terminal, to_log_file
from lib.utils.provenance import describe_run, log_header

logger = logging.getLogger("test")


def main() -> None:
    log_to_terminal(local_rank())
    parser = argparse.ArgumentParser(description=__doc__)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)
    if cfg.TEST.MODE == "propagate":
        raise InputError("TEST.MODE propagate: tools/propagate.py does that")
    folder = Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    device = choose_device(cfg.GPUS, local_rank())
    with processes(device) as process:
        if process[0] == 0:
            logger.info("%s", log_to_file(folder, experiment, f"test-{cfg.TEST.MODE}", header=log_header(cfg.dump())))
            check_predictions(cfg, folder / "predictions" / cfg.TEST.MODE)
        make_reproducible(
            cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED, cfg.CUDNN.ALLOW_TF32
        )
        find_weights(cfg, folder)  # raises, before data are read
        test_set = build_test_set(cfg)
        scorable = will_score(cfg, test_set)
        net, forced = load_net(cfg, folder, device, args.force)
        result = run_test(cfg, net, device, test_set, folder, process, cfg.TEST.MODE, scorable)
        if process[0] > 0:
            return

    result |= {"forced": forced, **describe_run(device, cfg.dump())}
    path = folder / f"result-{cfg.TEST.MODE}.json"
    write_json(path, result, indent=True)
    logger.info("result: %s", path)
    if "table" in result:
        print(format_result(cfg.DATASET.DATASET, result))
        to_log_file(format_result(cfg.DATASET.DATASET, result))


if __name__ == "__main__":
    run(main)
