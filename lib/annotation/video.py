"""A video that is being annotated: its frames, what a person and a program said about them, and what a page shows."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lib.annotation.edits import FrameLabels, LabeledPose
from lib.annotation.joints import ProjectJoints
from lib.annotation.journal import Journal
from lib.annotation.labels import EditedLabels
from lib.annotation.propagated import FILE, PosesByFrame, ProgramPose, ProgramPoses
from lib.formats.coco import JOINT_EVIDENCE, PROBABILITY, PROPAGATED_BY, SCORES
from lib.formats.coco_records import category_record, person_record, pose_record
from lib.frames.unpack import open_frames
from lib.frames.video import FrameFolder
from lib.utils.files import write_json

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]


class AnnotatedVideo:
    """Frames, labels and propagated poses of a video.

    All methods can be called from several threads.

    Args:
        path: Video file, or folder of numbered frames.
        folder: Folder for the frames of a file, the journal, and propagated poses.
        joints: The J joints.

    Attributes:
        frames: Frames of the video.
        damaged: Numbers of the frames of a file that cannot be decoded.
        labels: What a person said; change it with `change`.
        revision: Number of changes since the start.

    Raises:
        InputError: The video cannot be read, or a file of the folder is damaged.
    """

    def __init__(self, path: Path, folder: Path, joints: ProjectJoints) -> None:
        self.path, self.folder, self.names = path, folder, list(joints.names)
        self._joints = joints
        self.frames, self.damaged = open_frames(path, folder / "frames")
        self._sizes = self._frame_sizes()
        self.labels = EditedLabels(Journal(folder), joints.columns, frozenset(self.frames.numbers))
        self._propagated = ProgramPoses(folder / FILE, joints.columns)
        self.revision = 0
        self._changed: dict[int, int] = {}  # by number of the frame, the revision
        self._records: dict[int, list[dict[str, Any]]] = {}  # by number of the frame, its annotations until it changes
        self._lock = threading.RLock()
        self._reading = threading.Lock()  # frames are read by one thread at a time

    def _frame_sizes(self) -> dict[int, tuple[int, int]]:
        numbers = self.frames.numbers
        if self.path.is_file():
            return dict.fromkeys(numbers, self.frames.size(numbers[0]))
        return {number: self.frames.size(number) for number in numbers}

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self.path.name

    @property
    def columns(self) -> tuple[int, ...]:
        """Columns of the joints in the labels on disk."""
        return self._joints.columns

    @property
    def lock(self) -> threading.RLock:
        """Lock to hold while several properties are read together."""
        return self._lock

    def jpeg(self, number: int) -> bytes:
        """Return a frame as a JPEG file.

        Args:
            number: Number of the frame, which exists.

        Raises:
            InputError: The frame and those around it are damaged.
        """
        with self._reading:
            image = self.frames.read_nearest(number)[0]
        return cv2.imencode(".jpg", image, JPEG)[1].tobytes()

    def change(self, message: Any) -> list[int]:
        """Apply a change that a page asks for (`EditedLabels.change`), and return the numbers of the changed frames."""
        with self._lock:
            names = self.labels.names
            changed = self.labels.change(message)
            if self.labels.names != names:
                self._records.clear()  # they have the names of individuals
            self._touch(changed)
        return changed

    def load(self, frames: Mapping[int, FrameLabels], names: Mapping[int, str]) -> None:
        """Take over the labels of a file (`EditedLabels.load`)."""
        with self._lock:
            self.labels.load(frames, names)
            self._touch(frames)

    @property
    def is_propagated(self) -> bool:
        """True if a program has found poses."""
        return bool(self._propagated)

    def key(self, number: int, track: int) -> str:
        """Return the digest of the labels that an individual's propagated pose comes from; "" without a pose."""
        with self._lock:
            pose = self._propagated.in_frame(number).get(track)
        return pose.key if pose else ""

    def open_frames(self) -> FrameFolder:
        """Return the frames for another thread."""
        return open_frames(self.path, self.folder / "frames")[0]

    def put(self, poses: PosesByFrame, method: str) -> None:
        """Replace the propagated poses of individuals in some frames.

        Args:
            poses: The new poses.
            method: Name of the method.
        """
        with self._lock:
            self._propagated.put(poses, method)
            self._touch(poses)

    def keep(self, wanted: Iterable[tuple[int, int]]) -> None:
        """Drop propagated poses that no label leads to anymore, and write the others to disk.

        Args:
            wanted: Numbers of frames and tracks to keep.
        """
        with self._lock:
            if changed := self._propagated.keep(wanted):
                self._touch(changed)
            self._propagated.save()

    def _touch(self, numbers: Iterable[int]) -> None:
        self.revision += 1
        for number in numbers:
            self._changed[number] = self.revision
            self._records.pop(number, None)

    def changed_since(self, revision: int) -> list[int]:
        """Return the numbers of the frames that changed after a revision, in ascending order."""
        with self._lock:
            return sorted(number for number, changed in self._changed.items() if changed > revision)

    def content(self, numbers: Sequence[int] | None = None) -> dict[str, Any]:
        """Return labels and propagated poses as the content of a COCO-style file. The id of an image is its number.

        Args:
            numbers: Numbers of the frames; None for all.
        """
        with self._lock:
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            for number in self.frames.numbers if numbers is None else numbers:
                labels = self.labels.frames.get(number)
                width, height = self._sizes[number]
                name = f"{self.name}#{number}" if self.path.is_file() else self.frames.name(number)
                image = {"id": number, "file_name": name, "frame_id": number, "width": width, "height": height}
                images.append(image | {"video_id": 0, "is_labeled": bool(labels and labels.is_complete)})
                for record in self._records_of(number):
                    annotations.append(person_record(len(annotations) + 1, number) | record)
            has_scores = any("scores" in one for one in annotations)
            info = {PROPAGATED_BY: self._propagated.method, SCORES: PROBABILITY} if has_scores else {}
        return {
            "info": info,
            "videos": [{"id": 0, "name": self.name}],
            "images": images,
            "annotations": annotations,
            "categories": [category_record(self.names, "individual", self._joints.bones)],
        }

    def _records_of(self, number: int) -> list[dict[str, Any]]:
        """Return the records of the individuals of a frame."""
        if number not in self._records:
            labels = self.labels.frames.get(number)
            poses = {pose.track: pose for pose in labels.poses} if labels else {}
            found = {} if labels and labels.is_complete else self._propagated.in_frame(number)
            records = [self._record(track, poses.get(track), found.get(track)) for track in sorted({*poses, *found})]
            self._records[number] = [one for one in records if one["num_keypoints"] or "scores" not in one]
        return self._records[number]

    def _record(self, track: int, pose: LabeledPose | None, found: ProgramPose | None) -> dict[str, Any]:
        count = len(self.names)
        keypoints = list(pose.keypoints) if pose else [0.0] * 3 * count
        evidence: dict[str, list[Any]] = {key: [None] * count for key in JOINT_EVIDENCE}
        open_joints = pose.open_joints if pose else range(count)
        for joint in open_joints:
            score = found.scores[joint] if found else 0
            evidence["scores"][joint] = score
            if found and score > 0:
                keypoints[3 * joint : 3 * joint + 3] = *found.joints[joint], 2
                evidence["sources"][joint] = list(found.sources[joint])
                evidence["disagreement"][joint] = found.disagreement[joint]
        record = {"track_id": track, **pose_record(np.reshape(keypoints, (-1, 3))), "keypoints": keypoints}
        if track in self.labels.names:
            record["track_name"] = self.labels.names[track]
        return record | (evidence if open_joints else {})

    def save_propagated(self) -> None:
        """Write the propagated poses to disk; without any, there is no file."""
        with self._lock:
            self._propagated.save()

    def close(self) -> None:
        """Write the latest labels and poses to disk: the state for the next start, and a file of labels."""
        with self._lock:
            self.labels.save()
            self._propagated.save()
            write_json(self.folder / "labels.json", self.content())
            self.labels.journal.close()
