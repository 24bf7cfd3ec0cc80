"""Labels of any joints in some frames of people's own videos: the form that every label format is read into.

Coordinates are pixels of the frame, and (0, 0) is the centre of its first pixel, as this project's crops, OpenCV and
COCO's keypoints have it. A format that puts (0, 0) at that pixel's corner is converted where it is read and written.
Mirror pairs are told by the joints' names: `lib.pose.skeletons.named_skeleton(labels.names).flip_pairs`.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lib.utils.errors import InputError
from lib.utils.files import frame_number

_LOG = logging.getLogger(__name__)

NOT_LABELED, HIDDEN, VISIBLE = 0, 1, 2


@dataclass(frozen=True)
class Frame:
    """A frame of a video, or an image.

    Attributes:
        video: name or path of the video as the file has it, never opened; "": not known.
        number: of the frame in the video, from 0; −1: none, an image alone.
        file_name: of the frame's image as the file has it, never opened; "": there is none.
        width, height: in pixels; 0: not known.
    """

    video: str = ""
    number: int = -1
    file_name: str = ""
    width: int = 0
    height: int = 0

    def __post_init__(self) -> None:
        if self.number < 0 and not self.file_name:
            raise ValueError("a frame needs a number or a file name")


@dataclass(frozen=True)
class Labels:
    """P poses of J joints, of people or animals, in F frames.

    Attributes:
        names: J joint names, all different.
        edges: pairs of joints that a drawing connects.
        frames: F frames that have labels or are listed, all different.
        frame: (P,) int64, index into frames.
        track: (P,) int64, the number of the individual; −1: not told. One number is in a frame only once.
        points: (P, J, 2) float64 x, y; NaN: not labelled.
        visibility: (P, J) uint8: 0 not labelled, 1 hidden, 2 visible.
        scores: (P, J) float64; NaN: set by a person, or not labelled.
        boxes: (P, 4) float64 x, y, width, height; NaN: none.
        track_names: names of some of the tracks, all different.
    """

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    frames: tuple[Frame, ...]
    frame: np.ndarray
    track: np.ndarray
    points: np.ndarray
    visibility: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    track_names: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        people, joints = len(self.frame), len(self.names)
        shapes = {
            "frame": (people,),
            "track": (people,),
            "points": (people, joints, 2),
            "visibility": (people, joints),
            "scores": (people, joints),
            "boxes": (people, 4),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        if people and not 0 <= self.frame.min() <= self.frame.max() < len(self.frames):
            raise ValueError("frame has to hold indices into frames")
        if len({*self.names}) < joints or len({*self.frames}) < len(self.frames):
            raise ValueError("names and frames have to be all different")
        if not all(0 <= joint < joints for edge in self.edges for joint in edge):
            raise ValueError("edges have to be pairs of joints")
        if not np.array_equal(np.isfinite(self.points), np.repeat(self.labeled[:, :, None], 2, axis=2)):
            raise ValueError("points have to be finite where visibility is not 0, and NaN elsewhere")
        if np.isinf(self.points).any() or np.isinf(self.scores).any() or np.isinf(self.boxes).any():
            raise ValueError("a point, score or box is infinite")
        if not np.isnan(self.scores[~self.labeled]).all():
            raise ValueError("scores have to be NaN where nothing is labelled")

    @property
    def labeled(self) -> np.ndarray:
        """(P, J) bool."""
        return self.visibility > NOT_LABELED

    @property
    def by_person(self) -> np.ndarray:
        """(P,) bool: the poses that a person set: with a labelled joint, and none that has a score."""
        return self.labeled.any(axis=1) & np.isnan(self.scores).all(axis=1)


def checked(labels: Labels, path: str | Path) -> Labels:
    """The labels that were read from a file, if they can be used; every reader ends with it.

    Labels outside their image stay, with a warning.

    Raises:
        InputError: nothing is labelled, or one individual is in a frame twice.
    """
    if not labels.labeled.any():
        raise InputError(f"{path}: no joint is labelled; label some frames first")
    times = Counter(zip(labels.frame.tolist(), labels.track.tolist(), strict=True))
    for (frame, track), count in times.items():
        if count > 1 and track >= 0:
            who, where = name_tracks(labels)[track], frame_name(labels.frames[frame])
            raise InputError(f"{path}: frame {where}: {who} is in it {count} times: who is who cannot be told")
    sizes = np.array([(one.width or np.inf, one.height or np.inf) for one in labels.frames])[labels.frame][:, None]
    outside = ((labels.points < -0.5) | (labels.points > sizes - 0.5)).any(axis=2)
    if outside.any():
        person = int(outside.any(axis=1).argmax())
        where = frame_name(labels.frames[labels.frame[person]])
        _LOG.warning("%s: %d joints lie outside their image, first in frame %s", path, outside.sum(), where)
    return labels


def frame_name(frame: Frame) -> str:
    """The frame as one text: its file name, or `clip.mp4#79` for frame 79 of a video."""
    return frame.file_name or f"{frame.video}#{frame.number}"


def named_frame(name: str, width: int = 0, height: int = 0) -> Frame:
    """The frame that such a text names; the number of an image is the last one in its name, its folder the video."""
    in_video = re.fullmatch(r"(.*)#(\d{1,18})", name, flags=re.DOTALL)
    if in_video:
        return Frame(in_video[1], int(in_video[2]), "", width, height)
    number = frame_number(name)
    return Frame(name.rpartition("/")[0].rpartition("/")[2], -1 if number is None else number, name, width, height)


def number_tracks(names: Iterable[str]) -> tuple[dict[str, int], dict[int, str]]:
    """Numbers for names of individuals, in their order: `track7` is number 7, all others have the lowest free ones.

    Returns:
        numbers by name, and the names that are not told by their numbers, by number.
    """
    names = list(dict.fromkeys(names))
    numbers = {name: int(name[5:]) for name in names if re.fullmatch(r"track(0|[1-9]\d{0,17})", name)}
    free = (number for number in range(2 * len(names)) if number not in numbers.values())
    track_names = {next(free): name for name in names if name not in numbers}
    return numbers | {name: number for number, name in track_names.items()}, track_names


def name_tracks(labels: Labels) -> dict[int, str]:
    """A name for each track that somebody has, by number ascending: its own, or `track7`."""
    tracks: Sequence[int] = np.unique(labels.track[labels.track >= 0]).tolist()
    return {track: labels.track_names.get(track, f"track{track}") for track in tracks}
