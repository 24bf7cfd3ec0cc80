"""The remaining time that a training logs."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lib.core import training
from lib.core.report import EpochReport
from lib.core.run import Run
from lib.core.step import StepOptions


@pytest.mark.parametrize(("iterations", "line"), [(3, "about 6.0 minutes"), (50, "about 130.0 minutes")])
def test_the_remaining_time_is_logged(monkeypatch, caplog, tmp_path, iterations, line):
    """Three epochs of one minute per iteration, the first of them under way."""

    def train_epoch(step, loader, count, each):
        report = EpochReport()
        for iteration in range(count):
            report.seconds = 60.0 * (iteration + 1)
            each(iteration, report)
        return report

    monkeypatch.setattr(training, "train_epoch", train_epoch)
    step = SimpleNamespace(trainer=SimpleNamespace(optimizer=None, warm_up=None, rate=0.1), options=StepOptions())
    options = training.TrainingOptions(end_epoch=3, max_iterations=30000)
    run = Run(folder=Path(tmp_path), device=torch.device("cpu"), process=(1, 2), config="", inference_precision="fp32")
    own = training.Training(step, options, run=run, origin=None, about={})
    with caplog.at_level(logging.INFO):
        own._epoch(range(iterations), 0)
    assert line in caplog.text
