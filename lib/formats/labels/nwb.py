"""Labels in NWB files with the extension ndx-pose, read with h5py.

What a person set is training data (PoseTraining): a frame's skeleton instances. What a program set is an estimate
(PoseEstimation): a series of each joint, with times and confidences. The files do not say where (0, 0) is; sleap-io and
this project put it at the center of the first pixel.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lib.formats.hdf5 import is_hdf5, open_hdf5
from lib.formats.labels import nwb_writer
from lib.formats.labels.frames import Frame, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.model import HIDDEN, NOT_LABELED, VISIBLE, Labels, checked_labels, number_tracks
from lib.formats.labels.nwb_writer import UNTRACKED, safe_name
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_NO_CONFIDENCE = 1.0

Key = tuple[Frame, str]
"""A frame and the name of an individual; names without a track are numbered."""


@dataclass(frozen=True)
class _Video:
    """An ImageSeries: its files, the number of the first frame of each, the frames' size, and their times."""

    files: list[str]
    starts: np.ndarray
    size: tuple[int, int]
    start: float
    rate: float
    times: np.ndarray | None

    def frame(self, number: int) -> Frame:
        """Return a frame by its number in all files."""
        index = max(int(np.searchsorted(self.starts, number, side="right")) - 1, 0)
        name = self.files[index]
        if name.lower().endswith(_IMAGES):
            return named_frame(name, *self.size)
        return Frame(name, number - int(self.starts[index]), "", *self.size)


def read(path: str | Path) -> Labels:
    """Read all estimates in two dimensions, and training data, which takes their place where both have a joint.

    The number of a frame is its time after the start of the source video times the rate of that video. Without a source
    video, a series with a rate has all frames from its starting time on, whole numbers are numbers of frames, and other
    times are numbered in order.

    Args:
        path: The file.

    Returns:
        The labels.

    Raises:
        InputError: If the file is not an NWB file, has no poses, is damaged, or has skeletons with different nodes.
    """
    path = Path(path)
    with open_hdf5(path, "an NWB file", soft_links=True) as file:
        if "nwb_version" not in file.attrs:
            raise InputError(f"{path}: not an NWB file")
        estimates, instances = _groups(file, "PoseEstimation"), _groups(file, "SkeletonInstance")
        if not estimates and not instances:
            raise InputError(f"{path}: it has no poses of ndx-pose (PoseEstimation or PoseTraining)")
        names, edges = _skeleton([*estimates, *instances], path)
        rows = {key: cells for group in estimates for key, cells in _estimated(group, names, path)}
        for key, cells in _trained(instances, names, path):
            known = rows.get(key, np.full_like(cells, np.nan))
            rows[key] = np.where(np.isfinite(cells[:, :1]), cells, known)
    keys = sorted(rows, key=lambda key: (key[0].video, key[0].number, key[0].file_name))
    frames = {frame: index for index, frame in enumerate(dict.fromkeys(frame for frame, _ in keys))}
    numbers, track_names = number_tracks(who for _, who in rows if not who.startswith(UNTRACKED))
    cells = np.array([rows[key] for key in keys]).reshape(len(keys), len(names), 4)
    return checked_labels(
        path,
        names,
        list(frames),
        [frames[frame] for frame, _ in keys],
        cells[:, :, :2],
        visibility=np.nan_to_num(cells[:, :, 2], nan=NOT_LABELED),
        track=[numbers.get(who, -1) for _, who in keys],
        scores=cells[:, :, 3],
        edges=edges,
        track_names=track_names,
    )


def _groups(file: h5py.File, kind: str) -> list[h5py.Group]:
    """Return the groups of a type of ndx-pose; links are not followed."""
    found: list[h5py.Group] = []
    file.visititems(lambda _, node: found.append(node) if _is(node, kind) else None)
    return found


