"""Edits of frames that a page sends, and their checks."""

import math
from typing import Any, NamedTuple

MAX_TRACK = 1_000_000
MAX_NAME = 60
MAX_POSITION = 1e6


class EditError(ValueError):
    """Error for an edit that is not valid. It changes nothing."""


class LabeledPose(NamedTuple):
    """Labels of an individual in a frame.

    Attributes:
        track: Number of the individual.
        keypoints: x, y, v of each of J joints; v is 0 for missing, 1 for hidden and 2 for visible joints.
        open_joints: Indices of joints that are left to a program.
    """

    track: int
    keypoints: tuple[float, ...]
    open_joints: tuple[int, ...]

    @property
    def is_label(self) -> bool:
        """True if a person placed a joint, or decided that some are missing and left others to a program."""
        is_placed = any(v for joint, v in enumerate(self.keypoints[2::3]) if joint not in self.open_joints)
        return is_placed or 0 < len(self.open_joints) < len(self.keypoints) // 3


class FrameLabels(NamedTuple):
    """Labels of a frame.

    Attributes:
        poses: Individuals with at least one joint that a person set.
        is_complete: Nobody else is in the frame, and no joint is left to a program.
    """

    poses: tuple[LabeledPose, ...]
    is_complete: bool


def parse_people(people: Any, num_joints: int, where: str) -> FrameLabels | None:
    """Return the labels of a frame from the people that a page shows in it.

    Args:
        people: List of `{"track", "keypoints", "propagated"}`; `propagated` lists the joints that a program set.
        num_joints: Number of joints.
        where: Name of the frame, for messages.

    Returns:
        The labels; None if they say nothing about the frame.

    Raises:
        EditError: A value is not valid.
    """
    if not isinstance(people, list):
        raise EditError(f"{where}: expected a list of people")
    poses, is_complete, is_empty = [], True, not people
    for person in people:
        pose = _parse_person(person, num_joints, where)
        is_complete = is_complete and not pose.open_joints
        if pose.is_label:
            poses.append(pose)
    if len({pose.track for pose in poses}) < len(poses):
        raise EditError(f"{where}: an individual is there twice")
    if not poses and not is_empty:
        return None
    return FrameLabels(tuple(poses), is_complete)


def _parse_person(person: Any, num_joints: int, where: str) -> LabeledPose:
    if not isinstance(person, dict):
        raise EditError(f"{where}: expected people as objects")
    track: Any = person.get("track")
    keypoints: Any = person.get("keypoints")
    propagated: Any = person.get("propagated")
    if not is_whole(track) or not 0 <= track <= MAX_TRACK:
        raise EditError(f"{where}: track {track!r}: expected a whole number up to {MAX_TRACK}")
    if not isinstance(keypoints, list) or len(keypoints) != 3 * num_joints:
        raise EditError(f"{where}: keypoints: expected {3 * num_joints} numbers")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in keypoints):
        raise EditError(f"{where}: keypoints: expected numbers")
    if not all(math.isfinite(value) and abs(value) <= MAX_POSITION for value in keypoints):
        raise EditError(f"{where}: keypoints: a position is out of range")
    if not all(v in (0, 1, 2) for v in keypoints[2::3]):
        raise EditError(f"{where}: keypoints: v is 0, 1 or 2")
    joints = range(num_joints)
    if not isinstance(propagated, list) or not all(is_whole(joint) and joint in joints for joint in propagated):
        raise EditError(f"{where}: propagated: expected numbers of joints")
    open_joints = tuple(sorted(set(propagated)))
    kept = [value if i % 3 == 2 else float(value) for i, value in enumerate(keypoints)]
    for joint in joints:
        if joint in open_joints or not kept[3 * joint + 2]:
            kept[3 * joint : 3 * joint + 3] = 0.0, 0.0, 0
    return LabeledPose(track, tuple(kept), open_joints)


def parse_names(names: Any) -> dict[int, str]:
    """Return the names of individuals by track.

    Args:
        names: Object with tracks as keys.

    Raises:
        EditError: A track or a name is not valid, or two are equal.
    """
    if not isinstance(names, dict) or not all(key.isascii() and key.isdigit() for key in names):
        raise EditError("names: expected an object of tracks")
    if not all(isinstance(name, str) and 1 <= len(name) <= MAX_NAME for name in names.values()):
        raise EditError(f"names: expected names of up to {MAX_NAME} characters")
    if len(set(names.values())) < len(names):
        raise EditError("names: two individuals have the same name")
    return {int(track): name for track, name in names.items()}


def is_whole(value: Any) -> bool:
    """Return True if a value of JSON is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
