"""Two processes, one of which lets the other wait."""

import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lib.utils.distributed import PATIENCE

SCRIPT = """
import sys, time
from datetime import timedelta
import torch
from lib.utils import distributed

distributed.PATIENCE = timedelta(seconds=float(sys.argv[1]))
with distributed.processes(torch.device("cpu")) as (rank, _):
    distributed.gather("both are here")
    if rank == 0:
        time.sleep(4)
    print(distributed.gather(rank))
"""


def start(patience):
    """The exit status and the output of the process that waits four seconds."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "PYTHONPATH": "."}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(patience)],
            env=os.environ | shared | {"RANK": str(rank)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=600) for process in both]
    return both[1].returncode, "".join(outputs[1])


@pytest.mark.slow
def test_patience_is_how_long_a_process_waits():
    status, output = start(patience=1)
    assert status != 0
    assert "Timed out" in output or "timeout" in output.lower()
    assert start(patience=PATIENCE.total_seconds()) == (0, "[0, 1]\n")


def test_scoring_of_hours_is_waited_for():
    assert PATIENCE >= timedelta(hours=12)
