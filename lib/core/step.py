"""Steps of the optimizer, each over one or more batches of clips, and an epoch of them."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
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
from lib.utils.distributed import highest
from lib.utils.interrupts import block_signals
from lib.utils.precision import autocast, choose_precision, dtype_of

MAX_SKIPPED = 10
"""Number of steps in a row that may be skipped. If more losses are not finite, the weights have diverged."""


class NotFiniteError(Exception):
    """Error for a loss that is not finite.

    Attributes:
        clips: Indices of the clips of this process whose own loss is not finite.
    """

    def __init__(self, clips: Sequence[int]) -> None:
        super().__init__("the loss is not finite")
        self.clips = clips


@dataclass(frozen=True)
class StepOptions:
    """Precision, accumulation, clipping and random numbers of a step.

    Attributes:
        dtype: Dtype of convolutions and matrix products. Types other than float32 use autocast.
        accumulate: Number of batches whose gradients are averaged for one step.
        max_norm: Norm to which larger gradients are scaled down; 0 turns clipping off.
        skip: Skip a step whose loss is not finite, in all processes.
        seed: Seeds, such as that of the training and the rank of the process, from which the random numbers of each
            step are drawn, so that a resumed training draws the same ones.
    """

    dtype: torch.dtype = torch.float32
    accumulate: int = 1
    max_norm: float = 0.0
    skip: bool = False
    seed: tuple[int, ...] = (0,)


class TrainingStep:
    """One step of training.

    Args:
        net: Net of the trainer, or a wrapper with the same outputs, such as DistributedDataParallel.
        trainer: Trainer of the net, with the optimizer.
        strategy: Function from the frames of a clip to heatmaps.
        loss: Loss of heatmaps and targets.
        device: Device of the net.
        options: Precision, accumulation and clipping; None: the defaults.

    Attributes:
        failures: Number of steps since the last one whose loss was finite.
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
        self.failures = 0

    def __call__(self, batches: Sequence[Clips], report: EpochReport) -> None:
        """Take one step with the mean gradient of all clips.

        Args:
            batches: At most `accumulate` batches of clips.
            report: Report of the epoch, to which the batches are added.

        Raises:
            NotFiniteError: The loss is not finite. If such steps are skipped, all processes raise the error, and the
                net and the report are as before.
        """
        self._seed()
        self.trainer.optimizer.zero_grad(set_to_none=True)
        # The forward pass changes BatchNorm's statistics.
        saved = [(buffer, buffer.clone()) for buffer in self.trainer.net.buffers()] if self.options.skip else []
        total, means = sum(len(clips.frames) for clips in batches), []
        try:
            for clips in batches:
                is_last = clips is batches[-1]
                # Processes exchange their gradients only in the last batch.
                with nullcontext() if is_last else getattr(self.net, "no_sync", nullcontext)():
                    means.append(self._add_gradient(clips, len(clips.frames) / total))
        except NotFiniteError:
            for buffer, before in saved:
                buffer.copy_(before)
            self.failures += 1
            raise
        self.failures = 0
        self.trainer.step(self.options.max_norm)
        for clips, (loss, share) in zip(batches, means, strict=True):
            report.loss.add(loss, len(clips.frames))
            report.accuracy.add(share, len(clips.frames))
            report.replaced += int(torch.as_tensor(clips.replaced).sum())
            report.damaged += int(torch.as_tensor(clips.damaged).sum())
        self.trainer.iteration += 1

    def _seed(self) -> None:
        """Seed the random numbers of the net's layers."""
        entropy = (*self.options.seed, self.trainer.epoch, self.trainer.iteration)
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))

    def _add_gradient(self, clips: Clips, share: float) -> tuple[float, float]:
        """Add the gradient of a batch, and return its loss and accuracy."""
        frames, targets, weights = (
            tensor.to(self.device, non_blocking=True) for tensor in (clips.frames, clips.targets, clips.target_weights)
        )
        with autocast(self.device, self.options.dtype):
            heatmaps = self.strategy(self.net, normalize(frames), targets)
        heatmaps = heatmaps.float()
        loss = self.loss(heatmaps, targets, weights)
        is_finite = bool(torch.isfinite(loss))
        if self.options.skip:  # in all processes, which would wait for the gradient of this one otherwise
            is_finite = not highest([not is_finite], self.device)[0]
        if not is_finite:
            losses = map(self.loss, *(tensor.unsqueeze(1) for tensor in (heatmaps, targets, weights)))  # of each clip
            indices = zip(torch.as_tensor(clips.index).tolist(), losses, strict=True)
            raise NotFiniteError([index for index, of_clip in indices if not torch.isfinite(of_clip)])
        torch.autograd.backward(self.trainer.scale(loss * share))
        return loss.item(), accuracy(heatmaps.detach(), targets)


def train_epoch(
    step: TrainingStep,
    loader: Iterable[Clips],
    iterations: int,
    *,
    report: EpochReport,
    after_step: Callable[[], None],
    on_skip: Callable[[NotFiniteError], None],
) -> None:
    """Train the remaining steps of an epoch: on each clip once, or on as many clips as `iterations` steps take.

    Args:
        step: Step of the optimizer. The `iteration` of its trainer is the number of steps that are done.
        loader: Remaining batches of labeled clips. Each step takes `step.options.accumulate` of them, and the last step
            takes what remains.
        iterations: Maximum number of steps of the epoch.
        report: Report of the epoch so far, to which the steps are added.
        after_step: Called after each step.
        on_skip: Called if a step was skipped.

    Raises:
        NotFiniteError: The loss is not finite, and steps are not skipped or too many were skipped in a row.
    """
    step.net.train()
    trainer = step.trainer
    start = waiting = time.perf_counter()
    earlier = report.seconds
    with block_signals():
        batches = iter(loader)
    while trainer.iteration < iterations and (clips := list(islice(batches, step.options.accumulate))):
        report.data_seconds += time.perf_counter() - waiting
        try:
            step(clips, report)
        except NotFiniteError as error:
            if not step.options.skip or step.failures > MAX_SKIPPED:
                raise
            report.skipped += 1
            on_skip(error)
            trainer.iteration += 1
        report.seconds = earlier + time.perf_counter() - start
        report.peak_memory = peak_memory(step.device)
        after_step()
        waiting = time.perf_counter()


def build_step(cfg: CfgNode, trainer: Trainer, device: torch.device, rank: int = 0) -> TrainingStep:
    """Return the training step of an experiment.

    Args:
        cfg: The experiment.
        trainer: Trainer of its net. A frozen pose net must have its weights already.
        device: Device of the net.
        rank: Rank of this process.
    """
    dtype = dtype_of(choose_precision("TRAIN.PRECISION", cfg.TRAIN.PRECISION, device))
    return TrainingStep(
        trainer.net,
        trainer,
        strategy=_build_strategy(trainer.net, dtype),
        loss=build_loss(cfg, device),
        device=device,
        options=StepOptions(
            dtype,
            cfg.TRAIN.ACCUMULATE,
            cfg.TRAIN.CLIP_GRADIENT,
            skip=cfg.TRAIN.NOT_FINITE == "skip",
            seed=(cfg.SEED, rank),
        ),
    )


def _build_strategy(net: nn.Module, dtype: torch.dtype) -> Strategy:
    if not isinstance(net, PoseWarper):
        return single
    if not net.freeze_pose_net:
        return pair
    return partial(pair, pose_net=frozen_estimator(net.pose_net, dtype))
