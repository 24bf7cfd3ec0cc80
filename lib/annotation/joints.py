"""Joints of a project. They can change: each keeps its column in the labels on disk, and a removed one its labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lib.annotation.edits import EditError, FrameLabels, LabeledPose, is_whole
from lib.annotation.presets import Joints, check_names
from lib.utils.errors import InputError
from lib.utils.joint_names import mirror_pairs


class JointRow(NamedTuple):
    """Joint of a changed list.

    Attributes:
        column: Column of a joint that is kept; None for an added one.
        name: Its name from now on.
    """

    column: int | None
    name: str


@dataclass(frozen=True, kw_only=True)
class ProjectJoints:
    """Joints of all videos of a project.

    Attributes:
        names: J names, in the order in which joints are placed.
        bones: Pairs of connected joints, by index.
        columns: J columns of the labels on disk.
        removed: Names and columns of removed joints, whose labels are still on disk.
    """

    names: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    columns: tuple[int, ...]
    removed: tuple[tuple[str, int], ...] = ()

    @classmethod
    def chosen(cls, joints: Joints) -> "ProjectJoints":
        """Return the first joints of a project.

        Args:
            joints: Names and connected pairs.
        """
        names, bones = joints
        return cls(names=tuple(names), bones=tuple(bones), columns=tuple(range(len(names))))

    @classmethod
    def read(cls, content: dict[str, Any]) -> "ProjectJoints":
        """Return the joints that `record` wrote. Older projects, which could not change theirs, have no columns.

        Args:
            content: Values of JSON's types.

        Raises:
            TypeError: The values are damaged.
            ValueError: The values are damaged.
        """
        names, bones = tuple(content["joints"]), tuple((a, b) for a, b in content["bones"])
        columns = tuple(content.get("columns", range(len(names))))
        removed = tuple((name, column) for name, column in content.get("removed", ()))
        is_whole_list = all(isinstance(name, str) for name in names) and {*sum(bones, ())} <= {*range(len(names))}
        if not is_whole_list or len(columns) != len(names) or not all(map(is_whole, columns)):
            raise ValueError("names, bones, and columns do not agree")
        return cls(names=names, bones=bones, columns=columns, removed=removed)

    def record(self) -> dict[str, Any]:
        """Return the joints as values of JSON's types."""
        return {"joints": self.names, "bones": self.bones, "columns": self.columns, "removed": self.removed}

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of a left and a right joint, by index, derived from their names as in all files of labels."""
        return mirror_pairs(self.names)

    def change(self, rows: Sequence[JointRow], bones: Sequence[tuple[int, int]]) -> "ProjectJoints":
        """Return the joints after a change.

        An added joint with the name of a removed one gets back the labels of that one.

        Args:
            rows: The joints from now on. Joints that are not among them are removed.
            bones: Pairs of connected joints, by index in `rows`.

        Raises:
            InputError: A name, a column, or a bone is not valid.
        """
        names = check_names([row.name for row in rows])
        kept = [row.column for row in rows if row.column is not None]
        if not set(kept) <= set(self.columns) or len(set(kept)) < len(kept):
            raise InputError("the joints have changed meanwhile; reload the page")
        if not all(0 <= joint < len(names) for bone in bones for joint in bone) or any(a == b for a, b in bones):
            raise InputError("bones: expected pairs of different joints")
        left, unused = list(self.removed), len(self.columns) + len(self.removed)
        columns = []
        for row, name in zip(rows, names, strict=True):
            column = row.column
            if column is None and (back := [one for one in left if one[0] == name]):
                left.remove(back[-1])
                column = back[-1][1]
            elif column is None:
                column, unused = unused, unused + 1
            columns.append(column)
        left += [pair for pair in zip(self.names, self.columns, strict=True) if pair[1] not in columns]
        distinct = {frozenset(bone): bone for bone in reversed(bones)}
        return ProjectJoints(
            names=names, bones=tuple(reversed(distinct.values())), columns=tuple(columns), removed=tuple(left)
        )

    def rename(self, joints: Joints) -> "ProjectJoints":
        """Return joints of other names; those of the same name stay the same joints, with the bones between them.

        Args:
            joints: Names from now on, and pairs that are connected if one of the two joints is new.

        Raises:
            InputError: A name is not valid.
        """
        names, usual = joints
        column_of = dict(zip(self.names, self.columns, strict=True))
        bones = [(self.names[a], self.names[b]) for a, b in self.bones]
        bones += [(names[a], names[b]) for a, b in usual if not {names[a], names[b]} <= set(self.names)]
        kept = [(names.index(a), names.index(b)) for a, b in bones if {a, b} <= set(names)]
        return self.change([JointRow(column_of.get(name), name) for name in names], kept)

    def without(self, other: "ProjectJoints") -> dict[str, int]:
        """Return the names and columns of the joints that other ones lack."""
        return {
            name: column for name, column in zip(self.names, self.columns, strict=True) if column not in other.columns
        }


def parse_joints(message: dict[str, Any]) -> tuple[list[JointRow], list[tuple[int, int]]]:
    """Return the joints and bones that a page asks for (`ProjectJoints.change`).

    Args:
        message: `{"joints": [{"column": number or null, "name": name}], "bones": pairs by index}`.

    Raises:
        EditError: A value is not valid.
    """
    rows, bones = message.get("joints"), message.get("bones")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise EditError("joints: expected a list of objects")
    if not all(isinstance(row.get("name"), str) for row in rows):
        raise EditError("joints: expected names")
    if not all(row.get("column") is None or is_whole(row["column"]) for row in rows):
        raise EditError("joints: expected columns as whole numbers")
    if not isinstance(bones, list) or not all(isinstance(bone, list) and len(bone) == 2 for bone in bones):
        raise EditError("bones: expected pairs of joints")
    if not all(is_whole(joint) for bone in bones for joint in bone):
        raise EditError("bones: expected joints as whole numbers")
    return [JointRow(row.get("column"), row["name"]) for row in rows], [(a, b) for a, b in bones]


def show_labels(stored: FrameLabels, columns: tuple[int, ...]) -> FrameLabels | None:
    """Return the labels of a frame with the present joints.

    A joint that was added later is left to a program, so the frame does not count as labeled as a whole.

    Args:
        stored: The labels, with a joint for each column.
        columns: Columns of the J joints.

    Returns:
        The labels with J joints; None if they say nothing about the frame.
    """
    count = len(columns)
    if columns == tuple(range(count)) and all(len(pose.keypoints) == 3 * count for pose in stored.poses):
        return stored
    poses = tuple(pose for pose in (_pick(one, columns) for one in stored.poses) if pose.is_label)
    if stored.poses and not poses:
        return None
    return FrameLabels(poses, stored.is_complete and not any(pose.open_joints for pose in poses))


def store_labels(shown: FrameLabels | None, columns: tuple[int, ...], before: FrameLabels | None) -> FrameLabels | None:
    """Return the labels of a frame with a joint for each column.

    The labels of removed joints stay as they were, unless nobody is in the frame anymore.

    Args:
        shown: The labels, with J joints; None for a frame without labels.
        columns: Columns of the J joints.
        before: What was stored of the frame.
    """
    if shown is not None and not shown.poses:
        return shown
    former = {pose.track: pose for pose in before.poses} if before else {}
    was_shown = show_labels(before, columns) if before else None
    poses = [_spread(pose, columns, former.pop(pose.track, None)) for pose in (shown.poses if shown else ())]
    for pose in was_shown.poses if was_shown else ():
        former.pop(pose.track, None)  # deleted
    poses += former.values()
    return FrameLabels(tuple(poses), bool(shown and shown.is_complete)) if poses else None


def _pick(pose: LabeledPose, columns: tuple[int, ...]) -> LabeledPose:
    """Return a pose with the present joints."""
    stored = range(len(pose.keypoints) // 3)
    known = [column in stored and column not in pose.open_joints for column in columns]
    keypoints: list[float] = []
    for column, is_known in zip(columns, known, strict=True):
        keypoints += pose.keypoints[3 * column : 3 * column + 3] if is_known else (0.0, 0.0, 0)
    return LabeledPose(pose.track, tuple(keypoints), tuple(joint for joint, one in enumerate(known) if not one))


def _spread(pose: LabeledPose, columns: tuple[int, ...], before: LabeledPose | None) -> LabeledPose:
    """Return a pose with a joint for each column; removed joints are those of the pose before."""
    keypoints = list(before.keypoints) if before else []
    opened = {*before.open_joints} if before else set()
    width = max(columns) + 1
    opened |= {*range(len(keypoints) // 3, width)}
    keypoints += [0.0, 0.0, 0] * (width - len(keypoints) // 3)
    for joint, column in enumerate(columns):
        keypoints[3 * column : 3 * column + 3] = pose.keypoints[3 * joint : 3 * joint + 3]
        opened.discard(column)
        if joint in pose.open_joints:
            opened.add(column)
    return LabeledPose(pose.track, tuple(keypoints), tuple(sorted(opened)))
