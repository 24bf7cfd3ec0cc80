"""Writer for "CVAT for video 1.1" files, to be uploaded to a task of the same video; cvat.py reads them.

The labels of the task must match those of the file: a skeleton named `category` with the same joint names or, without a
category, one points label per joint.
"""

from decimal import Decimal
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent, tostring

import numpy as np

from lib.formats.labels.losses import lost, lost_file_names
from lib.formats.labels.model import HIDDEN, Labels
from lib.utils.errors import InputError
from lib.utils.files import atomic_path

_HALF = Decimal("0.5")


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write every pose as a keyframe, and end it by an `outside` keyframe if the next frame lacks that pose.

    Args:
        path: The XML file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If the frames belong to several videos, have no numbers, or share a number.
    """
    numbers = [frame.number for frame in labels.frames]
    if len({frame.video for frame in labels.frames}) > 1:
        raise InputError(
            f"{path}: a CVAT file holds one video, but these labels belong to several; write one video at a time"
        )
    if min(numbers, default=0) < 0 or len(set(numbers)) < len(numbers):
        raise InputError(f"{path}: a CVAT file holds numbered frames, but some have no number, or share one")
    step = _step(sorted(numbers))
    sizes = {(frame.width, frame.height) for frame in labels.frames}
    size = next(iter(sizes)) if len(sizes) == 1 else (0, 0)
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    _add_task(SubElement(SubElement(root, "meta"), "task"), labels, numbers, step, size)
    for who, source, rows in _tracks(labels):
        rows_of = {numbers[labels.frame[row]]: row for row in rows}
        if labels.category:
            track = SubElement(root, "track", id=str(who), label=labels.category, source=source)
            _add_skeletons(track, labels, rows_of, _keyframes(set(rows_of), step, max(numbers)))
            continue
        for joint, name in enumerate(labels.names):
            own = {number for number, row in rows_of.items() if labels.labeled[row, joint]}
            if own:
                track = SubElement(root, "track", id=str(len(root)), label=name, source=source)
                track.attrib |= {"group_id": str(who)} if who else {}
                _add_points(track, labels, joint, rows_of, _keyframes(own, step, max(numbers)))
    indent(root)
    with atomic_path(path) as temporary:
        ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
    optional = {"edges": labels.category, "sizes": any(size)}
    held = ["hidden", "scores", "tracks", "numbers", *(part for part, is_held in optional.items() if is_held)]
    return lost_file_names(labels.frames) + lost(labels, *held)


def _step(numbers: list[int]) -> int:
    """Return the distance between the frames of the task if they are evenly spaced, else 1, a task of all frames."""
    gaps = set(np.diff(numbers).tolist())
    return gaps.pop() if len(gaps) == 1 and len(numbers) > 2 else 1


def _tracks(labels: Labels) -> list[tuple[int, str, list[int]]]:
    """Return id, source and rows of each individual; a pose without a track becomes a track, as CVAT writes a shape."""
    tracks: dict[int, tuple[int, str, list[int]]] = {}
    free = max(labels.track.tolist(), default=-1) + 1
    for row in np.flatnonzero(labels.labeled.any(axis=1)).tolist():
        who = int(labels.track[row])
        if who < 0:
            who, source, free = free, "manual", free + 1
        else:
            source = "file"
        tracks.setdefault(who, (who, source, []))[2].append(row)
    return [tracks[who] for who in sorted(tracks)]


def _keyframes(numbers: set[int], step: int, last: int) -> list[tuple[int, bool]]:
    """Return sorted (frame, shown) pairs: the given frames, and the frames after them that must end the track."""
    after = {number + step for number in numbers} - numbers
    return sorted([(number, True) for number in numbers] + [(number, False) for number in after if number <= last])


def _add_skeletons(track: Element, labels: Labels, rows_of: dict[int, int], keyframes: list[tuple[int, bool]]) -> None:
    rows = list(rows_of.values())
    seen = labels.labeled[rows]
    middle = np.nanmean(labels.joints[rows], axis=(0, 1))
    places = np.where(
        np.any(seen, axis=0)[:, None], labels.joints[rows][seen.argmax(axis=0), range(len(labels.names))], middle
    )
    for number, given in keyframes:
        shape = SubElement(track, "skeleton", frame=str(number), keyframe="1", z_order="0")
        row = rows_of.get(number, 0)
        shown = labels.labeled[row] & given
        places = np.where(shown[:, None], labels.joints[row], places)
        for joint, name in enumerate(labels.names):
            values = _values(places[joint], shown[joint], labels.visibility[row, joint])
            point = SubElement(shape, "points", {"label": name, "keyframe": "1", **values})
            _add_score(point, shown[joint], labels.scores[row, joint])


def _add_points(
    track: Element, labels: Labels, joint: int, rows_of: dict[int, int], keyframes: list[tuple[int, bool]]
) -> None:
    place = np.zeros(2)  # replaced by the first keyframe, which shows the joint
    for number, shown in keyframes:
        row = rows_of.get(number, 0)
        place = labels.joints[row, joint] if shown else place
        values = _values(place, shown, labels.visibility[row, joint])
        point = SubElement(track, "points", {"frame": str(number), "keyframe": "1", "z_order": "0", **values})
        _add_score(point, shown, labels.scores[row, joint])


def _add_score(point: Element, shown: bool, score: float) -> None:
    """Add the score of a joint that a program set, as an attribute; CVAT ignores attributes that a task lacks."""
    if shown and not np.isnan(score):
        SubElement(point, "attribute", name="score").text = repr(float(score))


def _values(place: np.ndarray, shown: bool, visibility: int) -> dict[str, str]:
    x, y = (format(Decimal(repr(value)) + _HALF, "f") for value in place.tolist())
    occluded = shown and visibility == HIDDEN
    return {"outside": str(int(not shown)), "occluded": str(int(occluded)), "points": f"{x},{y}"}


def _add_task(task: Element, labels: Labels, numbers: list[int], step: int, size: tuple[int, int]) -> None:
    """Add CVAT's metadata of a task: its frames, labels and video."""
    last, first = max(numbers), min(numbers)
    texts = {"size": (last - first) // step + 1, "mode": "interpolation", "start_frame": first, "stop_frame": last}
    for name, text in (texts | {"frame_filter": f"step={step}" if step > 1 else ""}).items():
        SubElement(task, name).text = str(text)
    parent = SubElement(task, "labels")
    if labels.category:
        skeleton = SubElement(parent, "label")
        for name, text in {"name": labels.category, "type": "skeleton", "svg": _drawing(labels)}.items():
            SubElement(skeleton, name).text = text
    for name in labels.names:
        label = SubElement(parent, "label")
        SubElement(label, "name").text = name
        SubElement(label, "type").text = "points"
        if labels.category:
            SubElement(label, "parent").text = labels.category
    if any(size):
        original = SubElement(task, "original_size")
        for name, value in zip(("width", "height"), size, strict=True):
            SubElement(original, name).text = str(value)
    SubElement(task, "source").text = labels.frames[0].video


def _drawing(labels: Labels) -> str:
    """Return the skeleton as CVAT draws it, in a 100 × 100 square: the first pose with all joints, else a circle."""
    whole = labels.joints[labels.labeled.all(axis=1)]
    angles = np.linspace(0, 2 * np.pi, len(labels.names), endpoint=False)
    pose = whole[0] if len(whole) else np.column_stack([np.sin(angles), -np.cos(angles)])
    low, extent = pose.min(axis=0), max(np.ptp(pose, axis=0).max(), 1e-9)
    pose = np.round(10 + 80 * (pose - low) / extent, 2).tolist()
    root = Element("svg")
    for start, end in labels.edges:
        ends = {"x1": pose[start][0], "y1": pose[start][1], "x2": pose[end][0], "y2": pose[end][1]}
        nodes = {"data-type": "edge", "data-node-from": str(start + 1), "data-node-to": str(end + 1)}
        SubElement(root, "line", {key: str(value) for key, value in ends.items()} | nodes)
    for number, (name, (x, y)) in enumerate(zip(labels.names, pose, strict=True), start=1):
        node = {"data-type": "element node", "data-element-id": str(number), "data-node-id": str(number)}
        SubElement(root, "circle", {"r": "0.75", "cx": str(x), "cy": str(y), **node, "data-label-name": name})
    return "".join(tostring(element, encoding="unicode") for element in root)
