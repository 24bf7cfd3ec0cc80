"""Train an experiment's net: stage 1 on single frames, stage 2 (the warping head) on pairs of frames."""

import argparse
import logging
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401 (first: makes lib importable)

from lib.config import add_force, output_folder, parse_arguments
from lib.utils.errors import run
from lib.utils.files import check_writable, refuse_inputs
from lib.utils.logging import log_to_terminal

logger = logging.getLogger("train")


def main() -> None:
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)

    from lib.core.predictor import build_predictor  # after the arguments: PyTorch takes seconds
    from lib.core.run import build_run
    from lib.core.training import build_training, build_training_data, check_trainable
    from lib.core.training_run import TrainingRun
    from lib.evaluation.scoring import format_result
    from lib.evaluation.tester import build_tester

    check_trainable(cfg)
    files = TrainingRun(output_folder(cfg, experiment))
    written = [("training writes", path) for path in (files.final, files.best, files.checkpoint)]
    refuse_inputs(written, [("MODEL.PRETRAINED", cfg.MODEL.PRETRAINED or None)])
    checkpoint = files.find_checkpoint(cfg.AUTO_RESUME, cfg.TRAIN.RESUME, cfg.TRAIN.CHECKPOINT)
    with build_run(cfg, experiment, "train") as this:
        if this.is_first:
            check_writable(this.folder)
        training = build_training(cfg, this, checkpoint, args.force)
        if training.is_done:
            if this.is_first:
                training.finish()
            return
        loader = build_training_data(cfg, this)
        tester = build_tester(cfg, this.folder, this.process) if cfg.TEST.EVALUATE else None

        def evaluate() -> dict[str, Any]:
            result = tester.run(build_predictor(cfg, training.trainer.net, this.device, this.process), "training")
            if "table" in result:
                logger.info("\n%s", format_result(cfg.DATASET.DATASET, result))
            return {"mode": cfg.TEST.MODE, "table": result.get("table"), "score": result.get("score")}

        log_dir = Path(cfg.LOG_DIR, *this.folder.parts[-3:])
        training.fit(loader, log_dir, evaluate if tester else None)


if __name__ == "__main__":
    run(main)
