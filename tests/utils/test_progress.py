"""Progress of a run, and the time that its progress have left."""

import io

import pytest

from lib.utils import progress
from lib.utils.progress import RunProgress, progress_bar


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, as a list of one."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    yield now
    RunProgress.current = None


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_stages_say_how_long_they_took_and_will_take(clock, capsys):
    progress = RunProgress(3)
    progress.begin("Unpack.")
    clock[0] = 60
    progress.expect([120, 180])
    progress.begin("Train.")
    assert lines(capsys) == [
        "", "[1/3] Unpack. (0.0 minutes so far)", "", "[2/3] Train. (1.0 minutes so far, about 5 minutes left)"
    ]  # fmt: skip
    clock[0] = 120
    assert progress.left == 240
    clock[0] = 300  # twice as long as expected
    assert progress.left == 180
    progress.begin("Propagate.", "dense.json")
    assert lines(capsys) == [
        "", "[3/3] Propagate. (5.0 minutes so far, about 6 minutes left)", "already done: dense.json"
    ]  # fmt: skip


def test_a_stage_that_was_done_before_tells_no_speed(clock):
    progress = RunProgress(2)
    progress.expect([0, 100])
    progress.begin("Train.", "weights.pth")
    clock[0] = 50
    progress.begin("Propagate.")
    assert progress.left == 100


def test_bars_show_the_stage_and_the_time_left_of_the_run(clock):
    text = io.StringIO()
    with RunProgress(2) as progress:
        progress.expect([60, 240])
        progress.begin("Train.")
        with progress_bar(4, "it", desc="epoch 0", file=text) as bar:
            bar.update(2)
            assert str(bar).startswith("[1/2] epoch 0:  50%")
            assert "whole run: 5 minutes left" in str(bar)
    with progress_bar(4, "it", desc="epoch 0", file=text) as bar:
        assert str(bar).startswith("epoch 0:   0%")
        assert "whole run" not in str(bar)
