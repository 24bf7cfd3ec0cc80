"""Labels of one PoseTrack video: official files of 2017 and 2018 are read, and the 2018 format is written.

Coordinates are used unchanged, as in PoseTrack's evaluation and all trained networks: (0, 0) is the center of the first
pixel.
"""

from pathlib import Path

import numpy as np

from lib.formats import posetrack18
from lib.formats.labels.frames import frame_name, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.losses import lost
from lib.formats.labels.model import Labels, checked_labels
from lib.formats.posetrack18 import keypoint_category
from lib.formats.posetrack_set import read_video
from lib.formats.video_annotations import KEYPOINT_NAMES, KEYPOINT_OF_JOINT, NO_SCORE, VideoAnnotations
from lib.utils.errors import InputError
from lib.utils.files import read_json

_COLUMNS = list(KEYPOINT_OF_JOINT)


def read(path: str | Path) -> Labels:
    """Read an official file, .json or .mat, of 2017 or 2018, as the 17 keypoints of 2018; crowds have no labels.

    Args:
        path: The file.

    Returns:
        The labels.

    Raises:
        InputError: If the file is missing or broken. The message names the file, the record and the key.
    """
    video = read_video(path)
    people, num_joints = len(video.person_frame), len(KEYPOINT_NAMES)
    labeled = video.labeled & ~video.crowd[:, None]
    joints, scores = np.full((people, num_joints, 2), np.nan), np.full((people, num_joints), np.nan)
    joints[:, _COLUMNS] = np.where(labeled[:, :, None], video.joints, np.nan)
    scores[:, _COLUMNS] = np.where(video.scores == NO_SCORE, np.nan, video.scores)
    frames = [named_frame(name) for name in video.frame_names]
    return checked_labels(
        path,
        KEYPOINT_NAMES,
        frames,
        video.person_frame,
        joints,
        track=video.track_ids,
        scores=scores,
        boxes=video.boxes,
    )


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write the labels of one video in the 2018 format.

    Args:
        path: The file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If the frames belong to several videos, or no joint is one of PoseTrack's.
    """
    if len({frame.video for frame in labels.frames}) > 1:
        raise InputError(f"{path}: a PoseTrack file holds one video; write one at a time, or use COCO's format")
    named = [KEYPOINT_NAMES[keypoint] for keypoint in _COLUMNS]
    common = [name for name in labels.names if name in named]
    if not common:
        raise InputError(f"{path}: PoseTrack has none of the joints {', '.join(labels.names)}; write COCO's format")
    people, num_joints = len(labels.frame), len(named)
    joints, scores = np.zeros((people, num_joints, 2)), np.full((people, num_joints), NO_SCORE)
    labeled = np.zeros((people, num_joints), dtype=bool)
    own, official = [labels.names.index(name) for name in common], [named.index(name) for name in common]
    labeled[:, official] = labels.labeled[:, own]
    joints[:, official] = np.nan_to_num(labels.joints[:, own])
    scores[:, official] = np.nan_to_num(labels.scores[:, own], nan=NO_SCORE)
    order = np.argsort(labels.frame, kind="stable")
    video = VideoAnnotations(
        name=Path(path).stem,
        frame_names=[frame_name(frame) for frame in labels.frames],
        image_ids=list(range(len(labels.frames))),
        frame_labeled=np.isin(np.arange(len(labels.frames)), labels.frame),
        nframes=len(labels.frames),
        ignore_regions=[[] for _ in labels.frames],
        person_frame=labels.frame[order],
        has_joint_list=np.ones(people, dtype=bool),
        joints=joints[order],
        present=labeled[order],
        labeled=labeled[order],
        scores=scores[order],
        person_scores=np.full(people, np.nan),
        track_ids=labels.track[order],
        annotation_ids=np.full(people, -1),
        head_boxes=np.full((people, 4), np.nan),
        boxes=labels.boxes[order],
        crowd=np.zeros(people, dtype=bool),
    )
    posetrack18.write(path, video)
    others = int(np.delete(labels.labeled, own, axis=1).sum())
    more = [f"{others} joints that PoseTrack does not have"] if others else []
    return more + lost(labels, "scores", "boxes", "tracks", "no track", "empty frames", "empty people")


def _recognizes(path: Path, start: bytes) -> bool:
    """Return True for an official file: of 2017, or of 2018 with its joints and images that have `nframes`."""
    if path.suffix.lower() == ".mat":
        return True
    content = read_json(path) if start.startswith((b"{", b"[")) else None
    if not isinstance(content, dict) or "annolist" in content:
        return isinstance(content, dict)
    try:
        names = keypoint_category(content)["keypoints"]
        return names == list(KEYPOINT_NAMES) and "nframes" in content["images"][0]
    except (LookupError, TypeError, AttributeError):
        return False


FORMAT = LabelFormat("posetrack18", read, write, _recognizes)
