"""Labels in Label Studio's JSON: a list of tasks, each an image with annotations by people and predictions by programs.

A joint is a region of type `keypointlabels`, an individual the `rectanglelabels` region that is its `parentID` (or that
a relation connects with it). Coordinates are percent of the image's size. They are positions on the drawn image, so
(0, 0) is the corner of the first pixel, whose center is (0.5, 0.5) pixels, as in CVAT.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from lib.formats.json_fields import is_row, records, whole_number
from lib.formats.labels import label_studio_writer
from lib.formats.labels.frames import Frame, image_names, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.label_studio_writer import HALF_PIXEL, INDIVIDUAL
from lib.formats.labels.model import Labels, checked_labels, number_tracks
from lib.utils.errors import InputError
from lib.utils.files import read_json

logger = logging.getLogger(__name__)
_NO_SCORE = 1.0  # of a prediction without a score
_ANNOTATED = ("annotations", "completions")  # Label Studio 1.0 and its predecessors


@dataclass
class _Pose:
    """An individual in a frame: its joints by name as x, y, score, and its box."""

    frame: int
    joints: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    box: np.ndarray = field(default_factory=lambda: np.full(4, np.nan))
    track: str = ""
    category: str = ""


def read(path: str | Path) -> Labels:
    """Read the last annotation of each task that was not cancelled, and its last prediction.

    Joints of annotations count as set by a person. A prediction adds individuals to a task without an annotation, and
    joints that an annotated individual of the same id lacks; they have the score of their region, of the prediction, or
    1. Joints without a rectangle are of one individual. Names of joints are in the order of their first regions.

    Args:
        path: The JSON file, exported as "JSON", not as "JSON-MIN".

    Returns:
        The labels.

    Raises:
        InputError: If the file is not such an export, or is invalid. The message names the task and the region.
    """
    content = read_json(path)
    if not _has_tasks(content):
        raise InputError(f"{path}: not a list of Label Studio's tasks; export them as JSON, not as JSON-MIN")
    poses: list[_Pose] = []
    frames: list[Frame] = []
    for index, task in enumerate(content):
        where = f"{path}: task {task.get('id', index)}"
        own, size = _poses(task, index, where)
        poses += own
        frames.append(_frame(task, size, where))
    names = list(dict.fromkeys(name for pose in poses for name in pose.joints))
    numbers, track_names = number_tracks(pose.track for pose in poses if pose.track)
    cells = np.array([[pose.joints.get(name, [np.nan] * 3) for name in names] for pose in poses])
    cells = cells.reshape(len(poses), len(names), 3)
    categories = [pose.category for pose in poses if pose.category]
    return checked_labels(
        path,
        names,
        frames,
        [pose.frame for pose in poses],
        cells[:, :, :2],
        track=[numbers.get(pose.track, -1) for pose in poses],
        scores=cells[:, :, 2],
        boxes=np.array([pose.box for pose in poses]).reshape(-1, 4),
        track_names=track_names,
        category=categories[0] if categories else "individual",
    )


def _has_tasks(content: Any) -> bool:
    keys = (*_ANNOTATED, "predictions")
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, dict) and isinstance(task.get("data"), dict) for task in content)
        and any(isinstance(task.get(key), list) for task in content for key in keys)
    )


def _results(task: dict[str, Any], where: str) -> Iterator[tuple[list[dict[str, Any]], float]]:
    """Yield the regions of the annotation, with score NaN, and those of the prediction, with its score."""
    for key, score in (*((key, np.nan) for key in _ANNOTATED), ("predictions", _NO_SCORE)):
        listed = task.get(key) or []
        if not isinstance(listed, list):
            raise InputError(f"{where}: '{key}' must be a list")
        given = [one for one in listed if isinstance(one, dict) and not one.get("was_cancelled")]  # some are ids
        if len(given) > 1:
            logger.warning("%s: the last of %d %s counts", where, len(given), key)
        for one in given[-1:]:
            own = one.get("score")
            yield (
                records(one, "result", f"{where}: {key}"),
                own if key == "predictions" and is_row(own, 1) and own is not None else score,
            )


def _poses(task: dict[str, Any], frame: int, where: str) -> tuple[list[_Pose], tuple[int, int]]:
    """Return the individuals of a task, and the size of its image, 0 if no region has it."""
    poses: dict[Any, _Pose] = {}
    size = (0, 0)
    annotated = False
    for regions, score in _results(task, where):
        parents, known = _parents(regions), set(poses)
        for index, region in enumerate(regions):
            kind = region.get("type")
            if kind not in ("keypointlabels", "rectanglelabels"):
                continue
            spot = f"{where}: region {region.get('id', index)}"
            size = _size(region, spot)
            who = region.get("id") if kind == "rectanglelabels" else parents.get(region.get("id"))
            if annotated and who not in known:
                continue  # a person looked at the task, and does not have this individual
            pose = poses.setdefault(who, _Pose(frame))
            if kind == "rectanglelabels":
                _add_box(pose, region, size, spot)
            else:
                _add_joint(pose, region, size, score, spot)
        annotated = annotated or bool(np.isnan(score))
    return list(poses.values()), size


def _parents(regions: Sequence[dict[str, Any]]) -> dict[Any, Any]:
    """Return the id of the rectangle that each keypoint belongs to, by the keypoint's id."""
    boxes = {region.get("id") for region in regions if region.get("type") == "rectanglelabels"}
    parents = {region.get("id"): region.get("parentID") for region in regions if region.get("parentID") in boxes}
    for region in regions:
        if region.get("type") == "relation":
            ends = region.get("from_id"), region.get("to_id")
            for start, end in (ends, ends[::-1]):
                if end in boxes and start not in boxes:
                    parents[start] = end
    return parents


