"""Setup of messages on the terminal and in a log file that is stored with the results."""

import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path


def log_to_terminal(level: int = logging.INFO) -> None:
    """Print messages to standard error; processes other than the first print only warnings.

    Log files contain messages of level INFO and above, and those of level DEBUG of this project. Call this before
    anything is read.

    Args:
        level: Lowest level of the messages on the terminal.
    """
    logging.captureWarnings(True)
    terminal = _Terminal(level if os.environ.get("LOCAL_RANK", "0") == "0" else logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[terminal])
    logging.getLogger("lib").setLevel(logging.DEBUG)


def detail_level() -> int:
    """Return the level of messages that repeat what a progress bar on a terminal shows."""
    return logging.DEBUG if sys.stderr.isatty() else logging.INFO


class _Terminal(logging.Handler):
    """Standard error, where messages appear above progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # `--help` does without

        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except Exception:
            self.handleError(record)


def log_to_file(folder: Path, experiment: str, phase: str, header: str) -> Path:
    """Write messages to `<experiment>_<time>_<phase>.log` too, instead of to an earlier log file.

    Args:
        folder: Folder of the file.
        experiment: Name of the experiment.
        phase: Name of the phase, such as the command.
        header: Text at the beginning of the file.

    Returns:
        Path to the log file.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{experiment}_{time.strftime('%Y-%m-%d-%H-%M-%S')}_{phase}.log"
    try:
        path.write_text(f"{header}\n", encoding="utf-8")
    except OSError as error:
        error.filename = str(path)  # the error for a full disk does not name the file
        raise
    for earlier in [one for one in logging.getLogger().handlers if isinstance(one, _LogFile)]:
        logging.getLogger().removeHandler(earlier)
        earlier.close()
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    return path


class _LogFile(logging.FileHandler):
    """Log file that ignores a full disk; writing the next result reports it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def to_log_file(text: str) -> None:
    """Write text to the log file only, if there is one, for output that the terminal shows in another form.

    Args:
        text: Lines to write.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) and handler.stream:
            with suppress(OSError):  # if the disk is full
                handler.stream.write(f"{text}\n")
                handler.stream.flush()
