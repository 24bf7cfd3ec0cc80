"""The folder of a training: its checkpoint, weights and history, and which of them to go on from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from lib.core.trainer import Trainer
from lib.utils.checkpoint import read_checkpoint, save_checkpoint, training_of, with_training
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, sha256
from lib.utils.provenance import command_line, commit, seconds


@dataclass
class Origin:
    """Where the net of a run comes from; its weights and results tell it.

    Attributes:
        starts: a record for each time that the run was begun or resumed: `epoch`, `command`, `commit`, number of
            `processes`, and `changed`, the keys that had another value before.
        pretrained: sha256 of the weights that it began with; None: random ones.
        seconds: that earlier starts took.
    """

    starts: list[dict[str, Any]] = field(default_factory=list)
    pretrained: str | None = None
    seconds: float = 0.0

    def add_start(self, epoch: int, processes: int, changed: Mapping[str, tuple[Any, Any]]) -> None:
        """Record that this process goes on from an epoch."""
        self.starts.append(
            {
                "epoch": epoch,
                "command": command_line(),
                "commit": commit(),
                "processes": processes,
                "changed": {key: list(values) for key, values in changed.items()},
            }
        )

    def changes(self, earlier: str, pretrained: str, processes: int) -> dict[str, tuple[Any, Any]]:
        """Compare what no key tells with the last start: the weights that the run began with, and the processes.

        Args:
            earlier: MODEL.PRETRAINED then; pretrained: now. Files that are there are compared by content.
            processes: their number now.

        Returns:
            name to the values before and now, of what is another.
        """
        changes: dict[str, tuple[Any, Any]] = {}
        now = sha256(Path(pretrained)) if pretrained and Path(pretrained).is_file() else None
        if now and self.pretrained:
            if now != self.pretrained:
                values = f"{earlier} (sha256 {self.pretrained[:8]}…)", f"{pretrained} (sha256 {now[:8]}…)"
                changes["MODEL.PRETRAINED"] = values
        elif earlier != pretrained:
            changes["MODEL.PRETRAINED"] = earlier, pretrained
        if (before := self.starts[-1]["processes"]) != processes:
            changes["number of processes"] = before, processes
        return changes

    def describe(self) -> dict[str, Any]:
        """All of it, with the time until now."""
        return {
            "starts": self.starts,
            "pretrained": self.pretrained,
            "seconds": round(self.seconds + seconds(), 3),
        }


@dataclass(frozen=True)
class TrainingRun:
    """What a training leaves in its folder.

    `checkpoint.pth` comes last: everything that belongs to its epoch is there before it.
    """

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """All that is needed to resume."""
        return self.folder / "checkpoint.pth"

    @property
    def best(self) -> Path:
        """Weights of the best epoch."""
        return self.folder / "model_best.pth"

    @property
    def final(self) -> Path:
        """Weights of the last epoch."""
        return self.folder / "final_state.pth"

    @property
    def history(self) -> Path:
        """A line of JSON for each epoch."""
        return self.folder / "history.jsonl"

    @property
    def result(self) -> Path:
        """The record of a finished training."""
        return self.folder / "result-train.json"

    def find_checkpoint(self, auto_resume: bool, resume: bool, given: str) -> Path | None:
        """The checkpoint to resume from; None: this is a new run.

        Args:
            auto_resume: AUTO_RESUME; resume: TRAIN.RESUME; given: TRAIN.CHECKPOINT.

        Raises:
            InputError: the keys contradict each other, or a new run would overwrite the one that is in the folder.
        """
        if given and not resume:
            raise InputError(
                f"TRAIN.CHECKPOINT is {given}, and TRAIN.RESUME is False: set it True to resume that training; "
                f"MODEL.PRETRAINED begins a new one with the weights of a file"
            )
        own, is_there = self.checkpoint, self.checkpoint.exists()
        if resume and not given and not is_there:
            raise InputError(
                f"TRAIN.RESUME is True, but TRAIN.CHECKPOINT names no file and {own} does not exist: "
                f"name a checkpoint.pth, or set TRAIN.RESUME False to begin a new run"
            )
        other = Path(given) if given and not self.is_own(given) else None
        if is_there and (auto_resume or (resume and not other)):
            return own
        if is_there:
            raise InputError(
                f"{own}: the folder holds a run already: AUTO_RESUME True resumes it; for a new run name another "
                f"(EXPERIMENT_NAME …) or move the folder away"
            )
        if self.final.exists():
            raise InputError(
                f"{self.final}: the folder holds a finished run, and without its checkpoint.pth it cannot be resumed; "
                f"for a new run name another (EXPERIMENT_NAME …) or move the folder away"
            )
        return other

    def is_own(self, path: str | Path) -> bool:
        """Whether a path names the checkpoint of this folder."""
        return Path(path).resolve() == self.checkpoint.resolve()

    def save(
        self, trainer: Trainer, training: dict[str, Any], *, is_best: bool, is_last: bool, checkpoint: bool
    ) -> None:
        """Write what belongs to the epoch that is complete.

        Args:
            training: how the net is trained, which goes with the weights.
            is_best: write model_best.pth; is_last: final_state.pth; checkpoint: checkpoint.pth.
        """
        self.write_history(trainer.history)
        if is_best:
            save_weights(self.best, trainer.result, training)
        if is_last:
            save_weights(self.final, trainer.result, training)
        if checkpoint or is_last:
            state = trainer.state_dict()
            with_training(state["state_dict"], training)
            save_checkpoint(self.checkpoint, state)

    def write_history(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Make the history these records."""
        with atomic_path(self.history) as temporary:
            temporary.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def save_weights(path: Path, net: nn.Module, training: dict[str, Any]) -> None:
    """Write a net's state dict, which tells how the net was trained."""
    save_checkpoint(path, with_training(net.state_dict(), training))


def read_training(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of a trainer, and how its net was trained, from a checkpoint.

    Raises:
        InputError: the file cannot be read, or holds something else, such as weights alone.
    """
    state = read_checkpoint(path)
    training = training_of(state.get("state_dict")) if isinstance(state, dict) else {}
    if not {"starts", "pretrained", "seconds"} <= training.keys() or "optimizer" not in state:
        raise InputError(
            f"{path}: not a checkpoint that tools/train.py resumes from; if it holds weights, they begin a new run: "
            f"MODEL.PRETRAINED {path} EXPERIMENT_NAME …, without TRAIN.RESUME and TRAIN.CHECKPOINT"
        )
    return state, training
