"""What tools/train.py foretells of its end."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lib.config import load_config
from lib.core.train import EpochReport

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("iterations", "line"), [(3, "about 6.0 minutes"), (50, "about 130.0 minutes")])
def test_the_rest_is_foretold(monkeypatch, caplog, iterations, line):
    """Three epochs of one minute per iteration, the first of them under way."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import train

    def train_epoch(net, loader, strategy, loss, optimizer, device, count, each):
        report = EpochReport()
        for iteration in range(count):
            report.seconds = 60.0 * (iteration + 1)
            each(iteration, report)
        return report

    monkeypatch.setattr(train, "train_epoch", train_epoch)
    cfg = load_config(ROOT / "experiments/posetrack/hrnet/base_w48_384x288.yaml", ["TRAIN.END_EPOCH", "3"])
    trainer = SimpleNamespace(optimizer=None, warm_up=None, rate=0.1)
    with caplog.at_level(logging.INFO):
        train._epoch(cfg, trainer, None, range(iterations), torch.device("cpu"), 0, 1)
    assert line in caplog.text
