"""Files of a training: checkpoint, weights and history, and the checkpoint to resume from."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from lib.config.run_folder import BEST_WEIGHTS, CHECKPOINT, FINAL_WEIGHTS
from lib.core.trainer import Trainer
from lib.utils.checkpoint_files import read_checkpoint, save_checkpoint, training_of, with_training
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, sha256
from lib.utils.provenance import command_line, commit, seconds


@dataclass
class Origin:
    """Origin of the weights of a run, stored with its weights and results.

    Attributes:
        starts: Record of each start or resumption of the run: `epoch`, `command`, `commit`, the number of `processes`,
            and the previous and current values of `changed` keys.
        pretrained: SHA-256 of the initial weights; None: random weights.
        seconds: Total duration before the current start.
        annotations: SHA-256 of the annotations of each training data set; empty for runs of older versions.
    """

    starts: list[dict[str, Any]] = field(default_factory=list)
    pretrained: str | None = None
    seconds: float = 0.0
    annotations: list[str] = field(default_factory=list)

    def add_start(self, epoch: int, processes: int, changed: Mapping[str, tuple[Any, Any]]) -> None:
        """Add the record of the current start.

        Args:
            epoch: First epoch to train.
            processes: Number of processes.
            changed: Previous and current value of each key that changed.
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
        """Compare the inputs that the configuration does not determine with those of the previous start.

        Args:
            earlier: MODEL.PRETRAINED of the previous start.
            pretrained: Current MODEL.PRETRAINED. Existing files are compared by content.
            processes: Current number of processes.
            annotations: Current SHA-256 of the annotations of each training data set.

        Returns:
            Previous and current value of each changed input, by its name.
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
            changes["content of the training annotations"] = (
                _format_digests(self.annotations),
                _format_digests(annotations),
            )
        return changes

    def describe(self) -> dict[str, Any]:
        """Return the origin as a dictionary, with the total duration until now."""
        return {
            "starts": self.starts,
            "pretrained": self.pretrained,
            "seconds": round(self.seconds + seconds(), 3),
            "annotations": self.annotations,
        }


def _format_digests(digests: Iterable[str]) -> str:
    return ", ".join(f"sha256 {digest[:8]}…" for digest in digests)


@dataclass(frozen=True)
class TrainingRun:
    """Files of a training.

    The weights of an epoch are written before its checkpoint.

    Attributes:
        folder: Path to the folder of the files.
    """

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Path to the checkpoint that resumes the training."""
        return self.folder / CHECKPOINT

    @property
    def best(self) -> Path:
        """Path to the weights of the best epoch."""
        return self.folder / BEST_WEIGHTS

    @property
    def final(self) -> Path:
        """Path to the weights of the last epoch."""
        return self.folder / FINAL_WEIGHTS

    @property
    def history(self) -> Path:
        """Path to the history, a line of JSON per epoch."""
        return self.folder / "history.jsonl"

    @property
    def result(self) -> Path:
        """Path to the record of a finished training."""
        return self.folder / "result-train.json"

    @property
    def trace(self) -> Path:
        """Path to the trace of the profiled iterations."""
        return self.folder / "trace.json"

    def find_checkpoint(
        self, auto_resume: bool, resume: bool, given: str, is_same: Callable[[str], bool]
    ) -> Path | None:
        """Return the checkpoint to resume from, or None for a new run.

        Args:
            auto_resume: Value of AUTO_RESUME.
            resume: Value of TRAIN.RESUME.
            given: Value of TRAIN.CHECKPOINT.
            is_same: Function that returns True if a configuration (YAML) is that of this run.

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
        """Check that no file of another run is overwritten; a run may restart before its first checkpoint."""
        if self.best.exists() and is_same(training_of(read_checkpoint(self.best)).get("config", "")):
            return
        for path in (self.best, self.result, self.history):
            if path.exists() and path.stat().st_size:
                raise InputError(
                    f"{path}: the folder holds a file of another run, which a new one would overwrite; name another "
                    f"run (EXPERIMENT_NAME …) or move the folder away"
                )

    def is_own(self, path: str | Path) -> bool:
        """Return True if a path refers to the checkpoint in this folder.

        Args:
            path: Path to a checkpoint.
        """
        return Path(path).resolve() == self.checkpoint.resolve()

    def save(
        self, trainer: Trainer, training: dict[str, Any], *, is_best: bool, is_last: bool, checkpoint: bool
    ) -> None:
        """Write the files of a complete epoch.

        The history is written last, and only if there are weights or a checkpoint, which identify the run.

        Args:
            trainer: Trainer of the net.
            training: Description of the training, stored with the weights.
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
            for weights in filter(None, (state["state_dict"], state["average"])):
                with_training(weights, training)
            save_checkpoint(self.checkpoint, state)
        if self.best.exists() or self.checkpoint.exists():
            self.write_history(trainer.history)

    def write_history(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write the history, replacing an earlier one.

        Args:
            records: Records of all epochs, in order.
        """
        with atomic_path(self.history) as temporary:
            temporary.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def save_weights(path: Path, net: nn.Module, training: dict[str, Any]) -> None:
    """Write the state dict of a net with a description of its training.

    Args:
        path: Path to the file.
        net: Net to save.
        training: Description of the training (lib.utils.checkpoint_files.with_training).
    """
    save_checkpoint(path, with_training(net.state_dict(), training))


def read_training(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state of a trainer and the description of its training from a checkpoint.

    Args:
        path: Path to the checkpoint.

    Raises:
        InputError: The file cannot be read or is not a checkpoint, for example because it has only weights.
    """
    state = read_checkpoint(path)
    training = training_of(state.get("state_dict")) if isinstance(state, dict) else {}
    if not {"starts", "pretrained", "seconds"} <= training.keys() or "optimizer" not in state:
        raise InputError(
            f"{path}: not a checkpoint that tools/train.py resumes from; if it holds weights, they begin a new run: "
            f"MODEL.PRETRAINED {path} EXPERIMENT_NAME …, without TRAIN.RESUME and TRAIN.CHECKPOINT"
        )
    return state, training
