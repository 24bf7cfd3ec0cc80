"""Labels in SLEAP project files (.slp).

Since format 1.1, (0, 0) is the center of the first pixel; in earlier files it is the corner (according to sleap-io).
Videos are named and never opened.
"""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np

from lib.formats.hdf5 import is_hdf5, open_hdf5
from lib.formats.labels.frames import Frame, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.model import Labels, checked_labels, number_tracks
from lib.formats.labels.sleap_writer import BODY_EDGE, PREDICTED, WRITTEN_BY, write
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Video:
    """The name of a video, or the names of the images that it consists of, and the frame size, 0 if unknown."""

    name: str
    images: list[str]
    width: int
    height: int

    def frame(self, number: int) -> Frame:
        if self.images:
            return named_frame(self.images[number], self.width, self.height)
        return Frame(self.name, number, "", self.width, self.height)


def read(path: str | Path) -> Labels:
    """Read the labeled frames of a project: user instances, and predicted instances that no user has corrected.

    The points of predictions have scores. As in SLEAP, points that are not visible are not labeled. In files that this
    project wrote, points of a user instance have the scores of the prediction that it corrects, unless they were moved.

    Args:
        path: The project file.

    Returns:
        The labels.

    Raises:
        InputError: If the file is not a SLEAP project, is truncated or damaged, or has skeletons with different nodes.
    """
    path = Path(path)
    with open_hdf5(path, "a SLEAP file") as file:
        if "metadata" not in file or "frames" not in file:
            raise InputError(f"{path}: not a SLEAP project: it has no metadata and frames")
        metadata = json.loads(file["metadata"].attrs["json"])
        tables = {name: file[name][()] for name in ("frames", "instances", "points", "pred_points")}
        shift = 0.5 if float(file["metadata"].attrs.get("format_id", 1.0)) < 1.1 else 0.0
        track_names = [json.loads(text)[1] for text in _texts(file, "tracks_json")]
        videos = _videos(file)
        skeletons = [_skeleton(metadata, skeleton) for skeleton in metadata["skeletons"]]
        rows = list(_rows(tables))
        names, edges = _one_skeleton(skeletons, tables["instances"]["skeleton"][[row for _, row in rows]], path)
        poses = [_pose(tables, tables["instances"][row], len(names)) for _, row in rows]
        if metadata.get("provenance", {}).get("written_by") == WRITTEN_BY["written_by"]:
            for pose, (_, row) in zip(poses, rows, strict=True):
                _take_scores(pose, tables, int(tables["instances"]["from_predicted"][row]))
        frames = [videos[int(video)].frame(int(number)) for video, number in tables["frames"][["video", "frame_idx"]]]
        tracks, names_of_tracks = _tracks(tables["instances"]["track"][[row for _, row in rows]], track_names)
    _warn_of_missing(path, {frame.video for frame in frames if not frame.file_name})
    cells = np.array(poses).reshape(-1, len(names), 4)
    hidden = np.isfinite(cells[:, :, :2]).all(axis=2) & (cells[:, :, 2] == 0)
    if hidden.any():
        logger.warning("%s: invisible points, which count as not labeled: %d", path, hidden.sum())
    return checked_labels(
        path,
        names,
        frames,
        [frame for frame, _ in rows],
        np.where(hidden[:, :, None], np.nan, cells[:, :, :2]) - shift,
        track=tracks,
        scores=cells[:, :, 3],
        edges=edges,
        track_names=names_of_tracks,
    )


