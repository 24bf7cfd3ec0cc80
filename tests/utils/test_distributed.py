"""Two processes: one of them waits for the other, and they train one net."""

import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lib.utils.cores import num_workers
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


TRAINING_SCRIPT = """
import sys, torch
sys.path.append("tests/core")
from test_step import build, clips, part, weights
from lib.core.report import EpochReport
from lib.core.step import StepOptions
from lib.utils.distributed import broadcast_buffers, data_parallel, processes

with processes(torch.device("cpu")) as (rank, _):
    torch.set_num_threads(1)
    batch, step = clips(8), build(options=StepOptions(accumulate=2))
    step.net = data_parallel(step.net)
    first = 4 * rank
    step([part(batch, first, first + 2), part(batch, first + 2, first + 4)], EpochReport())
    alone = build()
    alone([batch], EpochReport())
    torch.testing.assert_close(weights(step), weights(alone), rtol=1e-5, atol=1e-8)
    norm = torch.nn.BatchNorm1d(1)
    norm.running_mean += rank + 3
    broadcast_buffers(norm)
    print(norm.running_mean.item())
"""


def start(script, *arguments):
    """Return the exit status and the output of the second of two processes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "PYTHONPATH": ".:tests"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
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
    status, output = start(SCRIPT, "1")
    assert status != 0
    assert "another process of this run did not answer in time" in output
    assert start(SCRIPT, str(PATIENCE.total_seconds())) == (0, "[0, 1]\n")


def test_scoring_of_hours_is_waited_for():
    assert PATIENCE >= timedelta(hours=12)


@pytest.mark.slow
def test_two_processes_that_accumulate_take_the_step_of_one_with_all_clips():
    status, output = start(TRAINING_SCRIPT)
    assert status == 0, output
    assert output == "3.0\n"  # the buffers of the first process


def test_processes_share_the_cores(monkeypatch):
    monkeypatch.setattr("lib.utils.cores.num_cores", lambda: 8)
    assert [num_workers(wanted) for wanted in (0, 4, 16)] == [0, 4, 8]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert [num_workers(wanted) for wanted in (0, 1, 16)] == [0, 1, 2]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    assert num_workers(4) == 1
