"""Poses of a program that are added to the content of a COCO-style file."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.formats.coco import JOINT_EVIDENCE, OPEN_JOINTS
from lib.formats.coco_records import PERSON, person_record, pose_record
from lib.formats.json_fields import whole_number
from lib.formats.posetrack18 import keypoint_category


@dataclass(frozen=True, kw_only=True)
class AddedPose:
    """A pose that was not labeled by a person.

    Attributes:
        file_name: File name of the frame, without a folder.
        source: File name of the labeled frame that the pose comes from, without a folder.
        track: Number of the person; −1 for none.
        joints: (J, 2) x, y in pixels of the image.
        scores: (J,) scores of the joints; a joint whose score is not above 0 is missing.
        names: J joint names, all of them names that the file uses.
        sources: For each joint, the numbers of the labeled frames that it comes from.
        disagreement: (J,) pixels between the results from the labels before and after the frame; NaN if only one side
            has a result.
    """

    file_name: str
    source: str
    track: int
    joints: np.ndarray
    scores: np.ndarray
    names: Sequence[str]
    sources: Sequence[Sequence[int]]
    disagreement: np.ndarray


def add_poses(content: dict[str, Any], poses: Sequence[AddedPose], info: dict[str, Any]) -> dict[str, Any]:
    """Add people to their images; an image that the file does not have is appended to its list.

    An added person has the box around its joints, `propagated_from`, and for each joint its score, the frames that it
    comes from and the disagreement in pixels. If the person is already labeled in the image, only the unlabeled joints
    are added, and the values of the other joints are null; open joints that are not found have score 0.

    Args:
        content: The content of a file, from `read_labels`.
        poses: The poses to add.
        info: How the file was made; it is merged into the `info` of the file.

    Returns:
        The new content; `content` is not modified.
    """
    content = copy.deepcopy(content)
    content["info"] = (content.get("info") or {}) | info
    names = keypoint_category(content)["keypoints"]
    size = {key: value for key, value in content["images"][0].items() if key in ("width", "height")}
    ids = {image["file_name"]: image["id"] for image in content["images"]}
    labeled = {(one["image_id"], one.get("track_id", -1)): one for one in content["annotations"]}
    next_image = max(ids.values(), default=-1) + 1
    next_person = max((whole_number(one.get("id")) or 0 for one in content["annotations"]), default=-1) + 1
    for pose in poses:
        if pose.file_name not in ids:
            ids[pose.file_name] = next_image
            content["images"].append({"id": next_image, "file_name": pose.file_name, "is_labeled": False, **size})
            next_image += 1
        if (person := labeled.get((ids[pose.file_name], pose.track))) is not None:
            _fill(person, pose, names)
            continue
        start = person_record(next_person, ids[pose.file_name], keypoint_category(content).get("id", PERSON))
        content["annotations"].append(start | _record(pose, names))
        next_person += 1
    for person in content["annotations"]:
        _close(person, names)
    return content


def _joints(pose: AddedPose, names: list[str]) -> tuple[np.ndarray, dict[str, list[Any]]]:
    """Return the pose in the file's joint order, (J, 3), and the evidence for each joint, null for missing joints."""
    keypoints = np.zeros((len(names), 3))
    evidence: dict[str, list[Any]] = {key: [None] * len(names) for key in JOINT_EVIDENCE}
    for row in np.flatnonzero(pose.scores > 0).tolist():
        joint = names.index(pose.names[row])
        keypoints[joint] = *np.round(pose.joints[row], 3), 2
        disagreement = pose.disagreement[row]
        values = (
            round(float(pose.scores[row]), 4),
            list(pose.sources[row]),
            None if np.isnan(disagreement) else round(float(disagreement), 3),
        )
        for key, value in zip(JOINT_EVIDENCE, values, strict=True):
            evidence[key][joint] = value
    return keypoints, evidence


def _fill(person: dict[str, Any], pose: AddedPose, names: list[str]) -> None:
    """Add the joints that a person's record lacks."""
    keypoints = np.reshape(person["keypoints"], (-1, 3)).astype(float)
    added, evidence = _joints(pose, names)
    lacking = (keypoints[:, 2] == 0) & (added[:, 2] > 0)
    if not lacking.any():
        return
    keypoints = np.where(lacking[:, None], added, keypoints)
    person["keypoints"], person["num_keypoints"] = keypoints.ravel().tolist(), int((keypoints[:, 2] > 0).sum())
    for key, values in evidence.items():
        person[key] = [value if lacks else None for value, lacks in zip(values, lacking, strict=True)]


def _close(person: dict[str, Any], names: list[str]) -> None:
    """Give joints that were left open and not found the score 0; without it, a person would seem to have set them."""
    for name in person.pop(OPEN_JOINTS, ()):
        scores = person.setdefault("scores", [None] * len(names))
        scores[names.index(name)] = scores[names.index(name)] or 0


def _record(pose: AddedPose, names: list[str]) -> dict[str, Any]:
    keypoints, evidence = _joints(pose, names)
    record = {
        **pose_record(keypoints),
        **evidence,
        "scores": [score or 0 for score in evidence["scores"]],
        "propagated_from": pose.source,
    }
    return record | ({"track_id": pose.track} if pose.track >= 0 else {})
