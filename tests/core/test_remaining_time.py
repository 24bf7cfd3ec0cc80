"""The remaining time that a training logs."""

import logging
from types import SimpleNamespace

import pytest

from lib.core.epoch_log import epoch_log
from lib.core.report import EpochReport


@pytest.mark.parametrize(
    ("iterations", "done", "line"),
    [(3, 0, "about 6 minutes"), (50, 0, "about 130 minutes"), (50, 10, "about 120 minutes"), (50, 49, "100 minutes")],
)
def test_the_remaining_time_is_logged(caplog, iterations, done, line):
    """Three epochs of one minute per iteration, the first of them under way."""
    trainer, report = SimpleNamespace(epoch=0, iteration=done, rate=0.1), EpochReport()
    options = {"iterations": iterations, "end_epoch": 3, "print_every": 20, "show": False}
    with caplog.at_level(logging.INFO), epoch_log(trainer, report, **options) as after_iteration:
        for trainer.iteration in range(done + 1, iterations + 1):
            report.seconds = 60.0 * trainer.iteration
            after_iteration()
    assert line in caplog.text
    assert caplog.text.count("minutes to the end") == 1
