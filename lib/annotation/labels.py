"""Labels that a person set in a video, frame by frame, and their history: every step can be undone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lib.annotation.journal import Journal

MAX_STEPS = 1000
"""Number of steps that can be undone."""
MAX_TRACK = 1_000_000
MAX_NAME = 60
MAX_POSITION = 1e6


class EditError(ValueError):
    """Error for an edit that is not valid. It changes nothing."""


class LabeledPose(NamedTuple):
    """What a person said about an individual in a frame.

    Attributes:
        track: Number of the individual.
        keypoints: x, y, v of each of J joints; v is 0 for missing, 1 for hidden and 2 for visible joints.
        open_joints: Indices of joints that are left to a program.
    """

    track: int
    keypoints: tuple[float, ...]
    open_joints: tuple[int, ...]


class FrameLabels(NamedTuple):
    """What a person said about a frame.

    Attributes:
        poses: Individuals with at least one joint that a person set.
        is_complete: Nobody else is in the frame, and no joint is left to a program.
    """

    poses: tuple[LabeledPose, ...]
    is_complete: bool


@dataclass
class Step:
    """Step of the history.

    Attributes:
        name: Name of the step, unique in the history.
        at: Number of the frame where it was made.
        before: Labels of the frames that it changes, by number; None for frames without labels.
        after: Their labels after it.
        names_before: Names of individuals by track.
        names_after: Their names after it.
    """

    name: str
    at: int
    before: dict[int, FrameLabels | None]
    after: dict[int, FrameLabels | None]
    names_before: dict[int, str]
    names_after: dict[int, str]


@dataclass
class VideoLabels:
    """Labels of a video with their history, in a journal.

    Args:
        journal: Journal of the labels; what it holds is applied.
        num_joints: Number of joints.
        numbers: Numbers of the video's frames.

    Attributes:
        frames: Labels by number of the frame.
        names: Names of individuals by track.
        past: Steps that can be undone, the last one made last.
        future: Steps that can be redone, the next one last.
    """

    journal: Journal
    num_joints: int
    numbers: frozenset[int]
    frames: dict[int, FrameLabels] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    past: list[Step] = field(default_factory=list)
    future: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.journal.snapshot is not None:
            self._load(self.journal.snapshot)
        for entry in self.journal.entries:
            self._apply(entry)

    def change(self, message: Any) -> list[int]:
        """Apply a change that a page asks for, once it is in the journal.

        A change that was applied already, because the page did not hear of it, changes nothing.

        Args:
            message: `{"do": name, "at": number, "frames": {number: people or null}, "names": {track: name}}`, where
                people are lists of `{"track", "keypoints", "propagated"}`; `{"undo": name}`, or `{"redo": name}`. A
                step with the name of the last one continues it, such as the movements of a drag.

        Returns:
            Numbers of the changed frames.

        Raises:
            EditError: The message is not valid, or it does not fit the history.
            OSError: The change cannot be written to disk.
        """
        entry = self._entry(message)
        if entry is None:
            return []
        self.journal.append(entry)
        changed = self._apply(entry)
        if self.journal.is_long:
            self.save()
        return changed

    def load(self, frames: Mapping[int, FrameLabels], names: Mapping[int, str]) -> None:
        """Take over the labels of a file, as a step of the history.

        Args:
            frames: Labels by number of the frame.
            names: Names of individuals by track.
        """
        records = {str(number): _frame_record(labels) for number, labels in frames.items()}
        entry = {"do": "load", "at": min(frames, default=0), "frames": records, "names": _keyed(names)}
        self.journal.append(entry)
        self._apply(entry)

    def save(self) -> None:
        """Write a snapshot."""
        frames = {str(number): _frame_record(labels) for number, labels in self.frames.items()}
        past, future = ([_step_record(step) for step in steps] for steps in (self.past, self.future))
        self.journal.save({"frames": frames, "names": _keyed(self.names), "past": past, "future": future})

    def _load(self, state: dict[str, Any]) -> None:
        self.frames = {int(number): _frame_labels(record) for number, record in state["frames"].items()}
        self.names = _numbered(state["names"])
        self.past, self.future = ([_step(record) for record in state[key]] for key in ("past", "future"))

    def _entry(self, message: Any) -> dict[str, Any] | None:
        """Return the journal's entry of a message; None if the change was made already."""
        if not isinstance(message, dict):
            raise EditError("expected an object")
        if "do" in message:
            return self._step_entry(message)
        for key, steps, others in (("undo", self.past, self.future), ("redo", self.future, self.past)):
            if key in message:
                name = message[key]
                if steps and steps[-1].name == name:
                    return {key: name}
                if others and others[-1].name == name:
                    return None
                raise EditError(f"there is no step {name!r} to {key}: the history has changed; reload the page")
        raise EditError("expected do, undo or redo")

    def _step_entry(self, message: dict[str, Any]) -> dict[str, Any]:
        name, at, frames = message["do"], message.get("at"), message.get("frames")
        if not isinstance(name, str) or not 1 <= len(name) <= 64:
            raise EditError("do: expected the name of a step")
        if not _is_whole(at) or at not in self.numbers:
            raise EditError(f"at: {at!r} is not a frame")
        if not isinstance(frames, dict):
            raise EditError("frames: expected an object")
        after = {}
        for key, people in frames.items():
            if not (key.isascii() and key.isdigit() and int(key) in self.numbers):
                raise EditError(f"frames: {key!r} is not a frame")
            labels = None if people is None else parse_people(people, self.num_joints, f"frame {key}")
            after[str(int(key))] = labels and _frame_record(labels)
        return {"do": name, "at": at, "frames": after, "names": _keyed(_parse_names(message.get("names")))}

    def _apply(self, entry: dict[str, Any]) -> list[int]:
        """Apply an entry of the journal, and return the numbers of the changed frames."""
        if "do" in entry:
            return self._do(entry)
        if "undo" in entry:
            step = self.past.pop()
            self.future.append(step)
            return self._set(step.before, step.names_before)
        step = self.future.pop()
        self.past.append(step)
        return self._set(step.after, step.names_after)

    def _do(self, entry: dict[str, Any]) -> list[int]:
        after = {int(number): record and _frame_labels(record) for number, record in entry["frames"].items()}
        names = _numbered(entry["names"])
        last = self.past[-1] if self.past else None
        before = {number: self.frames.get(number) for number in after}
        if last and last.name == entry["do"]:
            last.before = before | last.before
            last.after = last.after | after
            last.names_after = names
        else:
            self.past.append(Step(entry["do"], entry["at"], before, after, self.names, names))
            del self.past[:-MAX_STEPS]
        self.future = []
        return self._set(after, names)

    def _set(self, frames: Mapping[int, FrameLabels | None], names: dict[int, str]) -> list[int]:
        for number, labels in frames.items():
            if labels is None:
                self.frames.pop(number, None)
            else:
                self.frames[number] = labels
        self.names = names
        return list(frames)


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
        seen = any(v for joint, v in enumerate(pose.keypoints[2::3]) if joint not in pose.open_joints)
        decided_missing = 0 < len(pose.open_joints) < num_joints
        if seen or decided_missing:
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
    if not _is_whole(track) or not 0 <= track <= MAX_TRACK:
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
    if not isinstance(propagated, list) or not all(_is_whole(joint) and joint in joints for joint in propagated):
        raise EditError(f"{where}: propagated: expected numbers of joints")
    open_joints = tuple(sorted(set(propagated)))
    kept = [value if i % 3 == 2 else float(value) for i, value in enumerate(keypoints)]
    for joint in joints:
        if joint in open_joints or not kept[3 * joint + 2]:
            kept[3 * joint : 3 * joint + 3] = 0.0, 0.0, 0
    return LabeledPose(track, tuple(kept), open_joints)


