"""Labels of a video from CVAT, "CVAT for video 1.1": XML with one track per individual, or per joint.

CVAT uses continuous image coordinates: (0, 0) is the corner of the first pixel, whose center is (0.5, 0.5). Half a
pixel is subtracted here, and added when writing, in decimal arithmetic so that a round trip does not change any number.
"""

import logging
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException, ElementTree

from lib.formats.json_fields import is_true, whole_number
from lib.formats.labels import cvat_writer
from lib.formats.labels.cvat_interpolation import JointTrack, Keyframe, interpolate_poses
from lib.formats.labels.frames import Frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.model import Labels, checked_labels
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)
_HALF = Decimal("0.5")
_MAX_FRAMES = 1_000_000


@dataclass(frozen=True)
class _Task:
    """The video of the file; every `step`-th frame up to `stop` belongs to the task."""

    video: str
    width: int
    height: int
    stop: int
    step: int


def read(path: str | Path) -> Labels:
    """Read tracks of skeletons or, if there are none, tracks of points, whose labels are the joints.

    As in CVAT, only keyframes are read, and a joint is interpolated linearly between two of them. After its last
    keyframe it stays in place until the end of the video, unless `outside` ends it. Joints in keyframes count as set by
    a person (score NaN) unless they have an attribute `score`; interpolated joints have score 1. Points belong to the
    individual of their group. Skeletons drawn as shapes of single frames have no track.

    Args:
        path: The XML file.

    Raises:
        InputError: If the file is not a CVAT file, declares entities, or is invalid. The message names the track and
            the frame.
    """
    root = _parse(path)
    tracks, are_skeletons = _tracks(root, path)
    if are_skeletons:
        joints = [joint for index, track in tracks for joint in _skeleton(track, index, path)]
        category = tracks[0][1].get("label", "")
        names, edges = _skeleton_joints(root, [track for _, track in tracks], path)
    else:
        joints = [_points(track, f"{path}: track {track.get('id', index)}") for index, track in tracks]
        category, names, edges = "", list(dict.fromkeys(joint.name for joint in joints)), []
    if not joints:
        raise InputError(f"{path}: no joint is labeled: its skeletons have no points")
    task = _task(root, joints, path)
    are_shapes = _are_shapes(joints)
    if are_shapes:
        ends = [max(joint.keyframes, default=0) for joint in joints]
    elif any(element.get("keyframe") == "0" for element in root.iter()):  # an export with all frames
        ends = [joint.last for joint in joints]
    else:
        ends = [task.stop] * len(joints)
    frame_of_pose, who, cells = interpolate_poses(list(zip(joints, ends, strict=True)), task.step, names, path)
    numbers, frame = np.unique(frame_of_pose, return_inverse=True)
    return checked_labels(
        path,
        names,
        [Frame(task.video, number, "", task.width, task.height) for number in numbers.tolist()],
        frame,
        cells[:, :, :2],
        visibility=cells[:, :, 2],
        track=[-1] * len(who) if are_shapes and are_skeletons else who,
        scores=cells[:, :, 3],
        edges=edges,
        category=category,
    )


def _tracks(root: Element, path: str | Path) -> tuple[list[tuple[int, Element]], bool]:
    """Return the tracks of skeletons and True or, if there are none, the tracks of points and False.

    Each track has its index in the file.
    """
    tracks = root.findall("track")
    if root.tag != "annotations" or not tracks:
        images = " (for images)" if root.find("image") is not None else ""
        raise InputError(f"{path}: a CVAT file{images} without tracks; export it as 'CVAT for video 1.1'")
    if len({track.get("task_id") for track in tracks}) > 1:
        raise InputError(f"{path}: tracks of several tasks; export each task by itself")
    kind = "skeleton" if any(track.find("skeleton") is not None for track in tracks) else "points"
    used = [(index, track) for index, track in enumerate(tracks) if track.find(kind) is not None]
    if len(used) < len(tracks):
        logger.warning("%s: tracks that are not %s are left out: %d", path, kind, len(tracks) - len(used))
    if not used:
        raise InputError(f"{path}: no track has a skeleton or points")
    return used, kind == "skeleton"


def _parse(path: str | Path) -> Element:
    try:
        root = ElementTree.parse(path).getroot()
        assert root is not None  # a file without a root element is a ParseError
        return root
    except ParseError as error:
        raise InputError(f"{path}: not an XML file, or a truncated one ({error})") from None
    except DefusedXmlException:
        raise InputError(f"{path}: refused: it declares entities, which CVAT's files never do") from None
    except (ValueError, LookupError) as error:
        raise InputError(f"{path}: not an XML file ({error})") from None


def _skeleton(track: Element, index: int, path: str | Path) -> list[JointTrack]:
    """Return the joints of a track of skeletons."""
    where = f"{path}: track {track.get('id', index)}"
    who = whole_number(track.get("id", index))
    if who is None or who < 0:
        raise InputError(f"{where}: 'id' must be a whole number")
    joints: dict[str, JointTrack] = {}
    for shape in track.findall("skeleton"):
        for element in shape.findall("points"):
            name = element.get("label")
            if not name:
                raise InputError(f"{where}: a point without a label, frame {shape.get('frame')}")
            _add(joints.setdefault(name, JointTrack(track, who, name)), element, shape, where)
    return list(joints.values())


