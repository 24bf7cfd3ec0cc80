"""Registry of the label formats for custom videos, detected by file content or extension."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.formats.hdf5 import open_hdf5
from lib.formats.labels import coco, cvat, deeplabcut, plain_csv, posetrack, sleap
from lib.formats.labels import cvat_writer as cvat_writing
from lib.formats.labels.model import Labels
from lib.formats.posetrack import KEYPOINT_NAMES
from lib.formats.posetrack18 import keypoint_category
from lib.utils.errors import InputError
from lib.utils.files import read_json

Writer = Callable[[str | Path, Labels], list[str]]


@dataclass(frozen=True)
class LabelFormat:
    """A format of label files.

    Attributes:
        read: Reader of the format.
        write: Writer of the format; None if it is read-only.
        endings: File extensions that select the format for writing.
    """

    read: Callable[[str | Path], Labels]
    write: Writer | None
    endings: tuple[str, ...]


FORMATS = {
    "coco": LabelFormat(coco.read, coco.write, (".json",)),
    "posetrack18": LabelFormat(posetrack.read, posetrack.write, (".json",)),
    "csv": LabelFormat(plain_csv.read, plain_csv.write, (".csv",)),
    "deeplabcut": LabelFormat(deeplabcut.read, deeplabcut.write, (".h5", ".hdf5", ".csv")),
    "cvat": LabelFormat(cvat.read, cvat_writing.write, (".xml",)),
    "sleap": LabelFormat(sleap.read, None, (".slp",)),
}
"""Formats by name; if several share an extension, the first is used for writing."""


def read_any_labels(path: str | Path, format: str | None = None) -> Labels:
    """Read a label file.

    Args:
        path: The file.
        format: Name of the format; detected from the content if None.

    Returns:
        The labels.

    Raises:
        InputError: If the format does not exist, or the file does not have it. The message names the location.
    """
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
        InputError: If the format does not exist, is read-only, or cannot hold the labels.
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
        InputError: If the extension belongs to no format, or the format is read-only.
    """
    name, _ = _writer(path, format)
    return name


def _writer(path: str | Path, format: str | None) -> tuple[str, Writer]:
    name = format or _ending_format(Path(path))
    write = _format(name).write
    if write is None:
        others = ", ".join(other for other, known in FORMATS.items() if known.write)
        raise InputError(f"{path}: the format {name} can be read but not written; choose from {others}")
    return name, write


def _format(name: str) -> LabelFormat:
    if name not in FORMATS:
        raise InputError(f"no format of labels is named {name!r}; choose from {', '.join(FORMATS)}")
    return FORMATS[name]


def _ending_format(path: Path) -> str:
    if path.suffix.lower() == ".csv" and (path.stem.startswith("CollectedData") or "DLC_" in path.stem):
        return "deeplabcut"
    name = next((name for name, known in FORMATS.items() if path.suffix.lower() in known.endings), None)
    if name is None:
        endings = ", ".join(dict.fromkeys(ending for known in FORMATS.values() for ending in known.endings))
        raise InputError(f"{path}: unknown format of labels; the supported extensions are {endings}")
    return name


def find_format(path: str | Path) -> str:
    """Detect the format of a file from its content.

    Args:
        path: The file.

    Returns:
        The name of the format.

    Raises:
        InputError: If the file is missing, empty or an archive.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if start.startswith(b"\x89HDF"):
        with open_hdf5(path, "labels") as file:
            return "sleap" if "metadata" in file else "deeplabcut"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise InputError(f"{path}: an empty file")
    if text.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: an archive; unpack it and name the file of labels in it")
    if path.suffix.lower() == ".mat":
        return "posetrack18"
    if text.startswith(b"<"):
        return "cvat"
    if text.startswith((b"{", b"[")):
        return "posetrack18" if _is_posetrack(read_json(path)) else "coco"
    return "deeplabcut" if text.partition(b",")[0].decode(errors="replace") in deeplabcut.LEVELS else "csv"


def _is_posetrack(content: object) -> bool:
    """Return True for an official file: of 2017, or of 2018 with its joints and images that have `nframes`."""
    if not isinstance(content, dict) or "annolist" in content:
        return isinstance(content, dict)
    try:
        names = keypoint_category(content)["keypoints"]
        return names == list(KEYPOINT_NAMES) and "nframes" in content["images"][0]
    except (LookupError, TypeError, AttributeError):
        return False
