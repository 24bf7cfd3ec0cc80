"""From PoseTrack's official annotations to COCO-style files: all frames, sparse subsets, consecutive runs."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lib.dataset.people import Person, sparse_people
from lib.dataset.posetrack import with_boxes
from lib.dataset.runs import SHORTEST_RUN, labeled_of_run, longest_run
from lib.formats.json_fields import whole_number
from lib.formats.posetrack import VideoAnnotations
from lib.formats.posetrack_coco import CocoVideo, coco_content
from lib.formats.posetrack_set import read_content, read_video, video_files
from lib.pose.crop import clip_box
from lib.utils.errors import InputError
from lib.utils.files import frame_number

logger = logging.getLogger(__name__)

SPLITS = ("train", "val")
RELEASES = {  # of PoseTrack18, by the number of validation videos
    "release v0.2, which most published figures are of": range(74, 75),
    "release v0.45": range(160, 181),
}


def read_split(annotations: Path, split: str) -> list[CocoVideo]:
    """The videos of a split, sorted by file name, with an id for each image and a box for each person with joints.

    Image ids are the official ones if they differ from video to video. Otherwise (2017 has none) they are
    1 (train) or 2 (val), four digits for the video's position among the sorted files, from 0, and six for the frame's.
    Official boxes are kept; a missing one is made of the joints by the rule of the file's year (lib.pose.crop).

    Args:
        annotations: the folder that has one folder of official files, one per video, for each split.

    Raises:
        InputError: no files there, a broken one, or a frame without a number; names the file and the record.
    """
    files = video_files(annotations / split)
    if not files:
        raise InputError(f"{annotations / split}: no .json or .mat file there; it has to hold the official ones")
    videos, images = [], []
    for file in tqdm(files, desc=f"reading {split}", unit="video", disable=None):
        content, video = read_content(file), read_video(file)
        videos.append(with_boxes(video, "posetrack17" if "annolist" in content else "posetrack18"))
        images.append(_image_keys(video, content, file))
    ids = [image_id for video in videos for image_id in video.image_ids]
    if len(set(ids)) < len(ids):
        first = (SPLITS.index(split) + 1) * 10_000
        videos = [
            replace(video, image_ids=[(first + v) * 1_000_000 + f for f in range(len(video.frame_names))])
            for v, video in enumerate(videos)
        ]
    return [CocoVideo(video, keys) for video, keys in zip(videos, images, strict=True)]


def release(annotations: Path) -> str:
    """Which PoseTrack this is, by the form and the number of the validation files, in one line.

    Args:
        annotations: as of `read_split`.
    """
    files = video_files(annotations / "val")
    if not files:
        return "no validation videos: the release cannot be told"
    if "annolist" in read_content(files[0]):
        return f"PoseTrack17: {len(files)} validation videos"
    known = [name for name, counts in RELEASES.items() if len(files) in counts]
    return f"PoseTrack18: {len(files)} validation videos: {known[0] if known else 'neither v0.2 (74) nor v0.45 (170)'}"


def full(videos: Sequence[CocoVideo]) -> dict[str, Any]:
    """The content of the COCO-style file of all frames."""
    frames = [range(len(part.video.frame_names)) for part in videos]
    return coco_content(videos, frames, {"description": "PoseTrack: all frames"})


def sparse(videos: Sequence[CocoVideo], num_videos: int, num_frames: int, seed: int) -> dict[str, Any]:
    """The content of the file of a few labelled frames: those that training on all of `videos` draws with that SEED.

    Args:
        num_videos: how many videos, −1: all that have labels.
        num_frames: how many frames of each, or all where it has fewer.
        seed: of the drawing.

    Raises:
        InputError: fewer videos have labels than are asked for, or nobody has.
    """
    people = [
        Person(v, int(frame), 0, np.zeros(2), np.ones(2), 1.0, part.video.joints[p], part.video.labeled[p])
        for v, part in enumerate(videos)
        for p, frame in enumerate(part.video.person_frame)
        if _is_trained_on(part, p)
    ]
    num_labeled = len({person.video for person in people})
    if not num_labeled:
        raise InputError("train: nobody is labeled in any video: there is nothing to draw from")
    if num_labeled < num_videos:
        raise InputError(f"train: {num_videos} labeled videos are asked for, {num_labeled} have labels; ask for fewer")
    chosen = {(person.video, person.frame) for person in sparse_people(people, num_videos, num_frames, seed)}
    frames = [sorted(frame for video, frame in chosen if video == v) for v in range(len(videos))]
    info = {"num_videos": num_videos, "num_frames": num_frames, "seed": seed, "labeled_frames": _names(videos, frames)}
    return coco_content(videos, frames, {"description": "PoseTrack: sparse labels", **info})


def consecutive(videos: Sequence[CocoVideo]) -> dict[str, Any]:
    """The content of the file of the longest annotated run of each video, on which propagation is scored.

    `info.labeled_frames` names the frames whose labels may be used (paper, video pose propagation: every seventh). A
    video whose run is too short for one is left out, with a warning.

    Raises:
        InputError: no video has a run that is long enough.
    """
    runs = [longest_run(part.video) for part in videos]
    kept = [run if labeled_of_run(len(run)) else [] for run in runs]
    if not any(kept):
        raise InputError(f"val: no video has {SHORTEST_RUN} consecutive annotated frames, which propagation needs")
    if kept.count([]):
        logger.warning("%d videos left out: no %d consecutive annotated frames", kept.count([]), SHORTEST_RUN)
    labeled = [[run[index] for index in labeled_of_run(len(run))] for run in kept]
    info = {"description": "PoseTrack: consecutive runs", "labeled_frames": _names(videos, labeled)}
    return coco_content(videos, kept, info)


def _image_keys(video: VideoAnnotations, content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """frame_id: the number in the frame's name, by which the first code counts; the rest is 2018's own."""
    official = content.get("images") or [{} for _ in video.frame_names]
    keys = []
    for name, image in zip(video.frame_names, official, strict=True):
        size = {key: whole_number(image.get(key)) for key in ("width", "height")}
        known = size if all(size.values()) else {}
        keys.append({"frame_id": _number(name, path), "vid_id": image.get("vid_id", video.name), **known})
    return keys


def _number(name: str, path: Path) -> int:
    number = frame_number(name)
    if number is None:
        raise InputError(f"{path}: image {name!r}: the name of a frame has to end with its number")
    return number


def _is_trained_on(part: CocoVideo, person: int) -> bool:
    """The rule of lib.dataset.posetrack.labeled_people, as far as the image's size is known."""
    video, box, image = part.video, part.video.boxes[person], part.images[part.video.person_frame[person]]
    if video.crowd[person] or not video.labeled[person].any():
        return False
    size = np.array([image.get("width", np.inf), image.get("height", np.inf)])
    overlaps = (box[2:] > 0).all() and (box[:2] < size).all() and (box[:2] + box[2:] > 0).all()
    return bool(overlaps) and clip_box(box, *size) is not None


def _names(videos: Sequence[CocoVideo], frames: Sequence[Sequence[int]]) -> list[str]:
    return [part.video.frame_names[frame] for part, chosen in zip(videos, frames, strict=True) for frame in chosen]
