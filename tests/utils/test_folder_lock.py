"""A locked folder: one process at a time, whatever ends it."""

import os
import signal
import subprocess
import sys

import pytest

from lib.utils.errors import InputError
from lib.utils.folder_lock import lock_folder

HOLDING = """
import os, sys, time
from pathlib import Path
from lib.utils.folder_lock import lock_folder

with lock_folder(Path(sys.argv[1])):
    if os.fork() == 0:  # like a worker of a DataLoader
        time.sleep(60)
        os._exit(0)
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path / "run"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout.readline() == "locked\n"
        with (
            pytest.raises(InputError, match=r"run: another process is writing to this folder"),
            lock_folder(tmp_path / "run"),
        ):
            pass
        os.kill(process.pid, signal.SIGKILL)  # its child, which inherited the open file, lives on
        process.wait()
        with lock_folder(tmp_path / "run"):
            pass
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not list((tmp_path / "run").iterdir())


def test_a_folder_that_was_removed_or_replaced_is_noticed(tmp_path):
    folder = tmp_path / "run"
    with lock_folder(folder) as lock:
        lock.check()
        folder.rename(tmp_path / "moved")
        with pytest.raises(InputError, match="run: the folder was removed or replaced"):
            lock.check()
        with lock_folder(folder) as other:
            other.check()
            with pytest.raises(InputError, match="removed or replaced"):
                lock.check()
            (tmp_path / "moved").rename(tmp_path / "kept")
        assert not list(folder.iterdir())
