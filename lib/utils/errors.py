"""The one exception that means "the input is wrong", and what a command line makes of it."""

import os
import re
import signal
import sys
from collections.abc import Callable

from lib.utils.interrupts import Terminated, defer_sigint, raise_on_signals
from lib.utils.logging import to_log_file


class InputError(Exception):
    """The user's input is wrong.

    The message is one line: what is wrong, where (file, key, record, frame) and what to do about it.
    """


def run(main: Callable[[], None]) -> None:
    """Run a tool: a wrong input or a file that cannot be used ends in one line and exit status 2, Ctrl-C in 130,
    SIGTERM in 143, and in 141, with a word in the log file alone, if nobody reads on.

    Args:
        main: the tool, without arguments.
    """
    raise_on_signals()
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        _stop(_last_line(error), 2)
    except BrokenPipeError:  # whoever reads the output, such as head, has enough
        to_log_file("error: a pipe broke")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still has to write
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise  # not about a file: a fault of ours
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"{where}{error.strerror or error}", 2)
    except KeyboardInterrupt as error:
        with defer_sigint():  # what comes now is ended already
            if isinstance(error, Terminated):
                _stop("terminated", 128 + error.number)
            _stop("interrupted", 128 + signal.SIGINT)


def _last_line(error: InputError) -> str:
    """From a process of a data loader the error comes wrapped in that process's traceback; its last line is ours."""
    *traceback, line = str(error).splitlines()
    return re.sub(r"^[\w.]+Error: ", "", line) if traceback else line


def _stop(line: str, status: int) -> None:
    to_log_file(f"error: {line}")
    print(f"error: {line}", file=sys.stderr)
    sys.exit(status)
