"""Messages on the terminal, and those that only the log file contains."""

import io
import logging
import sys

import pytest

from lib.utils.logging import detail_level, log_to_file, log_to_terminal
from lib.utils.progress import progress_bar


@pytest.fixture
def start(monkeypatch):
    """log_to_terminal in a process whose root logger has no handlers."""
    root, own = logging.getLogger(), logging.getLogger("lib")
    levels, handlers = (root.level, own.level), []

    def start(*arguments):
        monkeypatch.setattr(root, "handlers", handlers)  # now, because pytest adds its own before each test
        log_to_terminal(*arguments)

    yield start
    logging.captureWarnings(False)
    for handler in handlers:
        handler.close()
    root.setLevel(levels[0])
    own.setLevel(levels[1])


@pytest.mark.parametrize(
    ("level", "shown"), [(logging.INFO, ["told", "warned"]), (logging.WARNING, ["warned"])], ids=["info", "warning"]
)
def test_the_log_file_has_details_that_the_terminal_does_not_show(start, tmp_path, capsys, level, shown):
    start(level)
    path = log_to_file(tmp_path, "small", "train", "header")
    logger = logging.getLogger("lib.core")
    logger.debug("detailed")
    logger.info("told")
    logger.warning("warned")
    logging.getLogger("PIL").debug("of another project")
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == shown
    assert [line.split()[-1] for line in path.read_text().splitlines()] == ["header", "detailed", "told", "warned"]


def test_messages_appear_above_bars(start, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    start()
    with progress_bar(4, "clip", file=stream) as bar:
        bar.update(2)
        logging.getLogger("lib.core").info("told")
    (line,) = [line for line in stream.getvalue().replace("\r", "\n").splitlines() if "told" in line]
    assert line.endswith(" told")
    assert "%" not in line


def test_iterations_are_details_only_where_a_bar_shows_them(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert detail_level() == logging.DEBUG
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert detail_level() == logging.INFO


def test_other_processes_show_no_bars(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert progress_bar(4, "clip").disable
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not progress_bar(4, "clip", file=io.StringIO()).disable
