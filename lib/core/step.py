"""One step of the optimizer, over one or more batches of clips."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from lib.core.loss import accuracy
from lib.core.report import EpochReport
from lib.core.strategies import Strategy
from lib.core.trainer import Trainer
from lib.dataset.clips import Clips
from lib.pose.pixels import normalize
from lib.utils.precision import autocast

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Function from heatmaps (B, J, h, w), targets (B, J, h, w) and target weights (B, J, 1) to a scalar."""


@dataclass(frozen=True)
class StepOptions:
    """Precision, accumulation and clipping of a step.

    Attributes:
        dtype: Dtype of convolutions and matrix products. Types other than float32 use autocast.
        accumulate: Number of batches whose gradients are averaged for one step.
        max_norm: Norm to which larger gradients are scaled down; 0 turns clipping off.
    """

    dtype: torch.dtype = torch.float32
    accumulate: int = 1
    max_norm: float = 0.0


class TrainingStep:
    """One step of training.

    Args:
        net: Net of the trainer, or a wrapper with the same outputs, such as DistributedDataParallel.
        trainer: Trainer of the net, with the optimizer.
        strategy: Function from the frames of a clip to heatmaps.
        loss: Loss of heatmaps and targets.
        device: Device of the net.
        options: Precision, accumulation and clipping; None: the defaults.
    """

    def __init__(
        self,
        net: nn.Module,
        trainer: Trainer,
        *,
        strategy: Strategy,
        loss: Loss,
        device: torch.device,
        options: StepOptions | None = None,
    ) -> None:
        self.net = net
        self.trainer = trainer
        self.strategy = strategy
        self.loss = loss
        self.device = device
        self.options = options or StepOptions()

    def __call__(self, batches: Sequence[Clips], report: EpochReport) -> None:
        """Take one step with the mean gradient of all clips.

        Args:
            batches: At most `accumulate` batches of clips.
            report: Report of the epoch, to which the batches are added.

        Raises:
            FloatingPointError: The loss is not finite.
        """
        self.trainer.optimizer.zero_grad(set_to_none=True)
        total = sum(len(clips.frames) for clips in batches)
        for clips in batches:
            is_last = clips is batches[-1]
            # Processes exchange their gradients only in the last batch.
            with nullcontext() if is_last else getattr(self.net, "no_sync", nullcontext)():
                self._add_gradient(clips, len(clips.frames) / total, report)
        self.trainer.step(self.options.max_norm)

    def _add_gradient(self, clips: Clips, share: float, report: EpochReport) -> None:
        frames, targets, weights = (
            tensor.to(self.device, non_blocking=True) for tensor in (clips.frames, clips.targets, clips.target_weights)
        )
        with autocast(self.device, self.options.dtype):
            heatmaps = self.strategy(self.net, normalize(frames), targets)
        heatmaps = heatmaps.float()
        loss = self.loss(heatmaps, targets, weights)
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite")
        torch.autograd.backward(self.trainer.scale(loss * share))
        report.loss.add(loss.item(), len(frames))
        report.accuracy.add(accuracy(heatmaps.detach(), targets), len(frames))
        report.replaced += int(torch.as_tensor(clips.replaced).sum())
