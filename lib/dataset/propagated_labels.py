"""COCO-style training files with real and propagated labels (PoseWarper paper, data augmentation)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from lib.dataset.people import Person
from lib.formats.coco import PROPAGATED_BY
from lib.formats.posetrack_coco import CocoVideo, coco_content
from lib.formats.video_annotations import (
    KEYPOINT_OF_JOINT,
    NO_SCORE,
    PERSON_ARRAYS,
    VideoAnnotations,
    take_frames,
    take_people,
)
from lib.frames.video import FrameFolder
from lib.utils.files import frame_number, read_json

REACH = 3
"""Number of frames on each side that a label is propagated to."""
MIN_SCORE = 0.2
"""Propagated joints with a higher score become labels."""


@dataclass(frozen=True)
class Propagated:
    """P people in frames without labels.

    Attributes:
        people: The labeled people that the poses come from, with the `number` of the frame of the pose.
        joints: Joints (P, J, 2), x and y in image pixels.
        scores: Scores (P, J).
    """

    people: Sequence[Person]
    joints: np.ndarray
    scores: np.ndarray


def is_augmented(path: Path) -> bool:
    """Return True if an annotation file is marked as containing propagated labels.

    Args:
        path: Path to the annotations.
    """
    content = read_json(path) if path.is_file() else {}
    return isinstance(content, dict) and PROPAGATED_BY in (content.get("info") or {})


def frames_around(people: Sequence[Person], frames: dict[int, FrameFolder]) -> Iterator[tuple[int, int]]:
    """Yield the video and number of each existing unlabeled frame within REACH of a labeled one.

    Args:
        people: Labeled people.
        frames: Frames of each video, by its index.
    """
    labeled: dict[int, set[int]] = {}
    for person in people:
        labeled.setdefault(person.video, set()).add(person.number)
    for video, numbers in sorted(labeled.items()):
        around = {number + delta for number in numbers for delta in range(-REACH, REACH + 1)} - numbers
        yield from ((video, number) for number in sorted(around) if frames[video].has(number))


def augmented_content(
    videos: Sequence[VideoAnnotations],
    people: Sequence[Person],
    propagated: Propagated,
    frames: dict[int, FrameFolder],
    info: dict[str, Any],
) -> dict[str, Any]:
    """Return the content of a COCO-style file with the labeled frames of `people` and the propagated labels.

    A propagated person has the box of its source label, a score for each joint, and the name of the labeled frame as
    `propagated_from`. Joints with a score above MIN_SCORE and x, y > 0 are labeled; the others are missing.

    Args:
        videos: Annotations, with a box for each person.
        people: Labeled people. All people in their frames are copied.
        propagated: Propagated labels.
        frames: Frames of each video, by its index.
        info: Record of how the file was made; PROPAGATED_BY names the method.
    """
    parts: list[VideoAnnotations] = []
    sources: dict[str, str] = {}  # name of a frame with propagated labels → name of the labeled frame
    for v, video in enumerate(videos):
        part = take_frames(video, sorted({person.frame for person in people if person.video == v}))
        rows = [row for row, person in enumerate(propagated.people) if person.video == v]
        if rows:
            names = [_file_name(video, frames[v], propagated.people[row].number) for row in rows]
            part = _join(part, _select(video, propagated, rows, names))
            source_frames = [video.frame_names[propagated.people[row].frame] for row in rows]
            sources |= dict(zip(names, source_frames, strict=True))
        parts.append(part)
    content = _content(parts, info)
    name_of = {image["id"]: image["file_name"] for image in content["images"]}
    for record in content["annotations"]:
        if source := sources.get(name_of[record["image_id"]]):
            record["propagated_from"] = source
    return content


def _file_name(video: VideoAnnotations, frames: FrameFolder, number: int) -> str:
    """Return the name of a frame in the format of the annotated frames."""
    folder, slash, _ = video.frame_names[0].rpartition("/")
    return folder + slash + frames.name(number)


def _select(video: VideoAnnotations, propagated: Propagated, rows: Sequence[int], names: list[str]) -> VideoAnnotations:
    """Return the frames of some propagated people, with these `names`, as annotations."""
    listed = sorted(set(names))
    columns = list(KEYPOINT_OF_JOINT)
    joints, scores = propagated.joints[rows][:, columns], propagated.scores[rows][:, columns]
    found = (scores > MIN_SCORE) & (joints > 0).all(axis=2)
    labels = take_people(video, [propagated.people[row].row for row in rows])
    return replace(
        labels,
        frame_names=listed,
        image_ids=[0] * len(listed),
        frame_labeled=np.ones(len(listed), dtype=bool),
        ignore_regions=[[] for _ in listed],
        person_frame=np.array([listed.index(name) for name in names]),
        joints=np.where(found[..., None], joints, 0.0),
        present=found,
        labeled=found,
        scores=np.where(found, scores, NO_SCORE),
        head_boxes=np.full((len(rows), 4), np.nan),  # the head has moved
    )


def _join(first: VideoAnnotations, second: VideoAnnotations) -> VideoAnnotations:
    """Return the frames of both, sorted by number, and the people of both, sorted by frame."""
    names = first.frame_names + second.frame_names
    order = sorted(range(len(names)), key=lambda frame: frame_number(names[frame]) or 0)
    place = np.argsort(order)
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in PERSON_ARRAYS
    }
    arrays["person_frame"] = place[np.concatenate([first.person_frame, second.person_frame + len(first.frame_names)])]
    regions = first.ignore_regions + second.ignore_regions
    joined = replace(
        first,
        frame_names=[names[frame] for frame in order],
        image_ids=[0] * len(order),  # that of _content follows
        frame_labeled=np.concatenate([first.frame_labeled, second.frame_labeled])[order],
        ignore_regions=[regions[frame] for frame in order],
        **arrays,
    )
    return take_people(joined, np.argsort(joined.person_frame, kind="stable"))


def _content(videos: Sequence[VideoAnnotations], info: dict[str, Any]) -> dict[str, Any]:
    """Return all frames of the videos with new image ids, because files of 2017 have none and frames were added."""
    parts, ids = [], count(1)
    for video in videos:
        images = [{"frame_id": frame_number(name)} for name in video.frame_names]
        parts.append(CocoVideo(replace(video, image_ids=[next(ids) for _ in images]), images))
    return coco_content(parts, [range(len(video.frame_names)) for video in videos], info)
