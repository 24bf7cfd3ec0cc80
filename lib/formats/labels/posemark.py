"""Labels in PoseMark's files, of poseinterface: COCO-style files of one individual, with names that give the frames.

`sub-<subject>_ses-<session>_cam-<camera>_framelabels.json` has images of a session's video, and
`…_start-<frame>_dur-<number>_cliplabels.json` the frames of a clip of it. `startlabels` are those of a clip's first
frame, and `videolabels` those of all frames of the session's video. An image is named
`sub-…_ses-…_cam-…_frame-<frame>`, with an extension if it is a file, and <frame> counts from 0 in the session's video.
Its id is that number, or in a clip the number in the clip.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.json_fields import whole_number
from lib.formats.labels import coco
from lib.formats.labels.frames import Frame, frame_name
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.losses import lost, lost_file_names
from lib.formats.labels.model import Labels
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json

_KEYS = r"sub-[A-Za-z0-9]+_ses-[A-Za-z0-9]+_cam-[A-Za-z0-9]+"
_IMAGE = re.compile(rf"({_KEYS})_frame-(\d{{1,18}})(\.\w+)?")
_FILE = re.compile(rf"({_KEYS})(_start-(\d{{1,18}})_dur-(\d{{1,9}}))?_(frame|clip|start|video)labels\.json")
_SUFFIXES = (".png", ".jpg", ".jpeg")
_MAX_FRAMES = 1_000_000
_MIN_DIGITS = 4


@dataclass(frozen=True)
class _Name:
    """Parts of a file's name: the session and camera, the clip if there is one, and the kind of its labels."""

    session: str
    clip: str
    start: int
    duration: int
    kind: str

    @property
    def num_frames(self) -> int:
        """Number of frames of the clip that the file lists."""
        return 1 if self.kind == "start" else self.duration

    @property
    def video(self) -> str:
        """Name of the video whose frames are labeled."""
        return f"{self.session}{self.clip}.mp4"


