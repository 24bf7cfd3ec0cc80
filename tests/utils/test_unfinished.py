"""Nothing is left of what was being written, whenever the interruption comes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib.utils.files import atomic_folder, atomic_path, remove_folder
from lib.utils.interrupts import Terminated, call_interruptibly, raise_on_signals
from lib.utils.unfinished import remove_own_unfinished, remove_unfinished

ROOT = Path(__file__).parents[2]


def write_file(path):
    with atomic_path(path) as temporary:
        temporary.write_text("new")


def write_folder(path):
    with atomic_folder(path) as temporary:
        (temporary / "a.txt").write_text("new")


def state(path):
    """The content of a file, or of the file in a folder."""
    return (path / "a.txt" if path.is_dir() else path).read_text()


@pytest.fixture
def handlers():
    """The handlers of signals as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("event", ["line", "return"])
def test_an_interruption_at_every_line(tmp_path, handlers, write, event):
    """A signal is heard between two lines, or when a function returns, of our code or of what it calls."""
    path = tmp_path / "target"
    interrupted, step = True, 0
    while interrupted:
        write(path) if not path.exists() else None
        (path / "a.txt" if path.is_dir() else path).write_text("old")
        count, interrupted, step = 0, False, step + 1

        def trace(frame, kind, argument, step=step):
            nonlocal count, interrupted
            if kind == event and not interrupted:
                count += 1
                if count == step:
                    interrupted = True
                    signal.raise_signal(signal.SIGINT)
            return trace

        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.settrace(trace)
        try:
            write(path)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        remove_own_unfinished()  # as at the end of the process
        assert [item.name for item in tmp_path.iterdir()] == ["target"], step
        assert state(path) in ("old", "new"), step
    assert step > 30
    assert state(path) == "new"


KILLED = """
import sys, time
from lib.utils.files import atomic_path, atomic_folder
with atomic_path(sys.argv[1] + "/file") as path, atomic_folder(sys.argv[1] + "/folder") as folder:
    path.write_text("half")
    (folder / "half").write_text("")
    print("writing", flush=True)
    time.sleep(600)
"""


def start_writing(folder):
    process = subprocess.Popen([sys.executable, "-c", KILLED, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def end(process, number):
    process.send_signal(number)
    process.wait(timeout=600)
    process.stdout.close()


def test_remnants_of_a_killed_process_are_removed_and_those_of_a_running_one_are_not(tmp_path):
    (tmp_path / ".mine.unfinished").write_text("a file of a user")
    killed, running = start_writing(tmp_path), start_writing(tmp_path)
    assert len(list(tmp_path.iterdir())) == 5
    end(killed, signal.SIGKILL)
    assert len(list(tmp_path.iterdir())) == 5
    write_file(tmp_path / "new")
    assert len(list(tmp_path.iterdir())) == 4
    end(running, signal.SIGKILL)
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".mine.unfinished", "new"}


def test_a_forked_process_leaves_what_its_parent_writes(tmp_path):
    with atomic_folder(tmp_path / "folder") as folder:
        child = os.fork()
        if child == 0:
            remove_own_unfinished()
            os._exit(0)
        os.waitpid(child, 0)
        assert folder.exists()


def test_a_folder_is_removed_whole(tmp_path):
    write_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_a_process_unwind_it(tmp_path, handlers, number):
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_DFL)
    raise_on_signals()

    def write_half():
        with atomic_path(tmp_path / "file") as path:
            path.write_text("half")
            signal.raise_signal(number)

    with pytest.raises(Terminated):
        write_half()
    assert not list(tmp_path.iterdir())


ENDS_IN_ORDER = """
import os, signal, sys, time
def end(number, frame):
    print("ended", flush=True)
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, end)
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(600)
"""


def test_commands_inherit_ignored_signals(handlers):
    """nohup: the terminal is closed, and the signal comes to all processes."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    hang_up = "import os, signal; os.kill(os.getppid(), signal.SIGHUP); signal.raise_signal(signal.SIGHUP)"
    assert call_interruptibly([sys.executable, "-c", hang_up]) == 0


def test_sigterm_is_sent_on_to_a_command(handlers, capfd):
    assert call_interruptibly([sys.executable, "-c", ENDS_IN_ORDER]) == 143
    assert capfd.readouterr().out == "ended\n"
