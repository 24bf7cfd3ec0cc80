"""Folder of a training: its checkpoint, weights and history, and the checkpoint to resume from."""

import json
from collections.abc import Callable, Iterable, Mapping
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
    """Origin of a run's net, stored with its weights and results.

    Attributes:
        starts: A record for each time that the run was started or resumed: `epoch`, `command`, `commit`, number of
            `processes`, and `changed`, the keys that had another value before.
        pretrained: SHA-256 of the initial weights; None: random ones.
        seconds: Duration of earlier starts.
        annotations: SHA-256 of the annotations of each training data set; empty for runs of older versions.
    """

    starts: list[dict[str, Any]] = field(default_factory=list)
    pretrained: str | None = None
    seconds: float = 0.0
    annotations: list[str] = field(default_factory=list)

    def add_start(self, epoch: int, processes: int, changed: Mapping[str, tuple[Any, Any]]) -> None:
        """Record that this process continues with an epoch.

        Args:
            epoch: Number of the epoch.
            processes: Number of processes.
            changed: Values before and now of the keys that changed.
        """
        self.starts.append(
            {
                "epoch": epoch,
                "command": command_line(),
                "commit": commit(),
                "processes": processes,
                "changed": {key: list(values) for key, values in changed.items()},
            }
        )

    def changes(
        self, earlier: str, pretrained: str, processes: int, annotations: list[str]
    ) -> dict[str, tuple[Any, Any]]:
        """Compare the inputs that no key describes with those of the last start.

        Args:
            earlier: MODEL.PRETRAINED of the last start.
            pretrained: MODEL.PRETRAINED now. Files that exist are compared by content.
            processes: Number of processes now.
            annotations: SHA-256 of the annotations of each training data set now.

        Returns:
            Dictionary that maps the name of each changed input to its values before and now.
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
        if self.annotations and self.annotations != annotations:
            digests = (", ".join(f"sha256 {one[:8]}…" for one in some) for some in (self.annotations, annotations))
            was, are = digests
            changes["content of the training annotations"] = was, are
        return changes

    def describe(self) -> dict[str, Any]:
        """Return the origin as a dictionary, with the duration until now."""
        return {
            "starts": self.starts,
            "pretrained": self.pretrained,
            "seconds": round(self.seconds + seconds(), 3),
            "annotations": self.annotations,
        }


@dataclass(frozen=True)
class TrainingRun:
    """Files that a training writes to its folder.

    The weights of an epoch are written before its checkpoint.

    Attributes:
        folder: Path to the folder.
    """

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Everything that is needed to resume."""
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

    def find_checkpoint(
        self, auto_resume: bool, resume: bool, given: str, is_same: Callable[[str], bool]
    ) -> Path | None:
        """Return the checkpoint to resume from, or None for a new run.

        Args:
            auto_resume: AUTO_RESUME.
            resume: TRAIN.RESUME.
            given: TRAIN.CHECKPOINT.
            is_same: Returns True if a run of this configuration (YAML) is this run.

        Raises:
            InputError: The keys contradict each other, or a new run would overwrite the one in the folder.
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
        self._check_replaceable(is_same)
        return other

    def _check_replaceable(self, is_same: Callable[[str], bool]) -> None:
        """Refuse to overwrite files of another run; a run stopped before its first checkpoint may start over."""
        if self.best.exists() and is_same(training_of(read_checkpoint(self.best)).get("config", "")):
            return
        for path in (self.best, self.result, self.history):
            if path.exists() and path.stat().st_size:
                raise InputError(
                    f"{path}: the folder holds a file of another run, which a new one would overwrite; name another "
                    f"run (EXPERIMENT_NAME …) or move the folder away"
                )

    def is_own(self, path: str | Path) -> bool:
        """Return True if a path refers to the checkpoint of this folder."""
        return Path(path).resolve() == self.checkpoint.resolve()

    def save(
        self, trainer: Trainer, training: dict[str, Any], *, is_best: bool, is_last: bool, checkpoint: bool
    ) -> None:
        """Write the files of a complete epoch.

        The history comes last, and never alone: other files show which run it is of.

        Args:
            trainer: State of the training.
            training: Record of how the net is trained, stored with the weights.
            is_best: Write model_best.pth.
            is_last: Write final_state.pth.
            checkpoint: Write checkpoint.pth.
        """
        if is_best:
            save_weights(self.best, trainer.result, training)
        if is_last:
            save_weights(self.final, trainer.result, training)
        if checkpoint or is_last:
            state = trainer.state_dict()
            with_training(state["state_dict"], training)
            save_checkpoint(self.checkpoint, state)
        if self.best.exists() or self.checkpoint.exists():
            self.write_history(trainer.history)

    def write_history(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Replace the history by these records.

        Args:
            records: Records of all epochs, in order.
        """
        with atomic_path(self.history) as temporary:
            temporary.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def save_weights(path: Path, net: nn.Module, training: dict[str, Any]) -> None:
    """Write a net's state dict with a record of how the net was trained.

    Args:
        path: Path to the file.
        net: The net.
        training: The record (lib.utils.checkpoint.with_training).
    """
    save_checkpoint(path, with_training(net.state_dict(), training))


def read_training(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state of a trainer, and the record of how its net was trained, from a checkpoint.

    Args:
        path: Path to the checkpoint.

    Raises:
        InputError: The file cannot be read, or holds something else, such as weights alone.
    """
    state = read_checkpoint(path)
    training = training_of(state.get("state_dict")) if isinstance(state, dict) else {}
    if not {"starts", "pretrained", "seconds"} <= training.keys() or "optimizer" not in state:
        raise InputError(
            f"{path}: not a checkpoint that tools/train.py resumes from; if it holds weights, they begin a new run: "
            f"MODEL.PRETRAINED {path} EXPERIMENT_NAME …, without TRAIN.RESUME and TRAIN.CHECKPOINT"
        )
    return state, training