def read(path: str | Path) -> Labels:
    """Read the labels of a clip as frames of its video file, and others as those of the session's video.

    Args:
        path: The file. Without one of PoseMark's names, its labels are those of the session's video.

    Returns:
        The labels.

    Raises:
        InputError: If the file is not a COCO-style file, or an image is not named as PoseMark's are.
    """
    content = read_json(path)
    labels = coco.labels_of(content, path)
    name = _name(path)
    frames = []
    for index, (frame, image) in enumerate(zip(labels.frames, content["images"], strict=True)):
        found = _IMAGE.fullmatch(frame.file_name)
        if not found:
            raise InputError(f"{path}: images[{index}]: {frame.file_name} is not sub-…_ses-…_cam-…_frame-<number>")
        session, number, suffix = found[1], int(found[2]), found[3] or ""
        if name and name.clip:
            number = whole_number(image["id"]) or 0
        video = name.video if name else f"{session}.mp4"
        frames.append(Frame(video, number, frame.file_name if suffix else "", frame.width, frame.height))
    return replace(labels, frames=tuple(frames))


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write the labels of one individual in one video; the file of a clip lists all of its frames.

    Args:
        path: The file to write, with one of PoseMark's names.
        labels: The labels. If the file is of a clip, their frames are numbered in the clip, or in the session's video
            if their video has its name.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If the name is not one of PoseMark's, or the labels are of several videos or individuals, or of
            frames without numbers or outside the clip.
    """
    name = check(path)
    numbers = _numbers(labels, name, path)
    frames = dict(zip(numbers, labels.frames, strict=True))
    digits = max(_MIN_DIGITS, len(str(name.start + max(numbers))))
    images: list[dict[str, Any]] = []
    for number in range(name.num_frames) if name.clip else sorted(numbers):
        frame = frames.get(number, labels.frames[0])
        ending = Path(frame.file_name).suffix.lower()
        ending = "" if name.kind != "frame" else ending if ending in _SUFFIXES else _SUFFIXES[0]
        file_name = f"{name.session}_frame-{name.start + number:0{digits}}{ending}"
        size = {"width": frame.width, "height": frame.height} if frame.width and frame.height else {}
        images.append({"id": number, "file_name": file_name, **size})
    content = coco.content_of(labels)
    del content["videos"]
    people = [person | {"image_id": numbers[person["image_id"]]} for person in content["annotations"]]
    write_json(path, content | {"images": images, "annotations": people}, indent=True)
    return _all_lost(labels, name, {image["file_name"] for image in images})


def check(path: str | Path) -> _Name:
    """Return the parts of the name of a file to write.

    Args:
        path: The file to write.

    Raises:
        InputError: If the name is not one of PoseMark's.
    """
    name = _name(path)
    if name is None:
        raise InputError(
            f"{path}: PoseMark's files are named sub-<subject>_ses-<session>_cam-<camera>_framelabels.json, or "
            "…_start-<frame>_dur-<number>_cliplabels.json for a clip"
        )
    return name


def _name(path: str | Path) -> _Name | None:
    """Return the parts of a file's name; None if it is not one of PoseMark's."""
    found = _FILE.fullmatch(Path(path).name)
    if not found or (found[2] is not None) != (found[5] in ("clip", "start")):
        return None
    name = _Name(found[1], found[2] or "", int(found[3] or 0), int(found[4] or 0), found[5])
    if name.num_frames > _MAX_FRAMES:
        raise InputError(f"{path}: only clips of up to {_MAX_FRAMES} frames are supported")
    return name


def _numbers(labels: Labels, name: _Name, path: str | Path) -> list[int]:
    """Return the ids of the images, which are numbers in the clip if there is one."""
    videos = {frame.video for frame in labels.frames}
    if len(videos) > 1:
        raise InputError(f"{path}: a PoseMark file holds one video, but these labels belong to several")
    if np.bincount(labels.frame).max() > 1:
        raise InputError(f"{path}: a PoseMark file holds one individual; write COCO's format for several")
    in_session = Path(next(iter(videos))).stem == name.session
    numbers = [frame.number - (name.start if in_session else 0) for frame in labels.frames]
    if min(frame.number for frame in labels.frames) < 0 or len(set(numbers)) < len(numbers):
        raise InputError(f"{path}: a PoseMark file holds numbered frames, but some have no number, or share one")
    inside = range(name.num_frames)
    outside = [frame for frame, number in zip(labels.frames, numbers, strict=True) if number not in inside]
    if name.clip and outside:
        raise InputError(
            f"{path}: frame {frame_name(outside[0])} is not one of the {name.num_frames} frames in its name"
        )
    return numbers


def _all_lost(labels: Labels, name: _Name, images: set[str]) -> list[str]:
    """Return one line for each thing that a file cannot hold."""
    others = sum(Path(frame.file_name).name not in images for frame in labels.frames)
    if name.kind == "frame":
        more = [f"image names of {others} frames: save them under the names in the file"] if others else []
    else:
        more = lost_file_names(labels.frames)
    video = labels.frames[0].video
    more += [f"the video's name, {video}"] if video not in ("", name.video) else []
    held = ["edges", "hidden", "scores", "boxes", "sizes", "tracks", "track names", "no track"]
    return more + lost(labels, *held, "empty frames", "empty people", "numbers")


def _recognizes(path: Path, start: bytes) -> bool:
    """Return True for a COCO-style file with one of PoseMark's names, or whose first image has one."""
    image = re.search(rb'"file_name"\s*:\s*"([^"]*)"', start)
    named = _FILE.fullmatch(path.name) or (image and _IMAGE.fullmatch(image[1].decode(errors="replace")))
    return start.startswith(b"{") and bool(named)


_PATTERNS = ("*_framelabels.json", "*_cliplabels.json", "*_startlabels.json", "*_videolabels.json")
FORMAT = LabelFormat("posemark", read, write, _recognizes, _PATTERNS, check=check)
