"""Labels of an annotated video in the files of other programs, written beside the video."""

from pathlib import Path

from lib.annotation.video import AnnotatedVideo
from lib.formats.labels import coco
from lib.formats.labels.registry import FORMATS, write_any_labels
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, write_json


def written_formats() -> dict[str, str]:
    """Return the suffix of each format that can be written in a file of any name, by the name of the format."""
    return {
        name: Path(known.patterns[0]).suffix
        for name, known in FORMATS.items()
        if known.write and known.patterns and not known.check
    }


def export_labels(video: AnnotatedVideo, format: str) -> tuple[Path, list[str]]:
    """Write the labels of all frames in a format, beside the video.

    Args:
        video: The video.
        format: Name of the format.

    Returns:
        Path of the file, and one line for each thing that the format cannot hold.

    Raises:
        InputError: The format is unknown, or the file exists and is of another origin.
    """
    formats = written_formats()
    if format not in formats:
        raise InputError(f"no format is named {format!r}; choose from {', '.join(formats)}")
    path = video.path.with_name(f"{video.path.stem}_{format}{formats[format]}")
    claim_outputs([("export to", path)])
    content = video.content()
    if format == "coco":  # with the sources and the disagreement of joints
        write_json(path, content)
        return path, []
    return path, write_any_labels(path, coco.labels_of(content, path), format)