def _is(node: h5py.HLObject, kind: str) -> bool:
    return isinstance(node, h5py.Group) and _text(node.attrs.get("neurodata_type", "")) == kind


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _skeleton(groups: list[h5py.Group], path: Path) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the nodes and edges of the skeleton of all groups."""
    found: list[tuple[list[str], list[tuple[int, int]]]] = []
    for group in groups:
        place = next((node for node in group.values() if _is(node, "Skeleton")), group)  # ndx-pose 0.1 has no skeletons
        nodes = [_text(name) for name in place["nodes"][()]]
        edges = place["edges"][()].reshape(-1, 2).astype(int).tolist() if "edges" in place else []
        found.append((nodes, [(start, end) for start, end in edges]))
    if any(nodes != found[0][0] for nodes, _ in found):
        raise InputError(f"{path}: its skeletons have different nodes; keep one of them")
    return found[0]


def _video(group: h5py.Group) -> _Video:
    """Return the source video of a group, or the name that an estimate has for it."""
    if "source_video" not in group:
        names = [_text(name) for name in group["original_videos"][()]] if "original_videos" in group else []
        return _Video([*names[:1], ""][:1], np.zeros(1), (0, 0), 0.0, 0.0, None)
    series = group["source_video"]
    files = [_text(name) for name in series["external_file"][()]] if "external_file" in series else [""]
    starts = series["external_file"].attrs.get("starting_frame", [0]) if "external_file" in series else [0]
    size = series["dimension"][()].tolist() if "dimension" in series else [0, 0]
    start, rate = 0.0, 0.0
    if "starting_time" in series:
        start, rate = float(series["starting_time"][()]), float(series["starting_time"].attrs["rate"])
    times = series["timestamps"][()] if "timestamps" in series else None
    return _Video(files, np.array(starts), (int(size[0]), int(size[1])), start, rate, times)


def _estimated(group: h5py.Group, names: list[str], path: Path) -> Iterator[tuple[Key, np.ndarray]]:
    """Yield the poses of an estimate, (J, 4) x, y, visibility, score; NaN if the joint is not labeled."""
    video, name = _video(group), group.name.rpartition("/")[2].removeprefix("track=")
    columns: list[tuple[int, np.ndarray, np.ndarray]] = []
    for joint, node in enumerate(names):
        series = group.get(safe_name(node))
        if not _is(series, "PoseEstimationSeries"):
            continue
        values = _in_two_dimensions(series["data"], path) * float(series["data"].attrs.get("conversion", 1.0))
        scores = series["confidence"][()] if "confidence" in series else np.full(len(values), _NO_CONFIDENCE)
        columns.append((joint, _places(series, len(values), video), np.column_stack([values, scores])))
    if not columns:
        return
    places = np.unique(np.concatenate([own for _, own, _ in columns]))
    cells = np.full((len(places), len(names), 4), np.nan)
    for joint, own, values in columns:
        cells[np.searchsorted(places, own), joint] = np.insert(values, 2, VISIBLE, axis=1)
    whole = bool((places == np.rint(places)).all())
    if not whole:
        text = "%s: %s has no frame rate: its frames are numbered in the order of their times"
        logger.warning(text, path, group.name)
    who = "track0" if name.startswith("PoseEstimation") else UNTRACKED + group.name if name == "untracked" else name
    for number, pose in zip(places.astype(int).tolist() if whole else range(len(places)), cells, strict=True):
        if not np.isnan(pose[:, :2]).all():
            yield (video.frame(number), who), pose


def _in_two_dimensions(data: h5py.Dataset, path: Path) -> np.ndarray:
    if data.ndim != 2 or data.shape[1] != 2:
        raise InputError(f"{path}: {data.parent.name}: only poses in two dimensions can be read")
    return data[()].astype(np.float64)


def _places(series: h5py.Group, count: int, video: _Video) -> np.ndarray:
    """Return the numbers of a series' frames, or their times if the rate of the video is unknown."""
    if "timestamps" not in series:
        start, rate = float(series["starting_time"][()]), float(series["starting_time"].attrs["rate"])
        return np.rint((start - video.start) * rate) + np.arange(count)
    times = series["timestamps"][()].astype(np.float64)
    if video.times is not None:
        between = (video.times[1:] + video.times[:-1]) / 2
        return np.searchsorted(between, times).astype(np.float64)  # the nearest frame
    return np.rint((times - video.start) * video.rate) if video.rate else times


def _trained(groups: list[h5py.Group], names: list[str], path: Path) -> Iterator[tuple[Key, np.ndarray]]:
    """Yield the poses of training data, as `_estimated` does."""
    instances = [re.fullmatch(r"(?:skeleton_)?instance_?(\d*)", group.name.rpartition("/")[2]) for group in groups]
    ids = [group.attrs.get("id") for group in groups]
    numbered = any(name and id is not None and str(id) != name[1] for name, id in zip(instances, ids, strict=True))
    for group, name, id in zip(groups, instances, ids, strict=True):
        who = group.name.rpartition("/")[2]
        if name:  # an id that is a position in the frame identifies nobody
            who = f"track{id}" if numbered and id is not None else UNTRACKED + group.name
        joints = _in_two_dimensions(group["node_locations"], path)
        seen = group["node_visibility"][()] if "node_visibility" in group else np.ones(len(names), dtype=bool)
        flags = np.where(seen, VISIBLE, HIDDEN)
        yield (_training_frame(group.parent.parent), who), np.column_stack([joints, flags, np.full(len(names), np.nan)])


def _training_frame(group: h5py.Group) -> Frame:
    """Return the frame of a TrainingFrame; without a number in a video, it is an image of the group's name."""
    number = group.attrs.get("source_video_frame_index")
    return named_frame(group.name.rpartition("/")[2]) if number is None else _video(group).frame(int(number))


def _recognizes(path: Path, start: bytes) -> bool:
    if not is_hdf5(start):
        return False
    with open_hdf5(path, "labels", soft_links=True) as file:
        return "nwb_version" in file.attrs


FORMAT = LabelFormat("nwb", read, nwb_writer.write, _recognizes, ("*.nwb",), packages=("pynwb", "ndx-pose"))
