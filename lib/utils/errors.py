"""The one exception that means "the input is wrong", and what a command line makes of it."""

import sys
from collections.abc import Callable


class InputError(Exception):
    """The user's input is wrong.

    The message is one line: what is wrong, where (file, key, record, frame) and what to do about it.
    """


def run(main: Callable[[], None]) -> None:
    """Run a tool: a wrong input or a file that cannot be used ends in one line and exit status 2, Ctrl-C in 130.

    Args:
        main: the tool, without arguments.
    """
    try:
        main()
    except InputError as error:
        # From a process of a data loader the error comes wrapped in that process's traceback; its last line is ours.
        line = str(error).splitlines()[-1]
        _stop(line.removeprefix(f"{InputError.__module__}.{InputError.__name__}: "), 2)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise  # not about a file: a fault of ours
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"{where}{error.strerror or error}", 2)
    except KeyboardInterrupt:
        _stop("interrupted", 130)


def _stop(line: str, status: int) -> None:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(status)
