"""`Run`: an experiment that runs, with its folder, its device and its processes."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from lib.config import output_folder
from lib.utils.device import choose_device, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.logging import log_to_file
from lib.utils.provenance import describe_run, log_header

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """An experiment that runs.

    Attributes:
        folder: Folder of its results.
        device: Device of this process.
        process: Rank and number of the processes.
        config: The whole configuration, as YAML.
    """

    folder: Path
    device: torch.device
    process: tuple[int, int]
    config: str

    @property
    def is_first(self) -> bool:
        """Return whether this is the process that writes."""
        return self.process[0] == 0

    def describe(self, forced: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what every result holds: command, commit, duration, versions and configuration.

        Args:
            forced: Settings in which the net was trained otherwise, where that was accepted.
        """
        return {"forced": dict(forced or {}), **describe_run(self.device, self.config)}


@contextmanager
def build_run(cfg: CfgNode, experiment: str, phase: str) -> Iterator[Run]:
    """Start a run: join the processes, open its log file, seed the generators.

    Args:
        cfg: The experiment.
        experiment: Its name.
        phase: Part of the log file's name, such as "train".

    Yields:
        The run, until which the processes stay joined.
    """
    folder = output_folder(cfg, experiment)
    device = choose_device(cfg.GPUS, local_rank())
    with processes(device) as process:
        if process[0] == 0:
            logger.info("%s", log_to_file(folder, experiment, phase, header=log_header(cfg.dump())))
        make_reproducible(
            cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED, cfg.CUDNN.ALLOW_TF32
        )
        yield Run(folder, device, process, cfg.dump())
