"""Steps of the optimizer, each over one or more batches of clips, and an epoch of them."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import nn
from yacs.config import CfgNode

from lib.core.frozen import frozen_estimator
from lib.core.loss import Loss, accuracy, build_loss
from lib.core.report import EpochReport
from lib.core.strategies import Strategy, pair, single
from lib.core.trainer import Trainer
from lib.dataset.clips import Clips
from lib.models import PoseWarper
from lib.pose.pixels import normalize
from lib.utils.device import peak_memory
from lib.utils.precision import autocast, dtype_of


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


def train_epoch(
    step: TrainingStep,
    loader: Iterable[Clips],
    iterations: int,
    after_step: Callable[[int, EpochReport], None],
) -> EpochReport:
    """Train on each clip once, or on as many clips as `iterations` steps take.

    Args:
        step: Step of the optimizer.
        loader: Batches of labeled clips. Each step takes `step.options.accumulate` of them, and the last step takes the
            remaining ones.
        iterations: Maximum number of steps.
        after_step: Called after each step with its number and the current report.

    Returns:
        Report of the epoch.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    step.net.train()
    report, start = EpochReport(), time.perf_counter()
    waiting, batches = start, iter(loader)
    for iteration in range(iterations):
        clips = list(islice(batches, step.options.accumulate))
        if not clips:
            break
        report.data_seconds += time.perf_counter() - waiting
        step(clips, report)
        report.seconds = time.perf_counter() - start
        report.peak_memory = peak_memory(step.device)
        after_step(iteration, report)
        waiting = time.perf_counter()
    return report


def build_step(cfg: CfgNode, trainer: Trainer, device: torch.device) -> TrainingStep:
    """Return the training step of an experiment.

    Args:
        cfg: The experiment.
        trainer: Trainer of its net. A frozen pose net must have its weights already.
        device: Device of the net.
    """
    return TrainingStep(
        trainer.net,
        trainer,
        strategy=_build_strategy(cfg, trainer.net),
        loss=build_loss(cfg, device),
        device=device,
        options=StepOptions(dtype_of(cfg.TRAIN.PRECISION), cfg.TRAIN.ACCUMULATE, cfg.TRAIN.CLIP_GRADIENT),
    )


def _build_strategy(cfg: CfgNode, net: nn.Module) -> Strategy:
    if not isinstance(net, PoseWarper):
        return single
    if not net.freeze_pose_net:
        return pair
    return partial(pair, pose_net=frozen_estimator(net.pose_net, dtype_of(cfg.TRAIN.PRECISION)))
