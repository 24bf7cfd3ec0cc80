"""Writer for SLEAP project files (.slp), of format 1.2; sleap.py reads them.

A pose that a person set becomes a user instance, and one that a program set a predicted instance with scores. A pose of
both becomes a user instance that corrects a predicted one, as in SLEAP: its joints at the same place are the program's.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lib.formats.hdf5 import write_hdf5
from lib.formats.labels.frames import Frame
from lib.formats.labels.losses import lost
from lib.formats.labels.model import Labels, name_tracks

WRITTEN_BY = {"written_by": "PoseWarper"}
"""Provenance of the files, by which sleap.py knows them."""
USER, PREDICTED = 0, 1
BODY_EDGE = 1

_FRAMES = [
    ("frame_id", "u8"),
    ("video", "u4"),
    ("frame_idx", "u8"),
    ("instance_id_start", "u8"),
    ("instance_id_end", "u8"),
]
_INSTANCES = [
    ("instance_id", "i8"),
    ("instance_type", "u1"),
    ("frame_id", "u8"),
    ("skeleton", "u4"),
    ("track", "i4"),
    ("from_predicted", "i8"),
    ("score", "f4"),
    ("point_id_start", "u8"),
    ("point_id_end", "u8"),
    ("tracking_score", "f4"),
]
_POINTS = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
_FORMAT = 1.2


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write a project that refers to the videos and images by name.

    Args:
        path: The file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.
    """
    videos = _group(labels.frames)
    metadata = {
        "version": "2.0.0",
        "skeletons": [_skeleton(labels)],
        "nodes": [{"name": name, "weight": 1.0} for name in labels.names],
        "videos": [],
        "tracks": [],
        "suggestions": [],
        "negative_anchors": {},
        "provenance": WRITTEN_BY,
    }
    texts: dict[str, list[Any]] = {
        "videos_json": [_video(frames) for frames in videos],
        "tracks_json": [[0, name] for name in name_tracks(labels).values()],
        "suggestions_json": [],
        "sessions_json": [],
    }
    with write_hdf5(path) as file:
        group = file.create_group("metadata")
        group.attrs["format_id"] = _FORMAT
        group.attrs["json"] = np.bytes_(json.dumps(metadata))
        for name, own in texts.items():
            file.create_dataset(name, data=[json.dumps(text) for text in own], dtype=h5py.string_dtype())
        for name, table in _tables(labels, videos).items():
            file[name] = table
    return lost(labels, "edges", "scores", "sizes", "tracks", "track names", "no track", "empty frames")


def _group(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Return the frames of each video, and the images of each folder, of one size."""
    videos: dict[tuple, list[Frame]] = {}
    for frame in frames:
        videos.setdefault((frame.video, bool(frame.file_name), frame.width, frame.height), []).append(frame)
    return list(videos.values())


def _video(frames: Sequence[Frame]) -> dict[str, Any]:
    """Return the description of a video, which has as many frames as its labels need, or of a list of images."""
    first, images = frames[0], [frame.file_name for frame in frames if frame.file_name]
    count = len(images) or max(frame.number for frame in frames) + 1
    shape = [count, first.height, first.width, 3] if first.width or first.height else None
    backend: dict[str, Any] = {"shape": shape, "grayscale": None}
    if images:
        size = {"height_": first.height or None, "width_": first.width or None, "channels_": 3}
        backend |= {"type": "ImageVideo", "filename": images[0], "filenames": images, **size}
    else:
        backend |= {"type": "MediaVideo", "filename": first.video, "bgr": True, "dataset": "", "input_format": ""}
    return {"filename": images or first.video, "backend": backend}


def _skeleton(labels: Labels) -> dict[str, Any]:
    """Return the skeleton as a graph; the type of its links is a Python object of SLEAP's, as its files have it."""
    links: list[dict[str, Any]] = []
    for number, (start, end) in enumerate(labels.edges):
        kind = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [BODY_EDGE]}]}
        edge = {"edge_insert_idx": number, "key": 0, "source": start, "target": end}
        links.append(edge | {"type": {"py/id": 1} if links else kind})
    return {
        "directed": True,
        "graph": {"name": labels.category or "skeleton", "num_edges_inserted": len(links)},
        "links": links,
        "multigraph": True,
        "nodes": [{"id": joint} for joint in range(len(labels.names))],
    }


def _tables(labels: Labels, videos: Sequence[Sequence[Frame]]) -> dict[str, np.ndarray]:
    """Return the tables of frames, instances, and points."""
    place = {
        frame.identity: (video, index if frame.file_name else frame.number)
        for video, own in enumerate(videos)
        for index, frame in enumerate(own)
    }
    tracks = np.searchsorted(list(name_tracks(labels)), labels.track)
    poses: list[list[int]] = [[] for _ in labels.frames]
    for pose in np.flatnonzero(labels.labeled.any(axis=1)).tolist():
        poses[labels.frame[pose]].append(pose)
    frames: list[tuple] = []
    instances: list[tuple] = []
    points: dict[int, list[np.ndarray]] = {USER: [], PREDICTED: []}
    for number, (frame, own) in enumerate(zip(labels.frames, poses, strict=True)):
        start = len(instances)
        for pose in own:
            track = int(tracks[pose]) if labels.track[pose] >= 0 else -1
            source = -1
            for kind in _kinds(labels.scores[pose], labels.labeled[pose]):
                cells, end = _points(labels, pose, kind), len(points[kind]) * len(labels.names)
                score = np.nanmean(labels.scores[pose]) if kind == PREDICTED else 0.0
                span = (end, end + len(labels.names))
                instances.append((len(instances), kind, number, 0, track, source, score, *span, np.nan))
                points[kind].append(cells)
                source = instances[-1][0]
        frames.append((number, *place[frame.identity], start, len(instances)))
    shown = [tuple(row) for cells in points[USER] for row in cells[:, :4].tolist()]
    predicted = [tuple(row) for cells in points[PREDICTED] for row in cells.tolist()]
    return {
        "frames": np.array(frames, dtype=_FRAMES),
        "instances": np.array(instances, dtype=_INSTANCES),
        "points": np.array(shown, dtype=_POINTS),
        "pred_points": np.array(predicted, dtype=[*_POINTS, ("score", "f8")]),
    }


def _kinds(scores: np.ndarray, labeled: np.ndarray) -> list[int]:
    """Return the instances of a pose: one, or a predicted one and the user's that corrects it."""
    by_program = ~np.isnan(scores)
    kinds = [PREDICTED] if by_program.any() else []
    return [*kinds, USER] if (labeled & ~by_program).any() else kinds


def _points(labels: Labels, pose: int, kind: int) -> np.ndarray:
    """Return (J, 5) x, y, visible, complete, score: of all joints, or of those that a program set."""
    scores = labels.scores[pose]
    shown = labels.labeled[pose] if kind == USER else ~np.isnan(scores)
    joints = np.where(shown[:, None], labels.joints[pose], np.nan)
    return np.column_stack([joints, shown, np.zeros(len(shown)), np.nan_to_num(scores)])
