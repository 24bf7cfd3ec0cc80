"""`Trainer`: the state of a training, which can be saved and resumed, and the loop over epochs."""

import math
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from yacs.config import CfgNode

from lib.core.optimizer import build_optimizer, build_warm_up
from lib.models import build_model


class AfterEpoch(Protocol):
    """Hook that `Trainer.fit` calls after each epoch."""

    def __call__(self, record: dict[str, Any], *, is_best: bool, is_last: bool) -> None:
        """Process a complete epoch.

        Args:
            record: Record of the epoch, the last in `Trainer.history`.
            is_best: True if no earlier epoch has an equal or higher score. Without scores, it is True for all epochs.
            is_last: True if the training ends with this epoch.
        """


class Trainer:
    """Net with its optimizer, schedules and history.

    Args:
        net: Net, on its device.
        optimizer: Optimizer of the parameters of the net.
        schedule: Schedule of the learning rate that steps after each epoch.
        warm_up: Schedule of the learning rate that steps after each iteration, if any.
        scaler: Scaler of the loss for float16, if any.
        ema_decay: Decay of the exponential moving average of the weights; 0: no average.
        epoch: First epoch.

    Attributes:
        epoch: Current or next epoch.
        iteration: Number of iterations of this epoch that are done.
        reports: Reports of an unfinished epoch in each process, as stored in the state; empty between epochs.
        best: Highest score so far; −inf before the first.
        history: Record of each epoch: `epoch`, `lr`, the result of its training, and `test` if it was evaluated.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: optim.Optimizer,
        schedule: optim.lr_scheduler.LRScheduler,
        *,
        warm_up: optim.lr_scheduler.LRScheduler | None = None,
        scaler: torch.amp.GradScaler | None = None,
        ema_decay: float = 0.0,
        epoch: int = 0,
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.schedule = schedule
        self.warm_up = warm_up
        self.scaler = scaler
        self.average: AveragedModel | None = None
        if ema_decay:
            update = get_ema_multi_avg_fn(ema_decay)  # type: ignore[no-untyped-call]  # not annotated
            self.average = AveragedModel(net, multi_avg_fn=update, use_buffers=True)
        self.epoch = epoch
        self.iteration = 0
        self.reports: list[dict[str, Any]] = []
        self.best = -math.inf
        self.history: list[dict[str, Any]] = []

    @property
    def rate(self) -> float:
        """Learning rate of the next iteration."""
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    @property
    def result(self) -> nn.Module:
        """Net to test and to save: the averaged net if there is one, otherwise the trained net."""
        return self.average.module if self.average else self.net

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss to call `backward` on, scaled for float16.

        Args:
            loss: Scalar loss.
        """
        scaled: torch.Tensor = self.scaler.scale(loss) if self.scaler else loss
        return scaled

    def step(self, max_norm: float = 0.0) -> None:
        """Update the weights and their average from the gradients, and step the warm-up.

        Args:
            max_norm: Norm to which larger gradients are scaled down; 0 turns clipping off.
        """
        if self.scaler and max_norm:
            self.scaler.unscale_(self.optimizer)
        if max_norm:
            parameters = (parameter for group in self.optimizer.param_groups for parameter in group["params"])
            nn.utils.clip_grad_norm_(parameters, max_norm)
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        if self.average:
            self.average.update_parameters(self.net)
        if self.warm_up:
            self.warm_up.step()

    def fit(
        self,
        train_epoch: Callable[[int], dict[str, Any]],
        end_epoch: int,
        *,
        evaluate: Callable[[], dict[str, Any]] | None = None,
        evaluate_every: int = 1,
        after_epoch: AfterEpoch,
    ) -> None:
        """Train from the current epoch up to `end_epoch`.

        Args:
            train_epoch: Function that trains the net for the remaining iterations of the epoch of a number and returns
                its record.
            end_epoch: Epoch to stop before.
            evaluate: Function that tests the net and returns the result, with `score` if it was scored; None: no tests.
            evaluate_every: Number of epochs between tests; the last epoch is always tested.
            after_epoch: Called after each epoch, when `state_dict` includes it.
        """
        for epoch in range(self.epoch, end_epoch):
            record = {"epoch": epoch} | train_epoch(epoch)
            record["lr"] = self.rate
            is_last = epoch + 1 == end_epoch
            is_best = evaluate is None
            if evaluate and (is_last or (epoch + 1) % evaluate_every == 0):
                record["test"] = evaluate()
                is_best = self._is_best(record["test"].get("score"))
            with warnings.catch_warnings():  # about an epoch that was resumed at its end
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
                self.schedule.step()
            self.epoch, self.iteration, self.reports = epoch + 1, 0, []
            self.history.append(record)
            after_epoch(record, is_best=is_best, is_last=is_last)

    def _is_best(self, score: float | None) -> bool:
        if score is None or math.isnan(score):
            return self.best == -math.inf  # no earlier score to compare with
        if score <= self.best:
            return False
        self.best = score
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the complete state of the training as tensors, numbers, strings, lists and dicts."""
        return {
            "epoch": self.epoch,
            "iteration": self.iteration,
            "reports": self.reports,
            "state_dict": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "warm_up": self.warm_up.state_dict() if self.warm_up else None,
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "average": self.average.module.state_dict() if self.average else None,
            "num_averaged": int(self.average.n_averaged) if self.average else 0,
            "best": self.best,
            "history": self.history,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a training.

        A scaler or an average that the state lacks keeps its initial state. A state without `iteration` and `reports`,
        of an older version, is one between epochs.

        Args:
            state: Dictionary returned by `state_dict`.

        Raises:
            KeyError: An entry of the state is missing.
            RuntimeError: The tensors do not fit the net.
            TypeError: An entry has the wrong type.
            ValueError: The state of the optimizer does not fit its parameters.
        """
        self.net.load_state_dict(state["state_dict"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.warm_up:
            self.warm_up.load_state_dict(state["warm_up"])
        if self.scaler and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        if self.average and state.get("average"):
            self.average.module.load_state_dict(state["average"])
            self.average.n_averaged.fill_(state["num_averaged"])
        self.epoch, self.best, self.history = state["epoch"], state["best"], list(state["history"])
        self.iteration, self.reports = state.get("iteration", 0), state.get("reports", [])


def build_trainer(cfg: CfgNode, device: torch.device) -> Trainer:
    """Return the trainer of an experiment, with a net of random weights.

    Args:
        cfg: The experiment.
        device: Device of the net.
    """
    net = build_model(cfg)
    if cfg.TRAIN.SYNC_BN:
        _synchronize_batch_norm(net, cfg.MODEL.FREEZE_POSE_NET)
    net.to(device).to(memory_format=torch.channels_last)
    optimizer, schedule = build_optimizer(cfg, net)
    return Trainer(
        net,
        optimizer,
        schedule,
        warm_up=build_warm_up(cfg, optimizer),
        scaler=torch.amp.GradScaler(device.type) if cfg.TRAIN.PRECISION == "fp16" else None,
        ema_decay=cfg.TRAIN.EMA,
        epoch=cfg.TRAIN.BEGIN_EPOCH,
    )


def _synchronize_batch_norm(net: nn.Module, freeze_pose_net: bool) -> None:
    """Convert trained BatchNorm layers so that they compute statistics over the batches of all processes."""
    for name, child in net.named_children():
        if not (freeze_pose_net and name == "pose_net"):
            # PyTorch does not annotate the conversion.
            setattr(net, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]
