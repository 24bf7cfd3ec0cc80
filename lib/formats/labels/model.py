"""Labels of any joints in some frames of custom videos: the common representation of all label formats.

Coordinates are pixels of the frame, and (0, 0) is the center of the first pixel, as in this project's crops, OpenCV and
COCO's keypoints. Formats that put (0, 0) at the corner of that pixel are converted by their reader and writer. Mirrored
joints are paired by name: `lib.utils.joint_names.mirror_pairs(labels.names)`.
"""

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lib.formats.labels.frames import Frame, check_frames, frame_name
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

NOT_LABELED, HIDDEN, VISIBLE = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Labels:
    """P poses of J joints, of people or animals, in F frames.

    Attributes:
        names: J unique joint names.
        edges: Pairs of joints that a drawing connects, by index.
        frames: F unique frames, with or without labels.
        frame: (P,) int64, index into frames.
        track: (P,) int64, number of the individual, at most once per frame; −1 if unknown.
        joints: (P, J, 2) float64 x, y; NaN if not labeled.
        visibility: (P, J) uint8: 0 not labeled, 1 hidden, 2 visible.
        scores: (P, J) float64; NaN if set by a person or not labeled.
        boxes: (P, 4) float64 x, y, width, height; NaN if there is none.
        track_names: Unique names of some of the tracks.
        category: What an individual is called, such as `mouse`; "" if joints are labeled one by one, without skeletons.
    """

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    frames: tuple[Frame, ...]
    frame: np.ndarray
    track: np.ndarray
    joints: np.ndarray
    visibility: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    track_names: Mapping[int, str] = field(default_factory=dict)
    category: str = "individual"

    def __post_init__(self) -> None:
        people, num_joints = len(self.frame), len(self.names)
        shapes = {
            "frame": (people,),
            "track": (people,),
            "joints": (people, num_joints, 2),
            "visibility": (people, num_joints),
            "scores": (people, num_joints),
            "boxes": (people, 4),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        if people and not 0 <= self.frame.min() <= self.frame.max() < len(self.frames):
            raise ValueError("frame must contain indices into frames")
        different = self.names, [frame.identity for frame in self.frames], self.track_names.values()
        if any(len({*values}) < len(values) for values in different):
            raise ValueError("names, frames and track names must be unique")
        if not all(0 <= joint < num_joints for edge in self.edges for joint in edge):
            raise ValueError("edges must be pairs of joints")
        if not np.array_equal(np.isfinite(self.joints), np.repeat(self.labeled[:, :, None], 2, axis=2)):
            raise ValueError("joints must be finite where visibility is not 0, and NaN elsewhere")
        if np.isinf(self.joints).any() or np.isinf(self.scores).any() or np.isinf(self.boxes).any():
            raise ValueError("a joint, score or box is infinite")
        if not np.isnan(self.scores[~self.labeled]).all():
            raise ValueError("scores must be NaN if the joint is not labeled")

    @property
    def labeled(self) -> np.ndarray:
        """(P, J) bool, True for labeled joints."""
        return self.visibility > NOT_LABELED


def checked_labels(
    path: str | Path,
    names: Sequence[str],
    frames: Sequence[Frame],
    frame: Sequence[int] | np.ndarray,
    joints: Sequence | np.ndarray,
    *,
    visibility: np.ndarray | None = None,
    track: Sequence[int] | np.ndarray | None = None,
    scores: np.ndarray | None = None,
    boxes: np.ndarray | None = None,
    edges: Iterable[tuple[int, int]] = (),
    track_names: Mapping[int, str] | None = None,
    category: str = "individual",
) -> Labels:
    """Return the labels of a file, checked and completed; every reader ends with this call.

    Coordinates and scores of joints that are not labeled become NaN. Labels outside their image are kept, with a
    warning.

    Args:
        path: The file, for messages.
        names: J joint names.
        frames: F frames.
        frame: P indices into `frames`.
        joints: (P, J, 2) x, y in pixels; NaN if not labeled.
        visibility: (P, J) values as in `Labels`; others become the nearest. By default, all finite joints are visible.
        track: P numbers of individuals; −1 if unknown. If all are unknown and no frame has several poses, all become
            individual 0.
        scores: (P, J) scores; NaN if set by a person, the default.
        boxes: (P, 4) x, y, width, height; NaN if there is none, the default.
        edges: Pairs of connected joints, by index.
        track_names: Names of some of the tracks.
        category: Name of the kind of individual.

    Raises:
        InputError: If nothing is labeled, an individual is in a frame twice, a frame or a name is repeated, a number is
            infinite, or an edge is not a pair of joints.
    """
    track_names, names, edges, frames = dict(track_names or {}), tuple(names), tuple(edges), tuple(frames)
    _check_unique(path, names, frames, track_names)
    frame = np.asarray(frame, dtype=np.int64)
    joints = np.asarray(joints, dtype=np.float64).reshape(len(frame), len(names), 2)
    joints, visibility, scores = _clear_unlabeled(joints, visibility, scores)
    boxes = np.full((len(frame), 4), np.nan) if boxes is None else boxes
    _check_values(path, visibility > NOT_LABELED, edges, (joints, scores, boxes))
    labels = Labels(
        names=names,
        edges=edges,
        frames=frames,
        frame=frame,
        track=_complete_tracks(track, frame),
        joints=joints,
        visibility=visibility,
        scores=scores,
        boxes=boxes,
        track_names=track_names,
        category=category,
    )
    _check_tracks(labels, path)
    _warn_of_outside(labels, path)
    return labels


def _clear_unlabeled(
    joints: np.ndarray, visibility: np.ndarray | None, scores: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return joints, visibility and scores; coordinates and scores of joints that are not labeled are NaN."""
    flags = VISIBLE if visibility is None else np.clip(np.nan_to_num(visibility), NOT_LABELED, VISIBLE)
    visibility = np.where(np.isnan(joints).any(axis=2), NOT_LABELED, flags).astype(np.uint8)
    labeled = visibility > NOT_LABELED
    scores = np.where(labeled, np.nan if scores is None else scores, np.nan)
    return np.where(labeled[:, :, None], joints, np.nan), visibility, scores


def _check_values(
    path: str | Path, labeled: np.ndarray, edges: Iterable[tuple[int, int]], numbers: Iterable[np.ndarray]
) -> None:
    if not labeled.any():
        raise InputError(f"{path}: no joint is labeled; label some frames first")
    if any(np.isinf(array).any() for array in numbers):
        raise InputError(f"{path}: a coordinate or score is not a finite number")
    if not all(0 <= joint < labeled.shape[1] for edge in edges for joint in edge):
        raise InputError(f"{path}: a line of the skeleton names a joint that does not exist")


def _complete_tracks(track: Sequence[int] | np.ndarray | None, frame: np.ndarray) -> np.ndarray:
    """Return the numbers of individuals; all are 0 if none is known and no frame has several poses."""
    track = np.full(len(frame), -1) if track is None else np.asarray(track, dtype=np.int64)
    is_single = (track < 0).all() and len(np.unique(frame)) == len(frame)
    return np.zeros_like(track) if is_single else track


def _check_unique(
    path: str | Path, names: Sequence[str], frames: Sequence[Frame], track_names: Mapping[int, str]
) -> None:
    if not names:
        raise InputError(f"{path}: no joint is labeled; label some frames first")
    check_names(names, f"{path}: the list of joints")
    check_frames(frames, path)
    repeated = [name for name, count in Counter(track_names.values()).items() if count > 1]
    if repeated:
        raise InputError(f"{path}: two individuals are named {repeated[0]!r}: rename one of them")


def check_names(names: Sequence[str], where: str) -> None:
    """Check that a list of joint names is not empty, and that the names are unique.

    Args:
        names: The joint names.
        where: The file and the list, for error messages.

    Raises:
        InputError: If the list is empty or a name is repeated.
    """
    if len(set(names)) < len(names) or not names:
        raise InputError(f"{where} must contain unique names")


def _check_tracks(labels: Labels, path: str | Path) -> None:
    times = Counter(zip(labels.frame.tolist(), labels.track.tolist(), strict=True))
    for (frame, track), count in times.items():
        if count > 1 and track >= 0:
            who, where = name_tracks(labels)[track], frame_name(labels.frames[frame])
            raise InputError(
                f"{path}: frame {where}: {who} appears {count} times, so individuals cannot be distinguished"
            )


def _warn_of_outside(labels: Labels, path: str | Path) -> None:
    sizes = np.array([(frame.width or np.inf, frame.height or np.inf) for frame in labels.frames])[labels.frame]
    outside = ((labels.joints < -0.5) | (labels.joints > sizes[:, None] - 0.5)).any(axis=2)
    if outside.any():
        where = frame_name(labels.frames[labels.frame[outside.any(axis=1).argmax()]])
        logger.warning("%s: joints outside their image: %d, first in frame %s", path, outside.sum(), where)


def take_video(labels: Labels, name: str) -> Labels:
    """Return the labels of one video.

    Args:
        labels: The labels.
        name: Name of the video, with or without its folder.

    Returns:
        The labels of the video.

    Raises:
        InputError: If no video or several videos have this name.
    """
    videos = list(dict.fromkeys(frame.video for frame in labels.frames))
    found = [video for video in videos if name == video] or [
        video for video in videos if name == video.rpartition("/")[2]
    ]
    if len(found) != 1:
        raise InputError(f"{len(found)} videos are named {name!r}, expected one; the videos are {', '.join(videos)}")
    return take_videos(labels, found)


def take_videos(labels: Labels, names: Collection[str]) -> Labels:
    """Return the labels of some videos.

    Args:
        labels: The labels.
        names: Names of the videos as in the labels.
    """
    kept = [index for index, frame in enumerate(labels.frames) if frame.video in names]
    rows = np.isin(labels.frame, kept)
    return replace(
        labels,
        frames=tuple(labels.frames[index] for index in kept),
        frame=np.searchsorted(kept, labels.frame[rows]),
        **{name: getattr(labels, name)[rows] for name in ("track", "joints", "visibility", "scores", "boxes")},
    )


def with_size(labels: Labels, width: int, height: int) -> Labels:
    """Return the labels with a size for the frames that have none.

    Args:
        labels: The labels.
        width: Width in pixels.
        height: Height in pixels.
    """
    sized = (
        frame if frame.width and frame.height else replace(frame, width=width, height=height) for frame in labels.frames
    )
    return replace(labels, frames=tuple(sized))


def number_tracks(names: Iterable[str]) -> tuple[dict[str, int], dict[int, str]]:
    """Assign numbers to names of individuals: `track7` gets 7, other names get the lowest free numbers in order.

    Args:
        names: Names of the individuals; repeated names count once.

    Returns:
        Numbers by name, and names by number for all names but those like `track7`.
    """
    names = list(dict.fromkeys(names))
    numbers = {name: int(name[5:]) for name in names if re.fullmatch(r"track(0|[1-9]\d{0,17})", name)}
    free = (number for number in range(2 * len(names)) if number not in numbers.values())
    track_names = {next(free): name for name in names if name not in numbers}
    return numbers | {name: number for number, name in track_names.items()}, track_names


def name_tracks(labels: Labels) -> dict[int, str]:
    """Return the name of each track in use, in ascending order by number: its own, or `track7`."""
    tracks: Sequence[int] = np.unique(labels.track[labels.track >= 0]).tolist()
    return {track: labels.track_names.get(track, f"track{track}") for track in tracks}
