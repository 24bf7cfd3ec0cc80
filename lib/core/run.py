"""`Run`: a running experiment, with its folder, device and processes."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from lib.config import output_folder
from lib.utils.device import choose_device, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.folder_lock import FolderLock, lock_folder
from lib.utils.logging import log_to_file
from lib.utils.precision import choose_precision
from lib.utils.provenance import describe_run, log_header

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Running experiment.

    Attributes:
        folder: Path to the folder of the results.
        device: Device of this process.
        process: Rank of this process and number of processes.
        config: Complete configuration as YAML.
        inference_precision: TEST.PRECISION, with the precision that `auto` chose for the device.
        lock: Lock on the folder; None in other processes than the first and if other runs may write to the folder.
    """

    folder: Path
    device: torch.device
    process: tuple[int, int]
    config: str
    inference_precision: str
    lock: FolderLock | None = None

    @property
    def is_main_process(self) -> bool:
        """True in the process of rank 0, which writes the results."""
        return self.process[0] == 0

    def describe(self, forced: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the record that every result contains: command, commit, duration, versions, configuration, precision.

        Args:
            forced: Accepted differences between the settings of the net's training and the current ones.
        """
        record = describe_run(self.device, self.config)
        return {"forced": dict(forced or {}), **record, "inference_precision": self.inference_precision}


@contextmanager
def build_run(cfg: CfgNode, experiment: str, phase: str, exclusive: bool = False) -> Iterator[Run]:
    """Start a run: join the processes, open the log file and seed the random number generators.

    Args:
        cfg: The experiment.
        experiment: Name of the experiment.
        phase: Part of the name of the log file, such as "train".
        exclusive: Lock the folder, so that no other exclusive run writes to it.

    Yields:
        The run. The processes stay joined until the context ends.

    Raises:
        InputError: The folder is locked by another run.
        OSError: The folder cannot be written to.
    """
    folder = output_folder(cfg, experiment)
    device = choose_device(cfg.GPUS, local_rank())
    with ExitStack() as stack:
        process = stack.enter_context(processes(device))
        lock = stack.enter_context(lock_folder(folder)) if exclusive and process[0] == 0 else None
        if process[0] == 0:
            logger.info("log: %s", log_to_file(folder, experiment, phase, header=log_header(cfg.dump())))
        make_reproducible(
            cfg.SEED,
            benchmark=cfg.CUDNN.BENCHMARK,
            deterministic=cfg.CUDNN.DETERMINISTIC,
            enabled=cfg.CUDNN.ENABLED,
            allow_tf32=cfg.CUDNN.ALLOW_TF32,
        )
        yield Run(
            folder=folder,
            device=device,
            process=process,
            config=cfg.dump(),
            inference_precision=choose_precision("TEST.PRECISION", cfg.TEST.PRECISION, device),
            lock=lock,
        )
