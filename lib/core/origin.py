"""Origin of the weights that a training starts with: random numbers, a file of weights, or an earlier training."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from torch import nn
from yacs.config import CfgNode

from lib.config.changes import (
    OF_WARP_WEIGHTS,
    Changes,
    changes_of_run,
    changes_of_weights,
    check_resumable,
    check_weights,
    format_changes,
    read_config,
)
from lib.core.trainer import Trainer
from lib.core.training_files import TrainingFiles, read_newest_training
from lib.dataset import build_skeleton
from lib.dataset.sources import build_annotations_path
from lib.dataset.training_set import build_parts
from lib.utils.checkpoint import load_weights
from lib.utils.distributed import num_processes
from lib.utils.errors import InputError
from lib.utils.files import sha256
from lib.utils.provenance import command_line, commit, seconds
from lib.utils.weight_names import HEAD_LAYERS

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Origin:
    """Origin of the weights of a run, stored with its weights and results.

    Attributes:
        starts: Record of each start or resumption of the run: `epoch` and `iteration`, `command`, `commit`, the number
            of `processes`, and the previous and current values of `changed` keys.
        pretrained: SHA-256 of the initial weights; None: random weights.
        seconds: Total duration before the current start.
        annotations: SHA-256 of the annotations of each training data set; empty for runs of older versions.
    """

    starts: list[dict[str, Any]] = field(default_factory=list)
    pretrained: str | None = None
    seconds: float = 0.0
    annotations: list[str] = field(default_factory=list)

    def add_start(self, epoch: int, processes: int, changed: Mapping[str, tuple[Any, Any]], iteration: int = 0) -> None:
        """Add the record of the current start.

        Args:
            epoch: First epoch to train.
            processes: Number of processes.
            changed: Previous and current value of each key that changed.
            iteration: First iteration of the epoch to train.
        """
        self.starts.append(
            {
                "epoch": epoch,
                "iteration": iteration,
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
        if (before := self.starts[-1].get("processes")) != processes:
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


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """Earlier training that a run continues.

    Attributes:
        checkpoint: Path to its checkpoint.
        state: State of its trainer.
        origin: Origin of its weights.
        changes: Accepted differences between its settings and the current ones.
    """

    checkpoint: Path
    state: dict[str, Any]
    origin: Origin
    changes: Changes


def build_resumption(cfg: CfgNode, files: TrainingFiles, checkpoint: Path, force: bool = False) -> Resumption:
    """Return the training of a checkpoint if the experiment can continue it.

    Args:
        cfg: The experiment.
        files: Folder of its results.
        checkpoint: Checkpoint to resume from, in this folder or another.
        force: Accept a checkpoint with other settings.

    Raises:
        InputError: The checkpoint cannot be read or has other settings.
    """
    path, state, training = read_newest_training(checkpoint)
    origin = Origin(
        starts=training["starts"],
        pretrained=training["pretrained"],
        seconds=training["seconds"],
        annotations=training.get("annotations", []),
    )
    earlier = read_config(training["config"])
    changes = changes_of_run(training["config"], cfg)
    given, was_given = cfg.TRAIN.CHECKPOINT, earlier["TRAIN.CHECKPOINT"]
    if given not in ("", was_given) and files.is_own(checkpoint) and not files.is_own(given):
        changes["TRAIN.CHECKPOINT"] = was_given, given
    annotations = _build_annotation_digests(cfg)
    changes |= origin.changes(earlier["MODEL.PRETRAINED"], cfg.MODEL.PRETRAINED, num_processes(), annotations)
    check_resumable(changes, path, force)
    if state.get("iteration") and state["epoch"] >= cfg.TRAIN.END_EPOCH:
        raise InputError(
            f"{path}: was written in the middle of epoch {state['epoch']}, so TRAIN.END_EPOCH, "
            f"{cfg.TRAIN.END_EPOCH}, must be at least {state['epoch'] + 1}"
        )
    origin.annotations = annotations
    return Resumption(checkpoint=path, state=state, origin=origin, changes=changes)


def resume(trainer: Trainer, resumption: Resumption, count: int) -> Origin:
    """Load the state of an earlier training.

    Args:
        trainer: Trainer of the experiment, modified in place.
        resumption: Earlier training.
        count: Number of processes.

    Returns:
        Origin of the weights, with a record of this start.

    Raises:
        InputError: The state belongs to another net or optimizer.
    """
    checkpoint, changes = resumption.checkpoint, resumption.changes
    try:
        trainer.load_state_dict(resumption.state)
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{checkpoint}: this experiment cannot resume it ({line}); start a new run with another EXPERIMENT_NAME"
        ) from None
    logger.info("%s: resuming at epoch %d, iteration %d", checkpoint, trainer.epoch, trainer.iteration)
    if changes:
        logger.warning("--force: other settings from epoch %d on: %s", trainer.epoch, format_changes(changes))
    resumption.origin.add_start(trainer.epoch, count, changes, trainer.iteration)
    return resumption.origin


def check_pretrained(path: str) -> None:
    """Check that initial weights exist.

    Args:
        path: MODEL.PRETRAINED of an experiment; empty for random weights.

    Raises:
        InputError: The path is not a file.
    """
    if not path or Path(path).is_file():
        return
    if Path(path).is_dir():
        raise InputError(f"MODEL.PRETRAINED: {path} is a folder; name the file of the weights")
    raise InputError(
        f"MODEL.PRETRAINED: {path} does not exist; docs/training.md describes where to get such files, and "
        f"MODEL.PRETRAINED '' starts with random weights"
    )


def start(cfg: CfgNode, trainer: Trainer, count: int, force: bool) -> Origin:
    """Start a new training, with pretrained weights if MODEL.PRETRAINED is set.

    Args:
        cfg: The experiment.
        trainer: Trainer of the experiment, whose net is modified in place.
        count: Number of processes.
        force: Accept weights of a frozen pose net that were trained with other settings.

    Returns:
        Origin of the weights, with a record of this start.

    Raises:
        InputError: The weights are missing, belong to another net, or were trained with other settings.
    """
    changes: Changes = {}
    if cfg.MODEL.PRETRAINED:
        changes = _load_pretrained(cfg, trainer.net, Path(cfg.MODEL.PRETRAINED), force)
    elif cfg.MODEL.FREEZE_POSE_NET:
        logger.warning("MODEL.PRETRAINED is not set: the frozen pose net has random weights")
    else:
        logger.info("MODEL.PRETRAINED is not set: the net starts with random weights")
    origin = Origin(
        pretrained=sha256(Path(cfg.MODEL.PRETRAINED)) if cfg.MODEL.PRETRAINED else None,
        annotations=_build_annotation_digests(cfg),
    )
    origin.add_start(trainer.epoch, count, changes)
    return origin


def _build_annotation_digests(cfg: CfgNode) -> list[str]:
    """Return the SHA-256 of the annotations of each training data set."""
    return [sha256(cast(Path, build_annotations_path(part, train=True))) for part in build_parts(cfg)]


def _load_pretrained(cfg: CfgNode, net: nn.Module, path: Path, force: bool) -> Changes:
    """Load pretrained weights into the net; those of a frozen pose net must have been trained with these settings."""
    report = load_weights(net, path, cfg.MODEL.EXTRA.get("PRETRAINED_LAYERS"))
    logger.info("%s", report)
    if cfg.MODEL.FREEZE_POSE_NET and any(name.partition(".")[0] in HEAD_LAYERS for name in report.initial):
        logger.warning("%s lacks weights of the frozen pose net; these are random", path)
    changes = changes_of_weights(report.training, cfg, build_skeleton(cfg).names)
    frozen: Changes = {}
    if cfg.MODEL.FREEZE_POSE_NET:  # but not the head
        frozen = {key: pair for key, pair in changes.items() if key not in OF_WARP_WEIGHTS}
        check_weights(frozen, path, force)
    if trained := {key: pair for key, pair in changes.items() if key not in frozen}:
        logger.warning("%s was trained with other settings: %s", path, format_changes(trained))
    return frozen
