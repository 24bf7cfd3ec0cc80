"""PoseTrack's 2017 format: one file per video, a list of frames (`annolist`) of people (`annorect`) of points.

The official .json files wrap every value in a list of length one, as the .mat files they were made from do; files from
other tools often do not. Both are read, as are the values that MATLAB writes for empty lists. Files are written the
official way.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.json_fields import is_true, whole_number
from lib.formats.matlab import plain, read_variables
from lib.formats.video_annotations import JOINT_NAMES, NO_SCORE, VideoAnnotations
from lib.utils.errors import InputError
from lib.utils.files import write_json

_HEAD_BOX = ("x1", "y1", "x2", "y2")
_NUM_JOINTS = len(JOINT_NAMES)


def mat_content(path: str | Path) -> dict[str, Any]:
    """Read a 2017 .mat file into the structure of the .json file of the same video.

    Args:
        path: The .mat file.

    Returns:
        The content, for `read`.

    Raises:
        InputError: If the file is not a .mat file, or has no `annolist`.
    """
    annolist = read_variables(path).get("annolist")
    if annolist is None:
        hint = "a file that MATLAB saved with -v7.3 must be saved again with -v7"
        raise InputError(f"{path}: not a PoseTrack file: it has no struct array 'annolist'; {hint}")
    frames = plain(annolist)
    for frame in frames:
        if isinstance(frame, dict) and "annorect" in frame:
            frame["annorect"] = [rect for rect in frame["annorect"] if not _is_nobody(rect)]
    return {"annolist": frames}


def read(content: dict[str, Any], path: str | Path) -> VideoAnnotations:
    """Convert the content of a 2017 file to arrays, ignoring points whose id is not one of the 15 joints.

    Args:
        content: The parsed JSON, or the result of `mat_content`.
        path: The file that `content` was read from, for the name of the video and error messages.

    Returns:
        The video.

    Raises:
        InputError: If a key is missing or has an invalid value. The message names the file, frame, person and key.
    """
    try:
        frames = _many(content.get("annolist"))
    except _MalformedError as error:
        raise InputError(f"{path}: 'annolist': {error}") from None
    names, ignore_regions, person_frame, persons = [], [], [], []
    for index, frame in enumerate(frames):
        part = f"annolist[{index}]"
        try:
            names.append(_frame_name(frame))
            part = f"annolist[{index}] ({names[-1]})"
            ignore_regions.append([_polygon(region) for region in _many(frame.get("ignore_regions"))])
            for number, rect in enumerate(_many(frame.get("annorect"))):
                part = f"annolist[{index}] ({names[-1]}), annorect[{number}]"
                persons.append(_person(rect))
                person_frame.append(index)
        except _MalformedError as error:
            raise InputError(f"{path}: {part}: {error}") from None

    num_persons = len(persons)
    scores = np.array([person["scores"] for person in persons]).reshape(num_persons, _NUM_JOINTS)
    joints = np.array([person["joints"] for person in persons]).reshape(num_persons, _NUM_JOINTS, 2)
    present = ~np.isnan(joints[:, :, 0])
    has_persons = np.bincount(np.array(person_frame, dtype=np.int64), minlength=len(frames)) > 0
    return VideoAnnotations(
        name=Path(path).stem,
        frame_names=names,
        image_ids=list(range(len(frames))),
        frame_labeled=np.array(
            [is_true(_first(f.get("is_labeled", has_persons[i]))) for i, f in enumerate(frames)], bool
        ),
        nframes=len(frames),
        ignore_regions=ignore_regions,
        person_frame=np.array(person_frame, dtype=np.int64),
        has_joint_list=np.array([person["has_joint_list"] for person in persons], dtype=bool),
        joints=np.where(present[:, :, None], joints, 0),
        present=present,
        labeled=present.copy(),
        scores=scores,
        person_scores=np.array([person["score"] for person in persons], dtype=np.float64),
        track_ids=np.array([person["track_id"] for person in persons], dtype=np.int64),
        annotation_ids=np.full(num_persons, -1),
        head_boxes=np.array([person["head_box"] for person in persons], dtype=np.float64).reshape(num_persons, 4),
        boxes=np.full((num_persons, 4), np.nan),
        crowd=np.zeros(num_persons, dtype=bool),
    )


def write(path: str | Path, video: VideoAnnotations) -> None:
    """Write a video in the 2017 format; unknown values and absent joints are omitted.

    The format cannot hold person boxes, image ids, or frames of the video that are not listed.

    Args:
        path: The file to write.
        video: The video.
    """
    frames = []
    for index, name in enumerate(video.frame_names):
        frame = {"image": [{"name": name}], "imgnum": [index + 1], "is_labeled": [int(video.frame_labeled[index])]}
        if video.ignore_regions[index]:
            polygons = [polygon.tolist() for polygon in video.ignore_regions[index]]
            frame["ignore_regions"] = [{"point": [{"x": [x], "y": [y]} for x, y in polygon]} for polygon in polygons]
        people = np.flatnonzero(video.person_frame == index).tolist()
        frame["annorect"] = [_annorect(video, person) for person in people]
        frames.append(frame)
    write_json(path, {"annolist": frames})


def _annorect(video: VideoAnnotations, person: int) -> dict[str, Any]:
    rect: dict[str, Any] = {}
    if video.track_ids[person] >= 0:
        rect["track_id"] = [int(video.track_ids[person])]
    if not np.isnan(video.person_scores[person]):
        rect["score"] = [float(video.person_scores[person])]
    if not np.isnan(video.head_boxes[person]).any():
        rect.update(zip(_HEAD_BOX, video.head_boxes[person].reshape(4, 1).tolist(), strict=True))
    if video.has_joint_list[person]:
        points = []
        for joint in np.flatnonzero(video.present[person]).tolist():
            x, y = video.joints[person, joint].tolist()
            point = {"id": [joint], "x": [x], "y": [y]}
            if video.scores[person, joint] != NO_SCORE:
                point["score"] = [float(video.scores[person, joint])]
            points.append(point)
        rect["annopoints"] = [{"point": points}]
    return rect


class _MalformedError(Exception):
    """Error inside a frame; `read` adds the file and the frame."""


def _is_nobody(rect: Any) -> bool:
    """Return True for a struct of empty fields, which MATLAB writes for a frame without people."""
    return isinstance(rect, dict) and not any(rect.values())


def _person(rect: dict[str, Any]) -> dict[str, Any]:
    """Convert one `annorect` entry; coordinates of joints that it does not list are NaN."""
    joints = [[math.nan, math.nan] for _ in JOINT_NAMES]
    scores = [NO_SCORE] * _NUM_JOINTS
    body = _first(rect.get("annopoints"))
    has_joint_list = isinstance(body, dict) and "point" in body
    for point in _many(body["point"]) if has_joint_list else []:
        joint = _number(point, "id", -1)
        if joint not in range(_NUM_JOINTS) or not math.isnan(joints[int(joint)][0]):
            continue  # the official tool accepts 15 ids and uses the first point of each
        joints[int(joint)] = [_number(point, "x"), _number(point, "y")]
        scores[int(joint)] = _number(point, "score", NO_SCORE)
    track_id = _number(rect, "track_id", -1)
    if whole_number(track_id) is None:
        raise _MalformedError(f"'track_id' must be a whole number, not {track_id}")
    return {
        "has_joint_list": has_joint_list,
        "joints": joints,
        "scores": scores,
        "score": _number(rect, "score", math.nan),
        "track_id": int(track_id),
        "head_box": [_number(rect, key, math.nan) for key in _HEAD_BOX],
    }


def _frame_name(frame: dict[str, Any]) -> str:
    image = _first(frame.get("image"))
    name = _first(image.get("name")) if isinstance(image, dict) else None
    if not isinstance(name, str):
        raise _MalformedError("'image' must be a list of one object with a 'name'")
    return name


def _polygon(region: dict[str, Any]) -> np.ndarray:
    return np.array([[_number(point, "x"), _number(point, "y")] for point in _many(region.get("point"))]).reshape(-1, 2)


def _number(record: dict[str, Any], key: str, absent: float | None = None) -> float:
    """Return the number under `key`, bare or in a list of length one, or `absent`, if given, when there is none."""
    value = _first(record.get(key))
    if value is None and absent is not None:
        return absent
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number):
        return number
    raise _MalformedError(f"'{key}' must be a finite number, not {value!r}")


def _first(value: Any) -> Any:
    """Unwrap nested lists; return None for an empty list or text, which is how MATLAB writes a missing value."""
    while isinstance(value, list):
        value = value[0] if value else None
    return None if value == "" else value


def _many(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects: one object becomes a list of one; an empty object, null or text an empty list."""
    items = value if isinstance(value, list) else [value]
    items = [item for item in items if item not in (None, "", {})]
    if not all(isinstance(item, dict) for item in items):
        raise _MalformedError(f"{str(value)[:60]!r} must be a list of objects")
    return items
