"""The exception for invalid input, and its handling on the command line."""

import io
import os
import re
import signal
import sys
from collections.abc import Callable

from lib.utils.interrupts import Terminated, defer_sigint, raise_on_signals
from lib.utils.logging import to_log_file

SIGPIPE = 13  # also on Windows, where Python has no name for it


class InputError(Exception):
    """Error caused by invalid input from the user.

    The message is one line that describes the problem, its location (file, key, record, frame), and a solution.
    """


def run(main: Callable[[], None], *, resumes: bool = False) -> None:
    """Run a tool and exit with a short message instead of a traceback if the user's input is wrong.

    The exit status is 2 for wrong input or a file that cannot be used, 130 for Ctrl-C, 143 for SIGTERM, and 141, with a
    message in the log file only, if the reader of the output closes the pipe.

    Args:
        main: Main function of the tool, called without arguments.
        resumes: The same command continues an interrupted run, and the message says so.
    """
    again = "; run the same command again to resume" if resumes else ""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the code page of a Windows pipe lacks most signs
    raise_on_signals()
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        _stop(_message(error), 2)
    except BrokenPipeError:  # the reader of the output, such as head, has exited
        to_log_file("error: a pipe broke")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the output that Python has not flushed yet
        sys.exit(128 + SIGPIPE)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise  # not related to a file, so probably a bug
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"{where}{error.strerror or error}", 2)
    except KeyboardInterrupt as error:
        with defer_sigint():  # the process is already exiting
            if isinstance(error, Terminated):
                _stop(f"terminated{again}", 128 + error.number)
            _stop(f"interrupted{again}", 128 + signal.SIGINT)


def _message(error: InputError) -> str:
    """Return the message, without the traceback that a data loader's process wraps it in."""
    text = str(error)
    return re.sub(r"^[\w.]+Error: ", "", text.splitlines()[-1]) if text.startswith("Caught ") else text


def _stop(text: str, status: int) -> None:
    # Names in files may contain line breaks, escape codes of terminals, or marks that reverse the text.
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    to_log_file(f"error: {line}")
    print(f"error: {line}", file=sys.stderr)
    sys.exit(status)
