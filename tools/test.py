"""Run an experiment's net on the people of a test set, write its submission and score it.

python tools/test.py --cfg experiments/posetrack/hrnet/w48_384x288_adam_lr1e-4.yaml TEST.MODEL_FILE weights.pth

Predictions and the result go to OUTPUT_DIR/<data set>/<net>/<experiment>/.
"""

import argparse
import logging

import _init_paths  # noqa: F401 (first: makes lib importable)

from lib.config import add_force, named_paths, parse_arguments
from lib.utils.errors import InputError, run
from lib.utils.files import sha256, write_json
from lib.utils.logging import log_to_terminal, to_log_file

logger = logging.getLogger("test")


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)
    mode = cfg.TEST.MODE
    if mode == "propagate":
        raise InputError("TEST.MODE propagate: use tools/propagate.py")

    from lib.core.predictor import build_predictor  # after the arguments: PyTorch takes seconds
    from lib.core.run import build_run
    from lib.core.trained_model import build_trained_model, build_weights_path
    from lib.evaluation.result_files import check_result
    from lib.evaluation.scoring import format_result
    from lib.evaluation.submission import check_predictions
    from lib.evaluation.tester import build_tester
    from lib.tracking.people import build_people_tracker

    with build_run(cfg, experiment, f"test-{mode}") as test:
        path = test.folder / f"result-{mode}.json"
        if test.is_main_process:
            check_predictions(test.folder / "predictions" / mode, named_paths(cfg))
            check_result(path, test.config)
        weights = sha256(build_weights_path(cfg, test.folder))  # raises, before data are read
        tester = build_tester(cfg, test.folder, test.process, tracking=cfg.TEST.TRACKING)
        net, forced = build_trained_model(cfg, test.folder, test.device, args.force)
        track = build_people_tracker(cfg, net, test.device, tester)
        result = tester.run(build_predictor(cfg, net, test.device, process=test.process), mode, track)
        if not test.is_main_process:
            return
        write_json(path, result | {"weights_sha256": weights} | test.describe(forced), indent=True)
        logger.info("result: %s", path)
        if "table" in result:
            table = format_result(cfg.DATASET.DATASET, result)
            print(table)
            to_log_file(table)


if __name__ == "__main__":
    run(main)
