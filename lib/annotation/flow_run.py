"""Propagation in the background by optical flow and interpolation, which learn nothing: nearest frames first."""

import hashlib
import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from lib.annotation.propagated import ProgramPose
from lib.annotation.video import AnnotatedVideo
from lib.dataset.people import Person
from lib.propagation.fusion import opposite_labels
from lib.propagation.leave_one_out import LeaveOneOut, leave_one_out_targets, left_out_labels
from lib.propagation.memo import label_digest
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import Propagator
from lib.propagation.targets import Target, dense_targets, join_joints
from lib.propagation.video_propagator import make_person
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

OPTIONS = PropagationOptions(method="dis", priors=("lucas_kanade", "linear"), score_probabilities=True)
FIRST = 48
"""Number of frames beyond the first or last label that are done first, then twice as many, and so on."""
PATIENCE = 5.0
"""Seconds to wait for the thread at the end."""

Unit = tuple[int, int]
"""Number of a frame, and track of an individual in it."""


class FlowRun:
    """Thread that keeps the propagated poses of a video up to date with its labels.

    Args:
        video: The video.
    """

    def __init__(self, video: AnnotatedVideo) -> None:
        self._video = video
        self._propagator = Propagator(OPTIONS, {0: video.open_frames()})
        self._unknown = self._left_out = LeaveOneOut([np.nan] * len(OPTIONS.names))
        self._rough: set[Unit] = set()  # done without known errors of the methods
        self._condition = threading.Condition()
        self._wanted = self._seen = 0
        self._near = 0
        self._is_closed = False
        self.is_on = False
        self._done, self._total, self._start = 0, 0, 0.0
        self._message = ""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def start(self, near: int) -> None:
        """Propagate the labels, and again after each change until `stop`.

        Args:
            near: Number of the frame around which to begin.
        """
        with self._condition:
            self.is_on = True
            self._near, self._message = near, ""
            self._wanted += 1
            self._condition.notify()

    def touch(self, near: int) -> None:
        """Propagate again if the run is on, because labels have changed."""
        if self.is_on:
            self.start(near)

    def stop(self) -> None:
        """Stop after the current segment."""
        with self._condition:
            self.is_on = False
            self._wanted += 1
            self._condition.notify()

    def close(self) -> None:
        """End the thread, without its results if a long segment is on its way."""
        with self._condition:
            self._is_closed = True
            self._wanted += 1
            self._condition.notify()
        self._thread.join(PATIENCE)

    def status(self) -> dict[str, object]:
        """Return whether the run is on, and its progress: poses that are done, all, and the seconds left."""
        with self._condition:
            is_busy = self._seen != self._wanted or self._total > self._done
            passed = time.monotonic() - self._start
            left = passed * (self._total - self._done) / self._done if is_busy and self._done else None
            progress = {"done": self._done, "total": self._total, "left": left}
            return {"on": self.is_on, "busy": self.is_on and is_busy, "message": self._message, **progress}

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._seen != self._wanted)
                turn = self._wanted
                if self._is_closed:
                    return
            try:
                if self.is_on:
                    self._carry(turn)
            except InputError as error:
                self._message = str(error)
            except OSError as error:
                self._message = f"{error.filename}: {error.strerror}"
            except Exception:  # the page shows it, and the labels are kept
                logger.exception("propagation failed")
                self._message = "propagation failed; the terminal has the reason"
            with self._condition:
                if turn == self._wanted:
                    self._done = self._total
                self._seen = turn

    def _carry(self, turn: int) -> None:
        """Propagate to all poses that do not come from the present labels."""
        people, complete = labeled_people(self._video)
        targets = dense_targets(people, {0: self._video.frames.numbers}, {0: complete})
        units = units_of(people, targets)
        keys = unit_keys(people, targets, units)
        is_known = self._left_out.is_known
        stale = [unit for unit in units if self._video.key(*unit) != keys[unit] or (is_known and unit in self._rough)]
        with self._condition:
            self._done, self._total, self._start = 0, len(stale), time.monotonic()
        for chunk in _chunks(people, targets, units, stale, self._near):
            if turn != self._wanted:
                return
            self._propagate(people, [targets[row] for unit in chunk for row in units[unit]], keys)
            self._rough = self._rough - set(chunk) if is_known else self._rough | set(chunk)
            with self._condition:
                self._done += len(chunk)
        self._video.keep(units)
        if not is_known and self._measure(people, turn):
            self._carry(turn)

    def _propagate(self, people: Sequence[Person], targets: Sequence[Target], keys: dict[Unit, str]) -> None:
        poses = self._propagator.propagate(people, targets, self._left_out)
        joined, poses, sources = join_joints(people, targets, poses, self._propagator.joint_sources(people, targets))
        disagreement = np.full(poses.scores.shape, np.nan) if poses.disagreement is None else poses.disagreement
        found: dict[int, dict[int, ProgramPose]] = defaultdict(dict)
        for row, target in enumerate(joined):
            unit = target.number, people[target.person].track
            found[unit[0]][unit[1]] = ProgramPose(
                joints=np.round(poses.joints[row], 3).tolist(),
                scores=np.round(np.maximum(poses.scores[row], 0), 4).tolist(),
                sources=[list(own) for own in sources[row]],
                disagreement=[None if np.isnan(value) else round(value, 3) for value in disagreement[row].tolist()],
                key=keys[unit],
            )
        self._video.put(found, OPTIONS.name)

    def _measure(self, people: Sequence[Person], turn: int) -> bool:
        """Measure the methods' errors, one label at a time; return False if there is none between two others."""
        left_out = left_out_labels(people)
        for label in left_out:
            if turn != self._wanted:
                return False
            self._propagator.propagate(people, leave_one_out_targets(people, [label]), self._unknown)
        if not left_out or turn != self._wanted:
            return False
        self._left_out = self._propagator.leave_one_out(people)
        return self._left_out.is_known


