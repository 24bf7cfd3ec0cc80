import os
import signal
import subprocess
import sys
import time

import pytest

from lib.utils.interrupts import block_signals, defer_sigint, forgive_broken_connections, outlive_signal


@pytest.fixture
def heard():
    events = []
    before = signal.signal(signal.SIGINT, lambda *_: events.append("signal"))
    yield events
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_comes_when_the_block_ends(heard):
    with defer_sigint():
        os.kill(os.getpid(), signal.SIGINT)
        heard.append("end of block")
    assert heard == ["end of block", "signal"]
    os.kill(os.getpid(), signal.SIGINT)
    assert heard[2:] == ["signal"]


def test_a_deferred_interrupt_can_be_looked_at_and_released(heard):
    with defer_sigint() as signals:
        assert signals.number == 0
        with signals.released():
            os.kill(os.getpid(), signal.SIGINT)
            assert heard == ["signal"]
        os.kill(os.getpid(), signal.SIGINT)
        assert (signals.number, heard) == (signal.SIGINT, ["signal"])
        with signals.released():
            assert heard == ["signal"] * 2


def test_only_interrupts_within_the_patience_are_deferred(heard):
    with defer_sigint(patience=0.2):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        assert heard == []
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == ["signal"]


@pytest.mark.parametrize(("count", "status"), [(1, 0), (2, -signal.SIGTERM)])
def test_a_worker_outlives_one_signal(count, status):
    child = os.fork()
    if child == 0:
        outlive_signal(0)
        for _ in range(count):
            os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status


def test_a_worker_outlives_a_signal_during_its_start():
    with block_signals():
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            outlive_signal(0)
            os._exit(3 if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else 4)  # it was received
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_an_ignored_interrupt_stays_ignored(heard):
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with defer_sigint():
        os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, handler)
    assert heard == []


def test_forked_processes_do_not_handle_it(heard):
    with defer_sigint():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
            os._exit(len(heard))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_only_broken_connections_are_forgiven(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: told.append(kind))
    forgive_broken_connections(0)
    for error in (ConnectionResetError(), BrokenPipeError(), EOFError(), ValueError()):
        sys.excepthook(type(error), error, None)
    assert told == [ValueError]


READING = """
import time
from torch.utils.data import DataLoader
from lib.utils.errors import run

class Slow(list):
    def __getitem__(self, index):
        time.sleep(0.05)
        return index

def main():
    for _ in DataLoader(Slow(range(10000)), num_workers=2):
        print("read", flush=True)

run(main)
"""


@pytest.mark.slow
def test_a_signal_to_the_group_ends_a_run_with_workers_in_one_line():
    arguments = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, "-c", READING], **arguments) as process:
        assert process.stdout.readline() == "read\n"
        os.killpg(process.pid, signal.SIGTERM)  # as a batch system does it: to the workers too
        assert process.communicate(timeout=120)[1] == "error: terminated\n"
        assert process.returncode == 143
