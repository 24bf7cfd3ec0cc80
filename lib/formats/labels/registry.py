"""The label formats of custom videos, detected by content or file name; each is a module of lib.formats.labels."""

from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from lib.formats import labels as package
from lib.formats.labels.label_format import LabelFormat, Writer
from lib.formats.labels.model import Labels
from lib.formats.labels.yaml_files import SUFFIXES, read_yaml
from lib.utils.errors import InputError


def _find_formats() -> dict[str, LabelFormat]:
    modules = [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
    formats: list[LabelFormat] = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {known.name: known for known in formats}


FORMATS = _find_formats()
"""Formats by name."""


def read_any_labels(path: str | Path, format: str | None = None) -> Labels:
    """Read a label file.

    Args:
        path: The file, or a folder with the YAML file of a project or data set.
        format: Name of the format; detected from the content if None.

    Returns:
        The labels.

    Raises:
        InputError: If the format does not exist, or the file does not have it. The message names the location.
    """
    path = _file_of(Path(path))
    return _format(format or find_format(path)).read(path)


def write_any_labels(path: str | Path, labels: Labels, format: str | None = None) -> list[str]:
    """Write a label file.

    Args:
        path: The file to write.
        labels: The labels.
        format: Name of the format; chosen by file extension if None. A .csv file is DeepLabCut's if its name is
            `CollectedData…` or contains `DLC_`.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If the format does not exist, is read-only, needs a package that is not installed, or cannot hold
            the labels.
    """
    _, write = _writer(path, format)
    return write(path, labels)


def check_written(path: str | Path, format: str | None = None) -> str:
    """Return the name of the format in which a file would be written.

    Args:
        path: The file.
        format: Name of the format; chosen by file extension if None.

    Returns:
        The name of the format.

    Raises:
        InputError: If the extension belongs to no format, the format is read-only or needs a package that is not
            installed, or its files cannot be written in this place.
    """
    name, _ = _writer(path, format)
    return name


def _writer(path: str | Path, format: str | None) -> tuple[str, Writer]:
    name = format or _format_of_name(Path(path))
    write = _format(name).write
    if write is None:
        others = ", ".join(other for other, known in FORMATS.items() if known.write)
        raise InputError(f"{path}: the format {name} can be read but not written; choose from {others}")
    missing = [package for package in FORMATS[name].packages if find_spec(package.replace("-", "_")) is None]
    if missing:
        raise InputError(f"{path}: to write the format {name}, install what it needs: pip install {' '.join(missing)}")
    if check := FORMATS[name].check:
        check(path)
    return name, write


def _format(name: str) -> LabelFormat:
    if name not in FORMATS:
        raise InputError(f"no format of labels is named {name!r}; choose from {', '.join(FORMATS)}")
    return FORMATS[name]


def _format_of_name(path: Path) -> str:
    """Return the format that a file is written in because of its name: the one with the longest pattern that fits."""
    name = path.with_suffix(path.suffix.lower()).name
    pairs = [(pattern, known.name) for known in FORMATS.values() for pattern in known.patterns]
    fitting = [pair for pair in pairs if fnmatchcase(name, pair[0])]
    if not fitting:
        suffixes = ", ".join(dict.fromkeys(Path(pattern).suffix for pattern, _ in pairs))
        raise InputError(f"{path}: unknown format of labels; the supported extensions are {suffixes}")
    return max(fitting, key=lambda pair: len(pair[0]))[1]


def find_format(path: str | Path) -> str:
    """Detect the format of a file from its content.

    Args:
        path: The file, or a folder with the YAML file of a project or data set.

    Returns:
        The name of the format.

    Raises:
        InputError: If the file is missing, empty or an archive, or the folder does not have exactly one such YAML file.
    """
    path = _file_of(Path(path))
    text = _start(path)
    specific_first = sorted(FORMATS.values(), key=lambda known: known.is_general)
    found = next(known for known in specific_first if known.recognizes(path, text))  # else it is plain CSV
    if found.is_general and path.suffix.lower() in SUFFIXES:
        read_yaml(path)  # refuses a damaged file
        raise InputError(
            f"{path}: neither DeepLabCut's config.yaml, which has Task and scorer, nor a YOLO data set with kpt_shape"
        )
    return found.name


def _file_of(path: Path) -> Path:
    """Return the YAML file that describes the labels in a folder; a file stands for itself."""
    if not path.is_dir():
        return path
    specific = [known for known in FORMATS.values() if not known.is_general]
    files = [file for file in sorted(path.glob("*.y*ml")) if any(known.recognizes(file, b"") for known in specific)]
    if len(files) != 1:
        raise InputError(
            f"{path}: a folder with {len(files)} files that describe labels, such as DeepLabCut's config.yaml or the "
            "YAML file of a YOLO data set; name the file of labels"
        )
    return files[0]


def _start(path: Path) -> bytes:
    """Return the first bytes of a file, without a byte order mark and white space."""
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise InputError(f"{path}: an empty file")
    if text.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: an archive; unpack it and name the file of labels in it")
    return text