def _tracks(tracks: np.ndarray, names: list[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Return the numbers of the individuals, and their names; tracks of the same name keep their numbers alone."""
    used = np.unique(tracks[tracks >= 0]).tolist()
    if len({*names}) < len(names):
        shared = {track: names.count(names[track]) for track in used}
        return tracks.astype(np.int64), {track: names[track] for track in used if shared[track] == 1}
    numbers, track_names = number_tracks(names)
    own = np.array([numbers[name] for name in names] or [0])
    kept = {names[track] for track in used}
    return np.where(tracks < 0, -1, own[tracks]), {track: name for track, name in track_names.items() if name in kept}


def _texts(file: h5py.File, name: str) -> list[str]:
    data = file[name][()] if name in file else []
    return [text.decode() if isinstance(text, bytes) else text for text in data]


def _videos(file: h5py.File) -> dict[int, _Video]:
    """Return the videos by id: the number of its group for a video embedded in the file, else its position."""
    videos = {}
    for index, text in enumerate(_texts(file, "videos_json")):
        content = json.loads(text)
        backend = content.get("backend", content)
        shape = backend.get("shape") or [0, backend.get("height_"), backend.get("width_"), 0]
        group = re.match(r"video(\d+)/", backend.get("dataset") or "")
        name = backend.get("filename") or content.get("filename") or ""
        if name == "." and group:
            source = file.get(f"video{group[1]}/source_video")
            known = json.loads(source.attrs["json"]) if source is not None else {}
            name = known.get("filename") or known.get("backend", {}).get("filename") or ""
        images = [str(image).replace("\\", "/") for image in backend.get("filenames") or []]
        width, height = int(shape[2] or 0), int(shape[1] or 0)
        videos[int(group[1]) if group else index] = _Video(str(name).replace("\\", "/"), images, width, height)
    return videos


def _skeleton(metadata: dict[str, Any], skeleton: dict[str, Any]) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the node names in the skeleton's order, and its edges; links between mirrored nodes are not edges."""
    nodes = [node["id"] for node in skeleton["nodes"]]
    names = [metadata["nodes"][node]["name"] for node in nodes]
    kinds: list[int] = []  # in order of first appearance; the file refers to them by number, from 1
    edges = []
    for link in skeleton.get("links", []):
        kind = link["type"]
        if "py/reduce" in kind:
            kinds.append(kind["py/reduce"][1]["py/tuple"][0])
        number = kinds[-1] if "py/reduce" in kind else kinds[kind["py/id"] - 1]
        if number == BODY_EDGE:
            edges.append((link.get("edge_insert_idx", 0), nodes.index(link["source"]), nodes.index(link["target"])))
    return names, [(start, end) for _, start, end in sorted(edges, key=lambda edge: edge[0])]


def _one_skeleton(
    skeletons: list[tuple[list[str], list[tuple[int, int]]]], used: np.ndarray, path: Path
) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the skeleton of all instances."""
    own = [skeletons[index] for index in sorted(set(used.tolist()))] or skeletons[:1]
    if not own:
        raise InputError(f"{path}: no joint is labeled; it has no skeleton")
    if any(names != own[0][0] for names, _ in own):
        raise InputError(f"{path}: its instances have skeletons with different nodes; keep one of them")
    return own[0]


def _rows(tables: dict[str, np.ndarray]) -> Iterator[tuple[int, int]]:
    """Yield the index of the frame and the index of the instance, for each instance that SLEAP shows."""
    instances = tables["instances"]
    starts, ends = (tables["frames"][f"instance_id_{end}"].astype(np.int64) for end in ("start", "end"))
    if (starts > ends).any() or (ends > len(instances)).any():
        raise IndexError("instances of a frame")
    for frame, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        own = instances[start:end]
        users = own[own["instance_type"] != PREDICTED]
        corrected, tracks = set(users["from_predicted"].tolist()), {*users["track"].tolist()} - {-1}
        for row, one in enumerate(own, start=start):
            if one["instance_type"] == PREDICTED and (one["instance_id"] in corrected or one["track"] in tracks):
                continue
            yield frame, row


def _pose(tables: dict[str, np.ndarray], instance: np.void, joints: int) -> np.ndarray:
    """Return (J, 4) x, y, visible, score; NaN for missing values."""
    predicted = instance["instance_type"] == PREDICTED
    points = tables["pred_points" if predicted else "points"]
    points = points[int(instance["point_id_start"]) : int(instance["point_id_end"])]
    if len(points) != joints:
        raise IndexError(f"an instance has {len(points)} of {joints} points")
    scores = points["score"] if predicted else np.full(joints, np.nan)
    return np.column_stack([points["x"], points["y"], points["visible"], scores])


def _take_scores(pose: np.ndarray, tables: dict[str, np.ndarray], source: int) -> None:
    """Set the scores of points that are where the prediction of row `source` has them; −1 for no prediction."""
    if source >= 0:
        predicted = _pose(tables, tables["instances"][source], len(pose))
        same = (pose[:, :2] == predicted[:, :2]).all(axis=1)
        pose[same, 3] = predicted[same, 3]


def _warn_of_missing(path: Path, videos: set[str]) -> None:
    for video in sorted(videos - {""}):
        if not (path.parent / PurePosixPath(video).name).exists():
            logger.warning("%s: its video is missing: %s; the labels are read without it", path, video)


def _recognizes(path: Path, start: bytes) -> bool:
    if not is_hdf5(start):
        return False
    with open_hdf5(path, "labels", soft_links=True) as file:
        return "metadata" in file


FORMAT = LabelFormat("sleap", read, write, _recognizes, ("*.slp",))