def _size(region: dict[str, Any], where: str) -> tuple[int, int]:
    """Return width and height of the image."""
    width, height = (whole_number(region.get(f"original_{side}")) or 0 for side in ("width", "height"))
    if width < 1 or height < 1:
        raise InputError(f"{where}: original_width and original_height must be the size of the image in pixels")
    return width, height


def _value(region: dict[str, Any], keys: Sequence[str], label: str, where: str) -> tuple[np.ndarray, str]:
    """Return the numbers of a region and its label."""
    value = region.get("value")
    value = value if isinstance(value, dict) else {}
    numbers = [value.get(key) for key in keys]
    if not is_row(numbers, len(keys)) or None in numbers:
        raise InputError(f"{where}: 'value' must have the numbers {', '.join(keys)}")
    labels = value.get(label)
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        raise InputError(f"{where}: '{label}' must be a list of one label, not {labels!r}")
    return np.array(numbers, dtype=np.float64), labels[0]


def _add_joint(pose: _Pose, region: dict[str, Any], size: tuple[int, int], score: float, where: str) -> None:
    share, name = _value(region, ("x", "y"), "keypointlabels", where)
    if name in pose.joints:
        if np.isnan(score):
            raise InputError(f"{where}: a second {name!r}; put each individual's keypoints into a rectangle of its own")
        return  # a person set it, or corrected it
    own = region.get("score")
    if not np.isnan(score) and own is not None:
        if not is_row(own, 1):
            raise InputError(f"{where}: 'score' must be a number, not {own!r}")
        score = float(own)
    x, y = (share / 100 * size - HALF_PIXEL).tolist()
    pose.joints[name] = x, y, score


def _add_box(pose: _Pose, region: dict[str, Any], size: tuple[int, int], where: str) -> None:
    share, category = _value(region, ("x", "y", "width", "height"), "rectanglelabels", where)
    pose.box = share / 100 * [*size, *size] - [HALF_PIXEL, HALF_PIXEL, 0, 0]
    pose.category = category
    meta = region.get("meta")
    notes = meta.get("text") if isinstance(meta, dict) else None
    for note in notes if isinstance(notes, list) else [notes]:
        if isinstance(note, str) and note.startswith(INDIVIDUAL):
            pose.track = note.removeprefix(INDIVIDUAL)


def _frame(task: dict[str, Any], size: tuple[int, int], where: str) -> Frame:
    """Return the frame of a task: its image, and its number in a video, if `meta` has one."""
    texts = [value for value in task["data"].values() if isinstance(value, str)]
    given = task["data"].get("image", next(iter(texts), ""))
    name = _image_name(given) if isinstance(given, str) else ""
    meta = task.get("meta")
    video = meta.get("video") if isinstance(meta, dict) else None
    video = video if isinstance(video, dict) else {}
    number = whole_number(video.get("frame_idx"))
    if number is not None and number >= 0:
        clip, shape = str(video.get("filename") or ""), video.get("shape")
        if not size[0] and isinstance(shape, list) and len(shape) == 4:
            size = whole_number(shape[2]) or 0, whole_number(shape[1]) or 0
        made = Frame(clip, number, "", *size)
        return made if name in ("", *image_names([made])) else Frame(clip, number, name, *size)
    if not name:
        raise InputError(f"{where}: 'data' has no image")
    return named_frame(name, *size)


def _image_name(url: str) -> str:
    """Return the name of an image: the path in local storage or a bucket, and an upload's name without its prefix."""
    parts = urlsplit(url)
    local = parse_qs(parts.query).get("d")
    if local:
        return local[0]
    if not (parts.scheme or url.startswith("/")):
        return url
    path = unquote(parts.path).lstrip("/")
    return re.sub(r"^data/upload/(\d+/)?([0-9a-f]{8}-)?", "", path)


def _recognizes(path: Path, start: bytes) -> bool:
    return start.startswith(b"[") and _has_tasks(read_json(path))


_PATTERNS = ("*label_studio*.json", "*label-studio*.json", "*labelstudio*.json")
FORMAT = LabelFormat("label-studio", read, label_studio_writer.write, _recognizes, _PATTERNS)