def labeled_people(video: AnnotatedVideo) -> tuple[list[Person], set[int]]:
    """Return the labels of a video as people, and the numbers of the frames that were labeled as a whole.

    Args:
        video: The video.
    """
    with video.lock:
        frames = dict(video.labels.frames)
    people = []
    for number in sorted(frames):
        for pose in frames[number].poses:
            keypoints = np.reshape(pose.keypoints, (-1, 3))
            labeled = keypoints[:, 2] > 0
            people.append(make_person(number, pose.track, keypoints[:, :2], labeled, open_joints=pose.open_joints))
    return people, {number for number, labels in frames.items() if labels.is_complete}


def units_of(people: Sequence[Person], targets: Sequence[Target]) -> dict[Unit, list[int]]:
    """Return the indices of the targets by the frame and the individual that they are for."""
    units: dict[Unit, list[int]] = defaultdict(list)
    for row, target in enumerate(targets):
        units[target.number, people[target.person].track].append(row)
    return units


def unit_keys(people: Sequence[Person], targets: Sequence[Target], units: dict[Unit, list[int]]) -> dict[Unit, str]:
    """Return a digest of the labels that each individual's pose in each frame comes from."""
    digests = [label_digest(person) for person in people]
    sides = []
    for target, other in zip(targets, opposite_labels(people, targets), strict=True):
        ends = sorted(digests[end.person] for end in (target, other) if end)
        sides.append(b"".join(ends) + str(target.joints).encode())
    return {
        unit: hashlib.sha256(b"".join(sorted(sides[row] for row in rows))).hexdigest()[:16]
        for unit, rows in units.items()
    }


def _chunks(
    people: Sequence[Person],
    targets: Sequence[Target],
    units: dict[Unit, list[int]],
    stale: Sequence[Unit],
    near: int,
) -> Iterator[list[Unit]]:
    """Yield poses that share their path, those nearest to a frame first.

    Poses between the same two labels are done together, as each needs the path over all frames before it. Those that
    come from one label are done in pieces of growing length.
    """
    opposite = opposite_labels(people, targets)
    groups: dict[tuple[int, int, int], list[Unit]] = defaultdict(list)
    for unit in stale:
        ends = [end for row in units[unit] for end in (targets[row], opposite[row]) if end]
        labels = [people[end.person].number for end in ends]
        distance = abs(unit[0] - labels[0])
        piece = math.ceil(math.log2(distance / FIRST)) if len({*labels}) == 1 and distance > FIRST else 0
        groups[min(labels), max(labels), piece if unit[0] > labels[0] else -piece].append(unit)
    yield from sorted(groups.values(), key=lambda chunk: min(abs(number - near) for number, _ in chunk))
