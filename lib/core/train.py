"""One epoch of training."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from lib.core.loss import accuracy
from lib.core.strategies import Strategy
from lib.dataset.clips import Clips
from lib.pose.pixels import normalise

logger = logging.getLogger(__name__)

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Heatmaps (B, J, h, w), targets (B, J, h, w) and their weights (B, J, 1) to a scalar."""


@dataclass
class Meter:
    """A running mean, weighted by the number of samples."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float, count: int) -> None:
        self.total += value * count
        self.count += count

    @property
    def mean(self) -> float:
        return self.total / max(1, self.count)


@dataclass
class EpochReport:
    """What an epoch came to.

    Attributes:
        loss, accuracy: means over its samples.
        replaced: frames that were not there and had the nearest ones stand in for them.
        seconds: of the whole epoch; data_seconds: of these, spent waiting for clips.
    """

    loss: Meter = field(default_factory=Meter)
    accuracy: Meter = field(default_factory=Meter)
    replaced: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0

    @property
    def speed(self) -> float:
        """Samples per second."""
        return self.loss.count / self.seconds if self.seconds else 0.0

    def record(self) -> dict[str, Any]:
        """Return the epoch's line of the history."""
        return {
            "loss": self.loss.mean,
            "accuracy": self.accuracy.mean,
            "samples": self.loss.count,
            "seconds": self.seconds,
            "data_seconds": self.data_seconds,
            "replaced_frames": self.replaced,
        }


def train_epoch(
    net: nn.Module,
    loader: DataLoader,
    strategy: Strategy,
    loss_function: Loss,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    max_iterations: int,
    each: Callable[[int, EpochReport], None],
) -> EpochReport:
    """Train on every clip once, or on as many batches as `max_iterations` allows.

    Args:
        net: on `device`.
        loader: batches of clips with labels.
        strategy: what the net makes of a clip.
        each: called after every iteration with its number and the report so far.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    net.train()
    report, start = EpochReport(), time.perf_counter()
    waiting = start
    for iteration, clips in enumerate(loader):
        if iteration == max_iterations:
            break
        report.data_seconds += time.perf_counter() - waiting
        _step(net, clips, strategy, loss_function, optimizer, device, report)
        report.seconds = time.perf_counter() - start
        each(iteration, report)
        waiting = time.perf_counter()
    return report


def _step(
    net: nn.Module,
    clips: Clips,
    strategy: Strategy,
    loss_function: Loss,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    report: EpochReport,
) -> None:
    frames, targets, weights = (
        tensor.to(device, non_blocking=True) for tensor in (clips.frames, clips.targets, clips.target_weights)
    )
    heatmaps = strategy(net, normalise(frames), targets)
    loss = loss_function(heatmaps, targets, weights)
    if not torch.isfinite(loss):
        raise FloatingPointError("the loss is not finite")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    report.loss.add(loss.item(), len(frames))
    report.accuracy.add(accuracy(heatmaps.detach(), targets), len(frames))
    report.replaced += int(clips.replaced.sum())
