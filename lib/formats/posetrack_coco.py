"""A COCO-style file of many PoseTrack videos, as read by the original PoseWarper code and by posetrack_set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lib.formats.posetrack18 import CATEGORY, person_records, region_keys
from lib.formats.video_annotations import VideoAnnotations

PEOPLE_PER_IMAGE = 1000  # annotation id = image id * PEOPLE_PER_IMAGE + index in the image


@dataclass(frozen=True)
class CocoVideo:
    """A video, and the additional keys that a COCO-style file has for it.

    Attributes:
        video: The video; its image ids are unique in the file.
        images: F dicts with additional keys of each image: frame_id, vid_id, and width and height if known.
    """

    video: VideoAnnotations
    images: list[dict[str, Any]]


def coco_content(videos: Sequence[CocoVideo], frames: Sequence[Sequence[int]], info: dict[str, Any]) -> dict[str, Any]:
    """Create the content of a COCO-style file.

    A person without labeled joints has area 0, by which the original code excludes people. A person without a box has a
    box of four zeros, since the original code requires one.

    Args:
        videos: The videos.
        frames: For each video, the indices of the frames to list, with all of their people.
        info: How the file was made.

    Returns:
        The content.
    """
    content: dict[str, Any] = {"info": info, "images": [], "annotations": [], "categories": [CATEGORY]}
    for part, chosen in zip(videos, frames, strict=True):
        content["images"] += [_image(part, frame) for frame in chosen]
        content["annotations"] += _people(part.video, set(chosen))
    return content


def _image(part: CocoVideo, frame: int) -> dict[str, Any]:
    video = part.video
    return {
        "id": video.image_ids[frame],
        "file_name": video.frame_names[frame],
        "nframes": video.nframes,
        "is_labeled": bool(video.frame_labeled[frame]),
        **region_keys(video.ignore_regions[frame]),
        **part.images[frame],
    }


def _people(video: VideoAnnotations, frames: set[int]) -> list[dict[str, Any]]:
    video = replace(video, boxes=np.nan_to_num(video.boxes))
    number_in_image = [0] * len(video.frame_names)
    records = []
    for person, record in enumerate(person_records(video)):
        frame, num_labeled = int(video.person_frame[person]), int(video.labeled[person].sum())
        record["id"] = record["image_id"] * PEOPLE_PER_IMAGE + number_in_image[frame]
        record["num_keypoints"] = num_labeled
        record["area"] = float(video.boxes[person, 2:].prod()) if num_labeled else 0.0
        record["iscrowd"] = int(video.crowd[person])
        number_in_image[frame] += 1
        if frame in frames:
            records.append(record)
    return records
