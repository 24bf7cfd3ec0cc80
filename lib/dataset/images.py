"""Data sets of images: their annotations as one video whose frames are unrelated, and their files."""

from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lib.formats import aic, posetrack18
from lib.formats.coco_people import WHOLEBODY_FIELDS
from lib.formats.coco_records import category_record, check_coco, person_record
from lib.formats.data_sets import DataSet
from lib.formats.json_fields import is_number, records
from lib.formats.mpii import read_people
from lib.formats.video_annotations import VideoAnnotations
from lib.frames.images import ImageList
from lib.frames.store import ImageStore
from lib.pose.crop import PADDING, PIXELS_PER_SCALE
from lib.pose.skeletons import Skeleton
from lib.utils.errors import InputError
from lib.utils.files import read_json
from lib.utils.joint_names import may_be_same

TRB_SIDE = 256
"""Side in pixels that the scale of MPII-TRB refers to: the side of a crop is this number divided by the scale."""

UNKNOWN_CENTER = -2
"""x of an unknown center in MPII, −1, in 0-based pixels."""

BEYOND = 2.0
"""Number of pixels by which a box may exceed its image before the width and height in the file are ignored."""


class Listed:
    """Images of a data set, with the interface that lib.dataset.video_people.Folders has for the frames of videos.

    Args:
        images: The files.
        folder: Folder of the store that names in the annotations are relative to.
        absent: Numbers of the missing images.
    """

    def __init__(self, images: ImageList, folder: str, absent: Set[int] = frozenset()) -> None:
        self.absent = absent
        self._images = images
        self._folder = folder
        self.found: dict[int, ImageList] = {}

    def find(self, v: int, video: VideoAnnotations, frame: int) -> tuple[ImageList, int]:
        """Return the source of an image, and its number there.

        Args:
            v: Index of the video; 0, because all images form one video.
            video: Annotations of the images.
            frame: Index of the image.
        """
        self.found[v] = self._images
        return self._images, int(frame)

    def key(self, name: str) -> str:
        """Return the part of an image's name that is the same in the store and in the annotations.

        Numbers do not identify images: names may be hashes (AI Challenger), or 00001 in each folder (JHMDB).

        Args:
            name: Name of the image, with or without its folder in the store.
        """
        return str(PurePosixPath(name)).removeprefix(f"{PurePosixPath(self._folder)}/")


def read_images(path: Path, data_set: DataSet, skeleton: Skeleton) -> tuple[VideoAnnotations, np.ndarray]:
    """Return the annotations of a data set of images, and the width and height (I, 2) of each image.

    Joints have the order of the data set, in 0-based pixels. If annotations give centers and scales, the boxes are
    those for which lib.pose.crop makes the same crops. The size is 0 if the file does not state it.

    Args:
        path: Path to the annotations.
        data_set: The data set.
        skeleton: Its skeleton.

    Raises:
        InputError: The file is broken or has other joints; the message names file, record and key.
    """
    content = _from_mpii(path, skeleton) if data_set.format == "mpii" else read_json(path)
    if data_set.format == "aic" and isinstance(content, list):
        content = aic.to_coco(content, path, skeleton.names)
    content = check_coco(content, path)
    if data_set.format == "mpii_trb":
        content = content | {"annotations": [_with_box(one, path) for one in records(content, "annotations", path)]}
    elif data_set.format == "coco_wholebody":
        content = _with_parts(content, path, skeleton)
    people = records(content, "annotations", path) if "annotations" in content else []  # test splits have none
    names = posetrack18.keypoint_names(content, path) if people else skeleton.names
    if len(names) != skeleton.num_joints:
        raise InputError(f"{path}: its people have {len(names)} joints, but this data set has {skeleton.num_joints}")
    for joint, (own, known) in enumerate(zip(names, skeleton.names, strict=True)):
        if not may_be_same(own, known):
            raise InputError(f"{path}: joint {joint} is {own}, but {known} in this data set; check DATASET.DATASET")
    images = _from_zero(posetrack18.read(content, path, names), data_set.first_pixel)
    return images, _sizes(content["images"], images)


