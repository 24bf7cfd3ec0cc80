"""Many PoseTrack videos at once: a folder of official files, or one COCO-style file of all their frames."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats import posetrack17, posetrack18
from lib.formats.coco_records import check_coco, check_image_ids
from lib.formats.json_fields import records, whole_number
from lib.formats.labels.model import check_names
from lib.formats.video_annotations import JOINT_NAMES, VideoAnnotations
from lib.utils.errors import InputError
from lib.utils.files import atomic_folder, read_json

logger = logging.getLogger(__name__)


def video_files(folder: Path) -> list[Path]:
    """Return the official files of a folder, one per video, sorted by video name.

    These are the .json files, and the .mat files of videos without a .json file.

    Args:
        folder: The folder.

    Returns:
        The paths; empty if the folder has no such files.
    """
    files = {path.stem: path for suffix in (".mat", ".json") for path in folder.glob(f"*{suffix}")}
    return [files[stem] for stem in sorted(files)]


def read_content(path: str | Path) -> dict[str, Any]:
    """Read the content of an official file: 2017 files have the key `annolist`, 2018 files `images`.

    Args:
        path: The .json or .mat file.

    Returns:
        The content.

    Raises:
        InputError: If the file is missing, broken or of another kind.
    """
    content = posetrack17.mat_content(path) if Path(path).suffix == ".mat" else read_json(path)
    if not isinstance(content, dict) or not ("annolist" in content or "images" in content):
        raise InputError(f"{path}: not a PoseTrack file: it has neither 'annolist' (2017) nor 'images' (2018)")
    return content


def read_video(path: str | Path) -> VideoAnnotations:
    """Read an official file, .json or .mat, in the 2017 or 2018 format.

    Args:
        path: The file.

    Returns:
        The video.

    Raises:
        InputError: If the file is missing or broken, or a record is invalid. The message names the file, record and
            key.
    """
    content = read_content(path)
    return (posetrack17 if "annolist" in content else posetrack18).read(content, path)


def read_videos(path: str | Path, names: Sequence[str] | None = None) -> list[VideoAnnotations]:
    """Read the videos of a folder of official files (2017 or 2018) or of a COCO-style file, sorted by name.

    A COCO-style file has the 2018 format, with the frames of many videos; the frames of one folder are one video. If it
    has only `images`, nothing is labeled.

    Args:
        path: The folder or file.
        names: Names of the joints to read from a COCO-style file; PoseTrack's if None.

    Returns:
        The videos.

    Raises:
        InputError: If nothing is found or a file is broken. The message names the file and the record.
    """
    path = Path(path)
    if path.is_dir():
        files = video_files(path)
        if not files:
            raise InputError(f"{path}: no .json or .mat file in this folder of annotations")
        return [read_video(file) for file in files]
    content = check_coco(read_json(path), path)
    parts = sorted(_by_folder(content, path).items())
    wanted = [names] if names else []
    videos = [posetrack18.read(part, path, *wanted) for _, part in parts]
    folders = video_names([folder for folder, _ in parts], path.stem)
    return [replace(video, name=name) for video, name in zip(videos, folders, strict=True)]


def write_videos(folder: Path, videos: Sequence[VideoAnnotations], format: str) -> None:
    """Write one file per video, in the format of the dataset's year, replacing the content of the folder.

    Args:
        folder: The folder to write.
        videos: The videos.
        format: Format of the annotations (lib.formats.data_sets), posetrack17 or posetrack18.
    """
    write = posetrack17.write if format == "posetrack17" else posetrack18.write
    with atomic_folder(folder) as temporary:
        for video in videos:
            write(temporary / f"{video.name}.json", video)
    logger.info("submission: %d files in %s", len(videos), folder)


def read_joints(path: str | Path) -> tuple[list[str], list[float] | None]:
    """Read the joint names of a COCO-style file and their OKS constants.

    Args:
        path: The file.

    Returns:
        The names, and one constant per joint, or None if the file has no constants.

    Raises:
        InputError: If the file is not a COCO-style file, joint names are missing or not unique, or the constants are
            invalid.
    """
    content = check_coco(read_json(path), path)
    names = posetrack18.keypoint_names(content, path)
    check_names(names, f"{path}: categories: 'keypoints'")
    return names, posetrack18.keypoint_sigmas(content, path)


def video_names(folders: list[str], nameless: str) -> list[str]:
    """Return a name for each folder of frames: its last component, or the whole path if several folders share it.

    Args:
        folders: Paths of the folders.
        nameless: Name for an empty path.

    Returns:
        The names.
    """
    last = [folder.rpartition("/")[2] or nameless for folder in folders]
    return [
        folder.replace("/", "_") if last.count(name) > 1 else name for folder, name in zip(folders, last, strict=True)
    ]


def unlabeled_video(name: str, frame_names: list[str], nframes: int) -> VideoAnnotations:
    """Create a video without annotations, from the names of its frames.

    Args:
        name: Name of the video.
        frame_names: Names of the frames.
        nframes: Number of frames in the video; 0 if all of them are listed.

    Returns:
        The video.
    """
    joints = len(JOINT_NAMES)
    return VideoAnnotations(
        name=name,
        frame_names=frame_names,
        image_ids=list(range(len(frame_names))),
        frame_labeled=np.zeros(len(frame_names), dtype=bool),
        nframes=max(nframes, len(frame_names)),
        ignore_regions=[[] for _ in frame_names],
        person_frame=np.zeros(0, dtype=np.int64),
        has_joint_list=np.zeros(0, dtype=bool),
        joints=np.zeros((0, joints, 2)),
        present=np.zeros((0, joints), dtype=bool),
        labeled=np.zeros((0, joints), dtype=bool),
        scores=np.zeros((0, joints)),
        person_scores=np.zeros(0),
        track_ids=np.zeros(0, dtype=np.int64),
        annotation_ids=np.zeros(0, dtype=np.int64),
        head_boxes=np.zeros((0, 4)),
        boxes=np.zeros((0, 4)),
        crowd=np.zeros(0, dtype=bool),
    )


def _by_folder(content: dict[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Split the content of a file by folder of frames."""
    parts: dict[str, dict[str, Any]] = {}
    folder_of_id = {}
    for index, image in enumerate(records(content, "images", path)):
        if not isinstance(image.get("file_name"), str):
            raise InputError(f"{path}: images[{index}]: no file_name")
        folder = image["file_name"].rpartition("/")[0]
        folder_of_id[whole_number(image.get("id"))] = folder
        empty: dict[str, Any] = {"images": [], "annotations": [], "categories": content.get("categories")}
        parts.setdefault(folder, empty)["images"].append(image)
    people = records(content, "annotations", path) if content.get("annotations") else []
    check_image_ids(people, folder_of_id, path)
    for person in people:
        parts[folder_of_id[whole_number(person.get("image_id"))]]["annotations"].append(person)
    return parts
