"""Files of a training: checkpoints, weights and history, and the checkpoint to resume from."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from lib.config.run_folder import BEST_WEIGHTS, CHECKPOINT, FINAL_WEIGHTS, PREVIOUS_CHECKPOINT
from lib.core.trainer import Trainer
from lib.utils.checkpoint_files import (
    DamagedCheckpointError,
    check_content,
    read_checkpoint,
    save_checkpoint,
    training_of,
    with_training,
)
from lib.utils.errors import InputError
from lib.utils.files import atomic_path
from lib.utils.folder_lock import FolderLock

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingFiles:
    """Files of a training.

    The weights of an epoch are written before its checkpoint.

    Attributes:
        folder: Path to the folder of the files.
        lock: Lock on the folder. Without one, a folder that was removed is created again.
    """

    folder: Path
    lock: FolderLock | None = None

    @property
    def checkpoint(self) -> Path:
        """Path to the checkpoint that resumes the training."""
        return self.folder / CHECKPOINT

    @property
    def previous(self) -> Path:
        """Path to the checkpoint before the last one, which resumes the training if the last one is damaged."""
        return self.folder / PREVIOUS_CHECKPOINT

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
                f"TRAIN.CHECKPOINT is {given}, but TRAIN.RESUME is False: set it to True to resume that training, "
                f"or start a new one from weights with MODEL.PRETRAINED"
            )
        own = self.checkpoint
        is_there = own.exists() or self.previous.exists()
        if resume and not given and not is_there:
            raise InputError(
                f"TRAIN.RESUME is True, but TRAIN.CHECKPOINT names no file and {own} does not exist: "
                f"name a checkpoint.pth, or start a new run with TRAIN.RESUME False"
            )
        other = Path(given) if given and not self.is_own(given) else None
        if is_there and (auto_resume or (resume and not other)):
            return own
        if is_there:
            raise InputError(
                f"{own}: the folder already contains a run: resume it with AUTO_RESUME True, or start a new one "
                f"with another EXPERIMENT_NAME"
            )
        if self.final.exists():
            raise InputError(
                f"{self.final}: the folder contains a finished run without its checkpoint.pth, so it cannot be "
                f"resumed; start a new one with another EXPERIMENT_NAME"
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
                    f"{path}: a file of another run, which a new one would overwrite; choose another EXPERIMENT_NAME"
                )

    def is_own(self, path: str | Path) -> bool:
        """Return True if a path refers to the checkpoint in this folder.

        Args:
            path: Path to a checkpoint.
        """
        return Path(path).resolve() == self.checkpoint.resolve()

    def save_epoch(
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

        Raises:
            InputError: The folder was removed.
            OSError: The disk is full, or the folder cannot be written to.
        """
        self.check_folder()
        if is_best:
            save_weights(self.best, trainer.result, training)
        if is_last:
            save_weights(self.final, trainer.result, training)
        if checkpoint or is_last:
            self.save_checkpoint(trainer, training)
        if self.best.exists() or self.checkpoint.exists():
            self.write_history(trainer.history)

    def save_checkpoint(self, trainer: Trainer, training: dict[str, Any]) -> None:
        """Write checkpoint.pth, and keep the one before.

        Args:
            trainer: Trainer of the net.
            training: Description of the training, stored with the weights.

        Raises:
            InputError: The folder was removed.
            OSError: The disk is full, or the folder cannot be written to.
        """
        self.check_folder()
        state = trainer.state_dict()
        for weights in filter(None, (state["state_dict"], state["average"])):
            with_training(weights, training)
        save_checkpoint(self.checkpoint, state, previous=self.previous)

    def remove_damaged(self, resumed: Path) -> None:
        """Remove a damaged checkpoint.pth, which the next checkpoint would move in place of the one before it.

        Args:
            resumed: Path to the checkpoint that all processes have read.
        """
        if resumed == self.previous:
            self.checkpoint.unlink(missing_ok=True)

    def check_folder(self) -> None:
        """Check that the folder was not removed since it was locked.

        Raises:
            InputError: The folder was removed or replaced.
        """
        if self.lock:
            self.lock.check()

    def write_history(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write the history, replacing an earlier one.

        Args:
            records: Records of all epochs, in order.
        """
        with atomic_path(self.history) as temporary:
            temporary.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")


def save_weights(path: Path, net: nn.Module, training: dict[str, Any]) -> None:
    """Write the state dict of a net with a description of its training.

    Args:
        path: Path to the file.
        net: Net to save.
        training: Description of the training (lib.utils.checkpoint_files.with_training).
    """
    save_checkpoint(path, with_training(net.state_dict(), training))


def read_newest_training(checkpoint: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Read a checkpoint, or the one before it in the same folder if it is missing or damaged.

    Args:
        checkpoint: Path to the checkpoint.

    Returns:
        Path to the file that was read, and what `read_training` returns.

    Raises:
        InputError: Neither file can be read, or the file is not a checkpoint.
    """
    previous = checkpoint.with_name(PREVIOUS_CHECKPOINT)
    try:
        return checkpoint, *read_training(checkpoint)
    except DamagedCheckpointError as error:
        if checkpoint.name != CHECKPOINT or not previous.exists():
            raise
        found = read_training(previous)
        logger.warning("%s; %s is used, which was written before it", error, previous)
        return previous, *found


def read_training(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state of a trainer and the description of its training from a checkpoint.

    Args:
        path: Path to the checkpoint.

    Raises:
        DamagedCheckpointError: The file is missing or damaged.
        InputError: The file is not a checkpoint, for example because it has only weights.
    """
    state = read_checkpoint(path)
    check_content(path)
    training = training_of(state.get("state_dict")) if isinstance(state, dict) else {}
    if not (isinstance(state, dict) and _is_whole(state, training)):
        raise InputError(
            f"{path}: not a checkpoint that tools/train.py can resume from; if it contains weights, start a new run "
            f"with MODEL.PRETRAINED {path} EXPERIMENT_NAME …, without TRAIN.RESUME and TRAIN.CHECKPOINT"
        )
    return state, training


def _is_whole(state: dict[str, Any], training: dict[str, Any]) -> bool:
    """Return True if the state of a trainer and the description of its training have what a resumption needs."""
    starts, history = training.get("starts"), state.get("history", [])
    return (
        {"pretrained", "seconds"} <= training.keys()
        and isinstance(training["seconds"], int | float)
        and isinstance(starts, list)
        and all(isinstance(start, dict) for start in starts or [None])
        and "optimizer" in state
        and isinstance(state.get("epoch"), int)
        and isinstance(state.get("iteration", 0), int)
        and isinstance(history, list)
        and all(isinstance(record, dict) for record in history)
    )