def _from_zero(images: VideoAnnotations, first_pixel: int) -> VideoAnnotations:
    """Return the annotations in 0-based pixels."""
    if not first_pixel:
        return images
    return replace(
        images,
        joints=np.where(images.present[:, :, None], images.joints - first_pixel, 0),
        boxes=images.boxes - (first_pixel, first_pixel, 0, 0),
        head_boxes=images.head_boxes - first_pixel,
    )


def _sizes(records_of_images: list[dict[str, Any]], images: VideoAnnotations) -> np.ndarray:
    """Return the sizes in the file if all boxes are inside, because some are in the wrong order (CrowdPose); else 0."""
    stated = [[image.get("width"), image.get("height")] for image in records_of_images]
    sizes = np.array([pair if all(isinstance(side, int) for side in pair) else (0, 0) for pair in stated]).reshape(
        -1, 2
    )
    ends = np.nan_to_num(images.boxes[:, :2] + images.boxes[:, 2:])
    sizes[images.person_frame[(ends > sizes[images.person_frame] + BEYOND).any(axis=1)]] = 0
    return sizes


def _with_parts(content: dict[str, Any], path: Path, skeleton: Skeleton) -> dict[str, Any]:
    """Return COCO-WholeBody's content with all joints of each person in `keypoints`."""
    people = []
    for index, person in enumerate(records(content, "annotations", path)):
        if len(person.get("keypoints") or ()) != 3 * skeleton.num_joints:
            parts: list[Any] = [person.get(key) for key in WHOLEBODY_FIELDS]
            if not all(isinstance(part, list) for part in parts):
                keys = ", ".join(WHOLEBODY_FIELDS)
                raise InputError(f"{path}: annotations[{index}]: COCO-WholeBody requires the lists {keys}")
            person = person | {"keypoints": [value for part in parts for value in part]}
        people.append(person)
    return content | {"annotations": people, "categories": [category_record(skeleton.names)]}


def _with_box(person: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a person of MPII-TRB with the box that gives the crop of its center and scale."""
    center: Any = person.get("center")
    scale: Any = person.get("scale")
    if not (_are_numbers(center, 2) and _are_numbers([scale], 1) and scale > 0):
        raise InputError(
            f"{path}: annotation {person.get('id')}: center must be two numbers, and scale a positive number"
        )
    box = {"bbox": _square(center, TRB_SIDE / scale / PADDING)}
    head: Any = person.get("headbox")
    if _are_numbers(head, 4):
        box["bbox_head"] = [*head[:2], head[2] - head[0], head[3] - head[1]]
    return person | box


def _from_mpii(path: Path, skeleton: Skeleton) -> dict[str, Any]:
    """Return MPII's people in COCO's format, with one image for each person, in the same order."""
    images, people = [], []
    for index, person in enumerate(read_people(path)):
        center, side = person.center, person.scale * PIXELS_PER_SCALE / PADDING
        if center[0] != UNKNOWN_CENTER:
            center, side = np.add(center, (0, 15 * person.scale)), side * PADDING  # `center` lies above the middle
        images.append({"id": index, "file_name": person.image})
        record = person_record(index, index) | {"bbox": _square(center, side)}
        if person.labeled.any():
            record["keypoints"] = np.column_stack([person.joints, person.labeled]).ravel().tolist()
        people.append(record)
    return {"images": images, "annotations": people, "categories": [category_record(skeleton.names)]}


def _square(center: Any, side: float) -> list[float]:
    return [center[0] - side / 2, center[1] - side / 2, side, side]


def _are_numbers(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(map(is_number, values))


def find_images(store: ImageStore, folders: Sequence[str], names: Sequence[str]) -> tuple[str, np.ndarray]:
    """Return the folder of a store that has most of the images, and (I,) bool, True for the images it has.

    Args:
        store: Store of the images.
        folders: Folders to search; of equals, the first counts.
        names: Names of the images.
    """
    files = cache(lambda folder: set(store.list(folder)))

    def look(folder: str) -> np.ndarray:
        paths = (PurePosixPath(folder, name) for name in names)
        return np.array([path.name in files(str(path.parent)) for path in paths], dtype=bool)

    found = {folder: look(folder) for folder in folders}
    return max(found.items(), key=lambda item: item[1].sum())
