"""Description of a format of label files. A module of lib.formats.labels that assigns one to FORMAT adds a format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.formats.labels.model import Labels

Reader = Callable[[str | Path], Labels]
Writer = Callable[[str | Path, Labels], list[str]]


@dataclass(frozen=True)
class LabelFormat:
    """A format of label files.

    Attributes:
        name: Name on command lines, for `--from` and `--to`.
        read: Reader of the format.
        write: Writer of the format, which returns one line for each thing that it cannot hold; None if the format is
            read-only.
        recognizes: Function that returns True if a file has the format. Its arguments are the path and the first bytes
            of the file, without a byte order mark and white space.
        patterns: Patterns of the names of files that are written in this format unless `--to` names another, such as
            "*.csv". If several formats have a pattern that fits, the longest pattern counts.
        is_general: Several formats share what `recognizes` checks; it is checked after those of other formats.
        packages: Optional packages that the writer needs, as pip names them.
        check: Function that raises an InputError if no file can be written in a place. It is called before a run.
    """

    name: str
    read: Reader
    write: Writer | None
    recognizes: Callable[[Path, bytes], bool]
    patterns: tuple[str, ...] = ()
    is_general: bool = False
    packages: tuple[str, ...] = ()
    check: Callable[[str | Path], object] | None = None