def _parse_names(names: Any) -> dict[int, str]:
    if not isinstance(names, dict) or not all(key.isascii() and key.isdigit() for key in names):
        raise EditError("names: expected an object of tracks")
    if not all(isinstance(name, str) and 1 <= len(name) <= MAX_NAME for name in names.values()):
        raise EditError(f"names: expected names of up to {MAX_NAME} characters")
    if len(set(names.values())) < len(names):
        raise EditError("names: two individuals have the same name")
    return {int(track): name for track, name in names.items()}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _frame_record(labels: FrameLabels) -> list[Any]:
    return [labels.is_complete, [list(pose) for pose in labels.poses]]


def _frame_labels(record: list[Any]) -> FrameLabels:
    is_complete, poses = record
    return FrameLabels(tuple(LabeledPose(track, tuple(k), tuple(o)) for track, k, o in poses), is_complete)


def _step_record(step: Step) -> list[Any]:
    sides = [
        {str(number): labels and _frame_record(labels) for number, labels in frames.items()}
        for frames in (step.before, step.after)
    ]
    return [step.name, step.at, *sides, _keyed(step.names_before), _keyed(step.names_after)]


def _step(record: list[Any]) -> Step:
    name, at, *sides, names_before, names_after = record
    before, after = (
        {int(number): labels and _frame_labels(labels) for number, labels in frames.items()} for frames in sides
    )
    return Step(name, at, before, after, _numbered(names_before), _numbered(names_after))


def _keyed(names: Mapping[int, str]) -> dict[str, str]:
    return {str(track): name for track, name in names.items()}


def _numbered(names: Mapping[str, str]) -> dict[int, str]:
    return {int(track): name for track, name in names.items()}
