"""A net in training: where it stands, as something that can be saved and resumed, and the loop over epochs."""

import math
from collections.abc import Callable
from typing import Any, Protocol

from torch import nn, optim


class AfterEpoch(Protocol):
    """A hook that `Trainer.fit` calls after each epoch.

    Args:
        record: the epoch's, which is the last of `Trainer.history`.
        is_best: no epoch before had a better score; without scores every epoch is.
        is_last: the training ends with it.
    """

    def __call__(self, record: dict[str, Any], *, is_best: bool, is_last: bool) -> None: ...


class Trainer:
    """A net and what trains it.

    Args:
        net: on its device.
        optimizer: of its parameters.
        schedule: steps after each epoch.
        warm_up: steps after each iteration; None: there is none.
        epoch: the first one.

    Attributes:
        epoch: the next one.
        best: the highest score so far, −inf before the first.
        history: a record for each epoch: `epoch`, `lr`, what its training tells, and `test` if it was evaluated.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: optim.Optimizer,
        schedule: optim.lr_scheduler.LRScheduler,
        *,
        warm_up: optim.lr_scheduler.LRScheduler | None = None,
        epoch: int = 0,
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.schedule = schedule
        self.warm_up = warm_up
        self.epoch = epoch
        self.best = -math.inf
        self.history: list[dict[str, Any]] = []

    @property
    def rate(self) -> float:
        """The learning rate of the next iteration."""
        return self.optimizer.param_groups[0]["lr"]

    def fit(
        self,
        train_epoch: Callable[[int], dict[str, Any]],
        end_epoch: int,
        *,
        evaluate: Callable[[], dict[str, Any]] | None = None,
        evaluate_every: int = 1,
        after_epoch: AfterEpoch,
    ) -> None:
        """Train from `epoch` up to `end_epoch`.

        Args:
            train_epoch: trains the net for the epoch of this number; returns what to record.
            end_epoch: the epoch to stop before.
            evaluate: tests the net; its result has `score` if it could be scored.
            evaluate_every: epochs from one test to the next; the last epoch is always tested.
            after_epoch: called when an epoch is complete: `state_dict` resumes after it.
        """
        for epoch in range(self.epoch, end_epoch):
            record = {"epoch": epoch} | train_epoch(epoch)
            record["lr"] = self.rate
            is_last = epoch + 1 == end_epoch
            is_best = evaluate is None
            if evaluate and (is_last or (epoch + 1) % evaluate_every == 0):
                record["test"] = evaluate()
                is_best = self._is_best(record["test"].get("score"))
            self.schedule.step()
            self.epoch = epoch + 1
            self.history.append(record)
            after_epoch(record, is_best=is_best, is_last=is_last)

    def _is_best(self, score: float | None) -> bool:
        if score is None or math.isnan(score):
            return self.best == -math.inf  # nothing better is known
        if score <= self.best:
            return False
        self.best = score
        return True

    def state_dict(self) -> dict[str, Any]:
        """All that training depends on, made of tensors, numbers, text, lists and dicts."""
        return {
            "epoch": self.epoch,
            "state_dict": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "warm_up": self.warm_up.state_dict() if self.warm_up else None,
            "best": self.best,
            "history": self.history,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was called.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: the state is of another net or optimizer.
        """
        self.net.load_state_dict(state["state_dict"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.warm_up:
            self.warm_up.load_state_dict(state["warm_up"])
        self.epoch, self.best, self.history = state["epoch"], state["best"], list(state["history"])
