"""COCO-style keypoint files as they are: what is in them stays, people are added (as arrays: posetrack_set)."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.posetrack import is_true, records, whole_number
from lib.formats.posetrack18 import keypoint_names
from lib.utils.errors import InputError
from lib.utils.files import read_json


@dataclass(frozen=True)
class AddedPose:
    """A pose that a person did not label.

    Attributes:
        file_name: of the frame, without a folder.
        source: the same of the labelled frame that the pose comes from.
        track: the person's number; −1: none.
        points: (J, 2) x, y in pixels of the image; scores (J,): joints of a score that is not over 0 are missing.
        names: J joint names, of the file's own ones.
    """

    file_name: str
    source: str
    track: int
    points: np.ndarray
    scores: np.ndarray
    names: Sequence[str]


def read_labels(path: str | Path) -> dict[str, Any]:
    """The content of a COCO-style keypoint file of one video, with whole numbers as ids and file names without folders.

    A lone person or animal that has no `track_id` is given 0.

    Raises:
        InputError: not such a file, two of its images have one file name, people of a frame who cannot be told apart;
            names the record.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "images" not in content:
        raise InputError(f"{path}: not a COCO-style file: it has no 'images'")
    keypoint_names(content, path)
    ids, names = set(), set()
    for index, image in enumerate(records(content, "images", path)):
        image["id"] = whole_number(image.get("id"))
        if not isinstance(image.get("file_name"), str) or image["id"] is None:
            raise InputError(f"{path}: images[{index}]: it needs a file_name and a whole number as id")
        image["file_name"] = image["file_name"].rpartition("/")[2]
        if image["file_name"] in names:
            raise InputError(f"{path}: images[{index}]: a second {image['file_name']}; the file has to be of one video")
        names.add(image["file_name"])
        ids.add(image["id"])
    people = records(content, "annotations", path)
    for index, person in enumerate(people):
        image_id = person.get("image_id")
        person["image_id"] = whole_number(image_id)
        if person["image_id"] not in ids:
            raise InputError(f"{path}: annotations[{index}]: image_id {image_id!r} is not that of an image of the file")
    _tell_apart(people, path)
    return content


def _tell_apart(people: list[dict[str, Any]], path: str | Path) -> None:
    one_each = len({person["image_id"] for person in people}) == len(people)
    if one_each and all(person.get("track_id") is None for person in people):
        for person in people:
            person["track_id"] = 0
    seen = set()
    for index, person in enumerate(people):
        who = person["image_id"], person.get("track_id")
        if not is_true(person.get("iscrowd", 0)) and (who in seen or (who[1] is None and not one_each)):
            missing = "no track_id" if who[1] is None else f"a second track_id {who[1]} in its frame"
            raise InputError(f"{path}: annotations[{index}]: {missing}: who is who cannot be told")
        seen.add(who)


def keep_labels(content: dict[str, Any], kept: Iterable[str]) -> dict[str, Any]:
    """What `read_labels` gave with the labels of some frames alone, by their file names; all frames stay listed."""
    kept = set(kept)
    ids = {image["id"] for image in content["images"] if image["file_name"] in kept}
    annotations = [person for person in content["annotations"] if person["image_id"] in ids]
    images = [image | {"is_labeled": image["file_name"] in kept} for image in content["images"]]
    return content | {"images": images, "annotations": annotations}


def add_poses(content: dict[str, Any], poses: Sequence[AddedPose], info: dict[str, Any]) -> dict[str, Any]:
    """What `read_labels` gave with more people, each in an image that is there, or is added at the end of the list.

    An added person has the box around its joints, a score for each joint, and `propagated_from`.

    Args:
        info: how the file was made; it stands beside what the file says of itself.
    """
    content = copy.deepcopy(content)
    content["info"] = (content.get("info") or {}) | info
    own_names = content["categories"][0]["keypoints"]
    size = {key: value for key, value in content["images"][0].items() if key in ("width", "height")}
    ids = {image["file_name"]: image["id"] for image in content["images"]}
    next_image = max(ids.values(), default=-1) + 1
    next_person = max((whole_number(one.get("id")) or 0 for one in content["annotations"]), default=-1) + 1
    for person, pose in enumerate(poses, start=next_person):
        if pose.file_name not in ids:
            ids[pose.file_name] = next_image
            content["images"].append({"id": next_image, "file_name": pose.file_name, "is_labeled": False, **size})
            next_image += 1
        ids_of_record = {
            "id": person,
            "image_id": ids[pose.file_name],
            "category_id": content["categories"][0].get("id", 1),
        }
        content["annotations"].append(ids_of_record | _record(pose, own_names))
    return content


def _record(pose: AddedPose, own_names: list[str]) -> dict[str, Any]:
    keypoints, scores = np.zeros((len(own_names), 3)), np.zeros(len(own_names))
    known = pose.scores > 0
    for name, point, score in zip(pose.names, pose.points, pose.scores, strict=True):
        if score > 0:
            keypoints[own_names.index(name)], scores[own_names.index(name)] = (*point, 2), score
    low, high = (f(pose.points[known], axis=0) if known.any() else np.zeros(2) for f in (np.min, np.max))
    width, height = (high - low).tolist()
    record = {
        "keypoints": np.round(keypoints, 3).ravel().tolist(),
        "num_keypoints": int(known.sum()),
        "scores": np.round(scores, 4).tolist(),
        "bbox": np.round([*low.tolist(), width, height], 3).tolist(),
        "area": round(width * height, 3),
        "iscrowd": 0,
        "propagated_from": pose.source,
    }
    return record | ({"track_id": pose.track} if pose.track >= 0 else {})
