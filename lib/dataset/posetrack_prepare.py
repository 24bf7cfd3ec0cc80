"""COCO-style files from PoseTrack's official annotations: all frames, sparse subsets, consecutive runs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lib.dataset.people import Person, sparse_people
from lib.dataset.runs import MIN_RUN, labeled_of_run, longest_run
from lib.dataset.video_people import clip_to_image, with_boxes
from lib.formats.json_fields import whole_number
from lib.formats.posetrack_coco import CocoVideo, coco_content
from lib.formats.posetrack_set import read_content, read_video, video_files
from lib.formats.video_annotations import VideoAnnotations
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, frame_number, refuse_inside, write_json
from lib.utils.label_files import sparse_file_name

logger = logging.getLogger(__name__)

SPLITS = ("train", "val")
RELEASES = {  # of PoseTrack18, by the number of validation videos
    "release v0.2, which most published figures are of": range(74, 75),
    "release v0.45": range(160, 181),
}


Files = dict[str, Callable[[], dict[str, Any]]]
"""Functions that return the content of the files to write, by file name."""


def plan_full(annotations: Path) -> Files:
    """Return the files with all frames of each split.

    Args:
        annotations: Folder with a folder of official files for each split.

    Raises:
        InputError: There is no split.
    """
    splits = [split for split in SPLITS if (annotations / split).is_dir()]
    if not splits:
        raise InputError(f"{annotations}: contains neither train/ nor val/")

    def read(split: str) -> dict[str, Any]:
        return full(read_split(annotations, split))

    return {f"posetrack_{split}.json": partial(read, split) for split in splits}


def plan_sparse(annotations: Path, videos: int, frames: int, seed: int) -> Files:
    """Return the file of the training split with few labeled frames.

    Args:
        annotations: Folder with a folder of official files for each split.
        videos: Number of videos that keep labels; −1 for all.
        frames: Number of labeled frames per video.
        seed: Seed of the random choice.
    """
    name = sparse_file_name(frames, videos if videos < len(video_files(annotations / "train")) else -1)
    return {name: lambda: sparse(read_split(annotations, "train"), videos, frames, seed)}


def plan_consecutive(annotations: Path) -> Files:
    """Return the file with the longest annotated run of each validation video.

    Args:
        annotations: Folder with a folder of official files for each split.
    """
    return {"posetrack_val_consecutive.json": lambda: consecutive(read_split(annotations, "val"))}


def write_files(files: Files, annotations: Path, out: Path) -> None:
    """Write planned files after all of them are made, and print the release and their sizes.

    Args:
        files: Files to write.
        annotations: Folder with a folder of official files for each split.
        out: Folder to write to.

    Raises:
        InputError: An annotation is broken, or a file cannot be written.
    """
    outputs = [("--out", out / name) for name in files]
    for split in SPLITS:
        refuse_inside(outputs, annotations / split, "it would be taken for one of the annotations")
    claim_outputs(outputs)
    print(release(annotations))
    contents = {name: make() for name, make in files.items()}
    for name, content in contents.items():
        write_json(out / name, content)
        print(f"{out / name}: {len(content['images'])} frames, {len(content['annotations'])} people")


def read_split(annotations: Path, split: str) -> list[CocoVideo]:
    """Return the videos of a split, sorted by file name, with ids of images and boxes of all people with joints.

    Image ids are the official ones if they differ between videos. Otherwise (2017 has none) they consist of 1 (train)
    or 2 (val), four digits for the position of the video among the sorted files, starting with 0, and six digits for
    the frame. Official boxes are kept; a missing one is computed from the joints by the rule of the year
    (lib.pose.crop).

    Args:
        annotations: Folder with a folder of official files for each split, one file per video.
        split: Name of the split.

    Raises:
        InputError: There are no files, a file is broken, or a frame has no number; the message names file and record.
    """
    files = video_files(annotations / split)
    if not files:
        raise InputError(
            f"{annotations / split}: no .json or .mat file in this folder; it must contain the official annotations"
        )
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
    """Return the release of PoseTrack in one line, from the format and the number of the validation files.

    Args:
        annotations: Folder with a folder of official files for each split.
    """
    files = video_files(annotations / "val")
    if not files:
        return "no validation videos: the release is unknown"
    if "annolist" in read_content(files[0]):
        return f"PoseTrack17: {len(files)} validation videos"
    known = [name for name, counts in RELEASES.items() if len(files) in counts]
    return f"PoseTrack18: {len(files)} validation videos: {known[0] if known else 'neither v0.2 (74) nor v0.45 (170)'}"


def full(videos: Sequence[CocoVideo]) -> dict[str, Any]:
    """Return the content of the COCO-style file of all frames.

    Args:
        videos: Videos of a split.
    """
    frames = [range(len(part.video.frame_names)) for part in videos]
    return coco_content(videos, frames, {"description": "PoseTrack: all frames"})


def sparse(videos: Sequence[CocoVideo], num_videos: int, num_frames: int, seed: int) -> dict[str, Any]:
    """Return the content of the file of a few labeled frames: those that training on `videos` selects with that SEED.

    Args:
        videos: Videos of a split.
        num_videos: Number of videos; −1 for all videos with labels.
        num_frames: Number of frames of each video, or all frames of videos with fewer; −1 for all.
        seed: Random seed.

    Raises:
        InputError: Fewer videos have labels than requested, or none has.
    """
    people = [
        Person(
            video=v,
            frame=int(frame),
            number=0,
            center=np.zeros(2),
            scale=np.ones(2),
            joints=part.video.joints[p],
            labeled=part.video.labeled[p],
        )
        for v, part in enumerate(videos)
        for p, frame in enumerate(part.video.person_frame)
        if _is_trained_on(part, p)
    ]
    num_labeled = len({person.video for person in people})
    if not num_labeled:
        raise InputError("train: no person is labeled in any video")
    if num_labeled < num_videos:
        raise InputError(
            f"train: {num_videos} labeled videos were requested, but {num_labeled} have labels; request fewer"
        )
    chosen = {(person.video, person.frame) for person in sparse_people(people, num_videos, num_frames, seed)}
    frames = [sorted(frame for video, frame in chosen if video == v) for v in range(len(videos))]
    info = {"num_videos": num_videos, "num_frames": num_frames, "seed": seed, "labeled_frames": _names(videos, frames)}
    return coco_content(videos, frames, {"description": "PoseTrack: sparse labels", **info})


def consecutive(videos: Sequence[CocoVideo]) -> dict[str, Any]:
    """Return the content of the file of the longest annotated run of each video, on which propagation is scored.

    `info.labeled_frames` lists the frames whose labels may be used (paper, video pose propagation: every seventh). A
    video whose run is too short for a label is left out, with a warning.

    Args:
        videos: Videos of a split.

    Raises:
        InputError: No video has a run that is long enough.
    """
    runs = [longest_run(part.video) for part in videos]
    kept = [run if labeled_of_run(len(run)) else [] for run in runs]
    if not any(kept):
        raise InputError(f"val: no video has {MIN_RUN} consecutive annotated frames, which propagation needs")
    if kept.count([]):
        logger.warning("%d videos left out: no %d consecutive annotated frames", kept.count([]), MIN_RUN)
    labeled = [[run[index] for index in labeled_of_run(len(run))] for run in kept]
    info = {"description": "PoseTrack: consecutive runs", "labeled_frames": _names(videos, labeled)}
    return coco_content(videos, kept, info)


def _image_keys(video: VideoAnnotations, content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Return the keys of each image: the number in its name as frame_id, as in the first code, and those of 2018."""
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
        raise InputError(f"{path}: image {name!r}: the name of a frame must end with its number")
    return number


def _is_trained_on(part: CocoVideo, person: int) -> bool:
    """Apply the rule of lib.dataset.video_people.labeled_people, as far as the size of the image is known."""
    video, box, image = part.video, part.video.boxes[person], part.images[part.video.person_frame[person]]
    if video.crowd[person] or not video.labeled[person].any():
        return False
    return clip_to_image(box, image.get("width", np.inf), image.get("height", np.inf)) is not None


def _names(videos: Sequence[CocoVideo], frames: Sequence[Sequence[int]]) -> list[str]:
    return [part.video.frame_names[frame] for part, chosen in zip(videos, frames, strict=True) for frame in chosen]
