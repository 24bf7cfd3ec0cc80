"""Complete training of an experiment with its tests, for tools/train.py and the stages of tools/label_video.py."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config import named_paths, output_folder
from lib.config.changes import changes_of_run
from lib.core.origin import build_resumption, check_pretrained
from lib.core.predictor import build_predictor
from lib.core.run import Run, build_run
from lib.core.trainer import Trainer
from lib.core.training import build_training, build_training_data
from lib.core.training_files import TrainingFiles
from lib.evaluation.scoring import format_result
from lib.evaluation.submission import check_predictions
from lib.evaluation.tester import Tester, build_tester
from lib.utils.files import check_writable, claim_outputs, refuse_inputs

logger = logging.getLogger(__name__)

TESTS = "training"  # name of the tests in a training


def train_experiment(cfg: CfgNode, experiment: str, force: bool = False) -> Path:
    """Train an experiment, or resume its training.

    Args:
        cfg: The experiment.
        experiment: Name of the experiment.
        force: Accept a checkpoint or weights of other settings.

    Returns:
        Path to the final weights.

    Raises:
        InputError: Data or weights are missing or broken, a run in the folder has other settings, or another process
            is training in the folder.
    """
    files = TrainingFiles(output_folder(cfg, experiment))
    written = [("training writes", path) for path in (files.final, files.best, files.checkpoint, files.previous)]
    refuse_inputs(written, [("MODEL.PRETRAINED", cfg.MODEL.PRETRAINED or None)])
    checkpoint = files.find_checkpoint(
        cfg.AUTO_RESUME,
        cfg.TRAIN.RESUME,
        cfg.TRAIN.CHECKPOINT,
        lambda config: bool(config) and not changes_of_run(config, cfg),
    )
    resumption = build_resumption(cfg, files, checkpoint, force) if checkpoint else None  # before the log file exists
    with build_run(cfg, experiment, "train", exclusive=True) as run:
        if run.is_main_process:
            check_writable(run.folder)
            if cfg.TEST.EVALUATE:
                check_predictions(run.folder / "predictions" / TESTS, named_paths(cfg))
            if cfg.TRAIN.PROFILE:
                claim_outputs([("TRAIN.PROFILE writes", files.trace)])
        if not resumption:
            check_pretrained(cfg.MODEL.PRETRAINED)
        loader = build_training_data(cfg, run)  # before the net: missing files are reported at once
        tester = build_tester(cfg, run.folder, run.process) if cfg.TEST.EVALUATE else None
        training = build_training(cfg, run, resumption, force)
        if training.is_done:
            if run.is_main_process:
                training.finish()
            return files.final
        evaluate = _build_evaluation(cfg, run, training.trainer, tester) if tester else None
        training.fit(loader, Path(cfg.LOG_DIR, *run.folder.parts[-3:]), evaluate)
    return files.final


def _build_evaluation(cfg: CfgNode, run: Run, trainer: Trainer, tester: Tester) -> Callable[[], dict[str, Any]]:
    """Return a function that tests the current net of a training."""

    def evaluate() -> dict[str, Any]:
        result = tester.run(build_predictor(cfg, trainer.result, run.device, process=run.process), TESTS)
        if "table" in result:
            logger.info("\n%s", format_result(cfg.DATASET.DATASET, result))
        return {"mode": cfg.TEST.MODE, "table": result.get("table"), "score": result.get("score")}

    return evaluate
