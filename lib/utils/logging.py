"""Where a tool's messages go: the terminal and a log file beside its results."""

import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path


def log_to_terminal() -> None:
    """Print messages of level INFO and above on standard error; of several processes only the first, others warnings.

    Call it before anything is read.
    """
    logging.captureWarnings(True)
    level = logging.INFO if os.environ.get("LOCAL_RANK", "0") == "0" else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)


def log_to_file(folder: Path, experiment: str, phase: str, header: str) -> Path:
    """Write messages to `<experiment>_<time>_<phase>.log` too, from now on, and no longer to an earlier log file.

    Args:
        folder: Folder of the file.
        experiment: Name of the experiment.
        phase: What runs.
        header: Begins the file.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{experiment}_{time.strftime('%Y-%m-%d-%H-%M-%S')}_{phase}.log"
    path.write_text(f"{header}\n")
    for earlier in [one for one in logging.getLogger().handlers if isinstance(one, _LogFile)]:
        logging.getLogger().removeHandler(earlier)
        earlier.close()
    handler = _LogFile(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    return path


class _LogFile(logging.FileHandler):
    """On a full disk the log ends; the next result that is to be kept tells of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def to_log_file(text: str) -> None:
    """Write lines to the log file alone, if there is one: what the terminal shows in another way."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            with suppress(OSError):  # of a full disk
                handler.stream.write(f"{text}\n")
                handler.stream.flush()
