"""Labels that a person set in a video, frame by frame, and their history: every step can be undone."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lib.annotation.edits import EditError, FrameLabels, LabeledPose, is_whole, parse_names, parse_people
from lib.annotation.joints import show_labels, store_labels
from lib.annotation.journal import Journal
from lib.utils.errors import InputError

MAX_STEPS = 1000
"""Number of steps that can be undone."""


@dataclass(kw_only=True)
class Step:
    """Step of the history.

    Attributes:
        name: Name of the step, unique in the history.
        at: Number of the frame where it was made.
        before: Labels of the frames that it changes, by number, as stored; None for frames without labels.
        after: Their labels after it, as stored.
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
class EditedLabels:
    """Labels of a video with their history, in a journal.

    Args:
        journal: Journal of the labels; what it holds is applied.
        columns: Columns of the J joints: in the journal, each keeps its column when others are added or removed.
        numbers: Numbers of the video's frames.

    Attributes:
        stored: Labels by number of the frame, with a joint for each column.
        frames: Labels by number of the frame, with J joints.
        names: Names of individuals by track.
        past: Steps that can be undone, the last one made last.
        future: Steps that can be redone, the next one last.
    """

    journal: Journal
    columns: tuple[int, ...]
    numbers: frozenset[int]
    stored: dict[int, FrameLabels] = field(default_factory=dict)
    frames: dict[int, FrameLabels] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    past: list[Step] = field(default_factory=list)
    future: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            if self.journal.snapshot is not None:
                self._load(self.journal.snapshot)
            for entry in self.journal.entries:
                self._apply(entry)
            fits = all(self._fits(pose) for labels in self.frames.values() for pose in labels.poses)
        except (LookupError, TypeError, ValueError, AttributeError):
            fits = False
        if not fits:
            raise InputError(f"{self.journal.folder}: its labels are damaged; restore the folder, or remove it")

    def _fits(self, pose: LabeledPose) -> bool:
        joints = range(len(self.columns))
        return (
            is_whole(pose.track)
            and len(pose.keypoints) == 3 * len(self.columns)
            and all(isinstance(value, int | float) for value in pose.keypoints)
            and all(joint in joints for joint in pose.open_joints)
        )

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
            with suppress(OSError):  # the change is on disk already, and the next one tries again
                self.save()
        return changed

    def load(self, frames: Mapping[int, FrameLabels], names: Mapping[int, str]) -> None:
        """Take over the labels of a file, as a step of the history.

        Args:
            frames: Labels by number of the frame.
            names: Names of individuals by track.
        """
        records = {str(number): self._record(number, labels) for number, labels in frames.items()}
        entry = {"do": "load", "at": min(frames, default=0), "frames": records, "names": _keyed(names)}
        self.journal.append(entry)
        self._apply(entry)

    def save(self) -> None:
        """Write a snapshot."""
        frames = {str(number): _frame_record(labels) for number, labels in self.stored.items()}
        past, future = ([_step_record(step) for step in steps] for steps in (self.past, self.future))
        self.journal.save({"frames": frames, "names": _keyed(self.names), "past": past, "future": future})

    def _load(self, state: dict[str, Any]) -> None:
        frames = {int(number): _frame_labels(record) for number, record in state["frames"].items()}
        self._set(frames, _numbered(state["names"]))
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
        if not is_whole(at) or at not in self.numbers:
            raise EditError(f"at: {at!r} is not a frame")
        if not isinstance(frames, dict):
            raise EditError("frames: expected an object")
        after = {}
        for key, people in frames.items():
            if not (key.isascii() and key.isdigit() and int(key) in self.numbers):
                raise EditError(f"frames: {key!r} is not a frame")
            labels = None if people is None else parse_people(people, len(self.columns), f"frame {key}")
            after[str(int(key))] = self._record(int(key), labels)
        return {"do": name, "at": at, "frames": after, "names": _keyed(parse_names(message.get("names")))}

    def _record(self, number: int, labels: FrameLabels | None) -> list[Any] | None:
        """Return a record of labels to be stored."""
        stored = store_labels(labels, self.columns, self.stored.get(number))
        return stored and _frame_record(stored)

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
        before = {number: self.stored.get(number) for number in after}
        if last and last.name == entry["do"]:
            last.before = before | last.before
            last.after = last.after | after
            last.names_after = names
        else:
            self.past.append(
                Step(
                    name=entry["do"],
                    at=entry["at"],
                    before=before,
                    after=after,
                    names_before=self.names,
                    names_after=names,
                )
            )
            del self.past[:-MAX_STEPS]
        self.future = []
        return self._set(after, names)

    def _set(self, frames: Mapping[int, FrameLabels | None], names: dict[int, str]) -> list[int]:
        for number, labels in frames.items():
            shown = labels and show_labels(labels, self.columns)
            for held, value in ((self.stored, labels), (self.frames, shown)):
                if value is None:
                    held.pop(number, None)
                else:
                    held[number] = value
        self.names = names
        return list(frames)

    def count(self, column: int) -> int:
        """Return the number of poses in which a person placed a joint.

        Args:
            column: Column of the joint.
        """
        poses = [pose for labels in self.stored.values() for pose in labels.poses if column not in pose.open_joints]
        return sum(any(pose.keypoints[3 * column + 2 : 3 * column + 3]) for pose in poses)


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
    return Step(
        name=name,
        at=at,
        before=before,
        after=after,
        names_before=_numbered(names_before),
        names_after=_numbered(names_after),
    )


def _keyed(names: Mapping[int, str]) -> dict[str, str]:
    return {str(track): name for track, name in names.items()}


def _numbered(names: Mapping[str, str]) -> dict[int, str]:
    return {int(track): name for track, name in names.items()}