def _points(track: Element, where: str) -> JointTrack:
    """Return the joint of a track of points."""
    name, who = track.get("label"), whole_number(track.get("group_id", 0))
    if not name or who is None or who < 0:
        raise InputError(f"{where}: points need a label, and group_id must be a whole number")
    joint = JointTrack(track, who, name)
    for shape in track.findall("points"):
        _add(joint, shape, shape, where)
    return joint


def _add(joint: JointTrack, element: Element, shape: Element, where: str) -> None:
    """Add a point, which is an element of `shape` or `shape` itself, if it is a keyframe."""
    number = whole_number(shape.get("frame"))
    if number is None or number < 0:
        raise InputError(f"{where}: 'frame' must be a whole number, not {shape.get('frame')!r}")
    joint.last = max(joint.last, number)
    if not is_true(element.get("keyframe", shape.get("keyframe", "1"))):
        return
    text = element.get("points", "")
    try:
        x, y = (float(Decimal(value.strip()) - _HALF) for value in text.split(","))
    except (InvalidOperation, ValueError):
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"{where}: frame {number}: {joint.name} must be one point, x,y, not {text!r}")
    if number in joint.keyframes:
        raise InputError(f"{where}: frame {number}: {joint.name} is repeated")
    outside = is_true(shape.get("outside", "0")) or is_true(element.get("outside", "0"))
    occluded = is_true(element.get("occluded", "0"))
    joint.keyframes[number] = Keyframe(x=x, y=y, outside=outside, occluded=occluded, score=_score(element, where))


def _score(element: Element, where: str) -> float:
    """Return the attribute `score` of a point, as cvat_writer.py writes it; NaN if there is none."""
    text = next((one.text or "" for one in element.findall("attribute") if one.get("name") == "score"), "").strip()
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise InputError(f"{where}: a point's attribute 'score' must be a number, not {text!r}") from None


def _skeleton_joints(root: Element, tracks: list[Element], path: str | Path) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the joint names, in the order of the task's labels if listed, and the edges of the skeleton's drawing."""
    labels = {label.findtext("name", ""): label for label in root.iterfind("meta//label")}
    parts = [(label.findtext("parent"), label.findtext("name", "")) for label in root.iterfind("meta//label")]
    names_of: dict[str, list[str]] = {}
    for track in tracks:
        own = names_of.setdefault(track.get("label", ""), [])
        own += [name for parent, name in parts if parent == track.get("label") and name not in own]
        points = (element.get("label", "") for element in track.iterfind("skeleton/points"))
        own += [name for name in dict.fromkeys(points) if name not in own]
    (category, names), *others = names_of.items()
    for other, own in others:
        if {*own} != {*names}:
            raise InputError(f"{path}: the skeletons {category} and {other} have different joints: keep one of them")
    drawing = labels[category].findtext("svg") if category in labels else None
    return names, _edges(drawing or "", names)


def _edges(drawing: str, names: list[str]) -> list[tuple[int, int]]:
    """Return the lines of a skeleton's SVG as pairs of joints; empty if the SVG has another structure."""
    try:
        elements = list(ElementTree.fromstring(f"<svg>{drawing}</svg>"))
    except (ParseError, DefusedXmlException):
        return []
    joint_of = {
        one.get("data-node-id"): names.index(name) for one in elements if (name := one.get("data-label-name")) in names
    }
    lines = [(one.get("data-node-from"), one.get("data-node-to")) for one in elements if one.tag == "line"]
    return [(joint_of[start], joint_of[end]) for start, end in lines if start in joint_of and end in joint_of]


def _task(root: Element, joints: list[JointTrack], path: str | Path) -> _Task:
    def number(name: str) -> int:
        return max(whole_number(next(root.iterfind(f"meta//{name}"), Element("")).text) or 0, 0)

    frame_filter = next(root.iterfind("meta//frame_filter"), Element("")).text or ""
    step = re.search(r"step\s*=\s*(\d{1,9})", frame_filter)
    stop = max(number("stop_frame"), *(joint.last for joint in joints))
    if stop > _MAX_FRAMES:
        raise InputError(f"{path}: frame {stop}: only videos of up to {_MAX_FRAMES} frames are supported")
    return _Task(
        video=(next(root.iterfind("meta//source"), Element("")).text or "").strip(),
        width=number("original_size/width"),
        height=number("original_size/height"),
        stop=stop,
        step=max(int(step[1]), 1) if step else 1,
    )


def _are_shapes(joints: list[JointTrack]) -> bool:
    """Return True if CVAT exported shapes of single frames as tracks, whose ids have no meaning."""
    frames: dict[int, set[int]] = {}
    for joint in joints:
        shown = (number for number, keyframe in joint.keyframes.items() if not keyframe.outside)
        frames.setdefault(id(joint.track), set()).update(shown)
    single = all(len(numbers) <= 1 for numbers in frames.values())
    return (
        single
        and len(set().union(*frames.values())) > 1
        and not any(joint.track.get("source") == "file" for joint in joints)
    )


def _recognizes(path: Path, start: bytes) -> bool:
    return start.startswith(b"<")


FORMAT = LabelFormat("cvat", read, cvat_writer.write, _recognizes, ("*.xml",))
