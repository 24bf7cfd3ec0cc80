"""Writer for Label Studio's JSON, to be imported into a project; label_studio.py reads it.

The labeling configuration needs an Image named `image`, KeyPointLabels named `keypoints`, and RectangleLabels named
`individuals`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.labels.frames import Frame, frame_name, image_names
from lib.formats.labels.losses import lost, lost_images
from lib.formats.labels.model import Labels, name_tracks
from lib.utils.errors import InputError
from lib.utils.files import write_json

HALF_PIXEL = 0.5
INDIVIDUAL = "individual: "
"""Start of the note of a rectangle that names its individual."""
_POINT = 0.5  # size of a drawn point, in percent of the image's width


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write a task for each frame: what a person set as an annotation, and what a program set as a prediction.

    Both have a rectangle with the same id for each individual: its box, or the box around its joints.

    Args:
        path: The file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If a frame with labels has no size.
    """
    names, tracks = image_names(labels.frames), name_tracks(labels)
    poses: list[list[int]] = [[] for _ in labels.frames]
    for pose in np.flatnonzero(labels.labeled.any(axis=1)).tolist():
        poses[labels.frame[pose]].append(pose)
    tasks = []
    for index, (frame, name, own) in enumerate(zip(labels.frames, names, poses, strict=True), start=1):
        if own and not (frame.width and frame.height):
            raise InputError(
                f"{path}: Label Studio's coordinates are percent of the image, and the size of frame "
                f"{frame_name(frame)} is unknown; convert with --size WIDTHxHEIGHT"
            )
        by_person, by_program = (_regions(labels, tracks, own, by_person) for by_person in (True, False))
        annotations = [{"result": by_person}] if by_person else []
        predictions = [{"result": by_program, "model_version": "PoseWarper"}] if by_program else []
        video = {"filename": frame.video, "frame_idx": frame.number, "shape": [0, frame.height, frame.width, 3]}
        meta = {"meta": {"video": video}} if frame.number >= 0 else {}
        results = {"annotations": annotations, "predictions": predictions}
        tasks.append({"id": index, "data": {"image": name}, **meta, **results})
    write_json(path, tasks, indent=True)
    unsized = sum(
        frame.width > 0 and frame.number < 0 and not own for frame, own in zip(labels.frames, poses, strict=True)
    )
    more = [f"{unsized} images without labels lose their width and height"] if unsized else []
    held = ("scores", "boxes", "sizes", "tracks", "track names", "no track", "empty frames", "numbers")
    return more + lost_images(labels.frames) + lost(labels, *held)


def _regions(labels: Labels, tracks: dict[int, str], poses: Sequence[int], by_person: bool) -> list[dict[str, Any]]:
    """Return the regions of a frame that a person set, or those that a program set.

    If a person set any, they include the rectangles of all individuals, so that predictions add to these.
    """
    own = labels.labeled[poses] & (np.isnan(labels.scores[poses]) == by_person)
    regions = []
    for pose, shown in zip(poses, own, strict=True):
        if not (own if by_person else shown).any():
            continue
        frame = labels.frames[labels.frame[pose]]
        who = f"pose{pose}"
        box = _region(frame, who, "individuals", "rectanglelabels", labels.category or "individual")
        box["value"] |= _percent(_box(labels, pose), frame)
        if labels.track[pose] >= 0:
            box["meta"] = {"text": [INDIVIDUAL + tracks[int(labels.track[pose])]]}
        regions.append(box)
        for joint in np.flatnonzero(shown).tolist():
            point = _region(frame, f"{who}-{joint}", "keypoints", "keypointlabels", labels.names[joint])
            point["value"] |= _percent(labels.joints[pose, joint], frame) | {"width": _POINT}
            point["parentID"] = who
            if not by_person:
                point["score"] = float(labels.scores[pose, joint])
            regions.append(point)
    return regions


def _box(labels: Labels, pose: int) -> np.ndarray:
    """Return x, y, width, height of a pose's box, or of the box around its joints."""
    box = labels.boxes[pose]
    if np.isfinite(box).all():
        return box
    low, high = np.nanmin(labels.joints[pose], axis=0), np.nanmax(labels.joints[pose], axis=0)
    return np.concatenate([low, high - low])


def _region(frame: Frame, id: str, control: str, kind: str, label: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": kind,
        "from_name": control,
        "to_name": "image",
        "original_width": frame.width,
        "original_height": frame.height,
        "image_rotation": 0,
        "value": {kind: [label]},
    }


def _percent(numbers: np.ndarray, frame: Frame) -> dict[str, float]:
    """Return x, y and, of a box, width and height in percent of the image."""
    size = np.array([frame.width, frame.height] * (len(numbers) // 2), dtype=np.float64)
    shift = np.array([HALF_PIXEL, HALF_PIXEL, 0, 0])[: len(numbers)]
    shares = ((numbers + shift) / size * 100).tolist()
    percent = dict(zip(("x", "y", "width", "height"), shares, strict=False))
    return percent | ({"rotation": 0} if len(shares) > 2 else {})
