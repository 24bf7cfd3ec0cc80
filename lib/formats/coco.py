"""COCO-style keypoint files of a user, whose content is kept (posetrack_set reads arrays)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.coco_records import check_coco, check_image_ids
from lib.formats.json_fields import is_true, records, whole_number
from lib.formats.posetrack18 import keypoint_category, keypoint_names
from lib.utils.errors import InputError
from lib.utils.files import read_json

JOINT_EVIDENCE = ("scores", "sources", "disagreement")
"""Keys that describe each joint that was not labeled by a person."""
PROPAGATED_BY = "propagated_by"
"""Key of `info`: the method of propagation, in files with joints that a program set."""
SCORES = "scores"
"""Key of `info`: the meaning of the joints' scores, if it is known."""
PROBABILITY = "p(error < 5 %)"
"""Value of SCORES: the probability that a joint is less than 5 % of the person's size from where it should be."""
OPEN_JOINTS = "open_joints"
"""Key of a person: the names of joints that a program set in this frame, which are propagated again. A person set the
others, or found them to be absent."""
EXIF_ORIENTATION = "exif_orientation"
"""Key of `info`: the images were oriented according to their EXIF tags."""


def read_labels(path: str | Path) -> dict[str, Any]:
    """Read a COCO-style keypoint file of one video.

    Ids become whole numbers, and file names lose their folders. If no frame has more than one person or animal and none
    has a `track_id`, all get track 0.

    Args:
        path: The keypoint file.

    Returns:
        The content of the file.

    Raises:
        InputError: If the file is not a COCO-style file, two images have the same file name, or people in a frame
            cannot be distinguished. The message names the record.
    """
    return check_labels(read_json(path), path)


def check_labels(content: Any, path: str | Path, of_video: bool = True) -> dict[str, Any]:
    """Check and complete the content of a COCO-style keypoint file, in place, as `read_labels` does.

    Args:
        content: The parsed JSON.
        path: The file that `content` was read from, for error messages.
        of_video: True if the images are frames of one video. Otherwise, file names keep their folders.

    Returns:
        `content`.

    Raises:
        InputError: As in `read_labels`.
    """
    keypoint_names(check_coco(content, path), path)
    ids, names = set(), set()
    for index, image in enumerate(records(content, "images", path)):
        image["id"] = whole_number(image.get("id"))
        if not isinstance(image.get("file_name"), str) or image["id"] is None:
            raise InputError(f"{path}: images[{index}]: a file_name, and a whole number as id, are required")
        image["file_name"] = image["file_name"].rpartition("/")[2] if of_video else image["file_name"]
        if image["file_name"] in names:
            raise InputError(
                f"{path}: images[{index}]: {image['file_name']} is listed twice; the file must be of one video"
            )
        names.add(image["file_name"])
        ids.add(image["id"])
    people = records(content, "annotations", path)
    check_image_ids(people, ids, path)
    for person in people:
        person["image_id"] = whole_number(person["image_id"])
        if person.get("track_id") is not None:
            person["track_id"] = whole_number(person["track_id"])
    _identify(people, path)
    return content


def _identify(people: list[dict[str, Any]], path: str | Path) -> None:
    """Set track 0 if no image has several people and none has a `track_id`; reject people that share an id."""
    one_each = len({person["image_id"] for person in people}) == len(people)
    if one_each and all(person.get("track_id") is None for person in people):
        for person in people:
            person["track_id"] = 0
    seen = set()
    for index, person in enumerate(people):
        who = person["image_id"], person.get("track_id")
        if not is_true(person.get("iscrowd", 0)) and (who in seen or (who[1] is None and not one_each)):
            missing = "no track_id" if who[1] is None else f"a second track_id {who[1]} in its frame"
            raise InputError(f"{path}: annotations[{index}]: {missing}: individuals cannot be distinguished")
        seen.add(who)


def is_oriented(content: dict[str, Any]) -> bool:
    """Return True if a file records that its labels are those of images oriented according to their EXIF tags.

    Args:
        content: The content of a file, from `read_labels`.
    """
    return (content.get("info") or {}).get(EXIF_ORIENTATION) is True


def keep_labels(content: dict[str, Any], kept: Iterable[str]) -> dict[str, Any]:
    """Keep only the labels of some frames; all frames stay listed.

    Args:
        content: The content of a file, from `read_labels`.
        kept: File names of the frames whose labels are kept.

    Returns:
        The new content; `content` is not modified.
    """
    kept = set(kept)
    ids = {image["id"] for image in content["images"] if image["file_name"] in kept}
    annotations = [person for person in content["annotations"] if person["image_id"] in ids]
    complete = complete_images(content) & ids
    images = [image | {"is_labeled": image["id"] in complete} for image in content["images"]]
    return content | {"images": images, "annotations": annotations}


def labeled_images(content: dict[str, Any]) -> set[int]:
    """Return the ids of labeled images: those with people, and those marked `is_labeled`, even if nobody is in them."""
    marked = {image["id"] for image in content["images"] if is_true(image.get("is_labeled", False))}
    return marked | {person["image_id"] for person in content["annotations"]}


def complete_images(content: dict[str, Any]) -> set[int]:
    """Return the ids of images that were labeled as a whole: labeled ones, unless `is_labeled` is false."""
    partial = {image["id"] for image in content["images"] if not is_true(image.get("is_labeled", True))}
    return labeled_images(content) - partial


def with_joints(content: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the labels with other joints, or with the same ones in another order.

    Args:
        content: The content of a file, from `read_labels`.
        names: Names of the joints, which include those of the file. The others are not labeled.
    """
    category = keypoint_category(content)
    own: list[str] = category["keypoints"]
    if own == list(names):
        return content
    place = [names.index(name) for name in own]
    numbers = dict(enumerate((joint + 1 for joint in place), start=1))  # joints count from 1 in skeletons
    skeleton = [[numbers.get(joint, joint) for joint in bone] for bone in category.get("skeleton") or []]
    people = []
    for person in content["annotations"]:
        keypoints = np.zeros((len(names), 3))
        keypoints[place] = np.reshape(person["keypoints"], (-1, 3))
        person = person | {"keypoints": keypoints.ravel().tolist()}
        for key in (key for key in JOINT_EVIDENCE if isinstance(person.get(key), list)):
            values: list[Any] = [None] * len(names)
            for old, new in enumerate(place):
                values[new] = person[key][old]
            person[key] = values
        people.append(person)
    replaced = category | {"keypoints": list(names), "skeleton": skeleton}
    categories = [replaced if one is category else one for one in content["categories"]]
    return content | {"annotations": people, "categories": categories}


def merge_videos(contents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the labels of several videos as one file, with new ids; the images of a video are in its folder.

    Args:
        contents: The content of each file, from `read_labels`, with the same joints, by name of the video.
    """
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    category = keypoint_category(next(iter(contents.values())))
    for name, content in contents.items():
        new_ids = {image["id"]: len(images) + index for index, image in enumerate(content["images"])}
        images += [
            image | {"id": new_ids[image["id"]], "file_name": f"{name}/{image['file_name']}"}
            for image in content["images"]
        ]
        start = len(people)
        people += [
            person
            | {"id": start + index, "image_id": new_ids[person["image_id"]], "category_id": category.get("id", 1)}
            for index, person in enumerate(content["annotations"])
        ]
    return {"images": images, "annotations": people, "categories": [category]}
