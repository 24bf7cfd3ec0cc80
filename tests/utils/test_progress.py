"""Stages of a run, and the time that they have left."""

import io

import pytest

from lib.utils import progress
from lib.utils.progress import Stages, progress_bar


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, as a list of one."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    yield now
    Stages.current = None


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_stages_say_how_long_they_took_and_will_take(clock, capsys):
    stages = Stages(3)
    stages.begin("Unpack.")
    clock[0] = 60
    stages.expect([120, 180])
    stages.begin("Train.")
    assert lines(capsys) == [
        "", "[1/3] Unpack. (0.0 minutes so far)", "", "[2/3] Train. (1.0 minutes so far, about 5 minutes left)"
    ]  # fmt: skip
    clock[0] = 120
    assert stages.left == 240
    clock[0] = 300  # twice as long as expected
    assert stages.left == 180
    stages.begin("Propagate.", "dense.json")
    assert lines(capsys) == [
        "", "[3/3] Propagate. (5.0 minutes so far, about 6 minutes left)", "already done: dense.json"
    ]  # fmt: skip


def test_a_stage_that_was_done_before_tells_no_speed(clock):
    stages = Stages(2)
    stages.expect([0, 100])
    stages.begin("Train.", "weights.pth")
    clock[0] = 50
    stages.begin("Propagate.")
    assert stages.left == 100


def test_bars_show_the_stage_and_the_time_left_of_the_run(clock):
    text = io.StringIO()
    with Stages(2) as stages:
        stages.expect([60, 240])
        stages.begin("Train.")
        with progress_bar(4, "it", desc="epoch 0", file=text) as bar:
            bar.update(2)
            assert str(bar).startswith("[1/2] epoch 0:  50%")
            assert "whole run: 5 minutes left" in str(bar)
    with progress_bar(4, "it", desc="epoch 0", file=text) as bar:
        assert str(bar).startswith("epoch 0:   0%")
        assert "whole run" not in str(bar)
