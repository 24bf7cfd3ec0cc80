"""Tracks of the people of a test set, from their poses in all frames."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from yacs.config import CfgNode

from lib.dataset import build_data_set, build_skeleton
from lib.dataset.people import Person
from lib.evaluation.posetrack_submission import Kept, TrackPeople
from lib.formats.tracked_poses import TrackedPose
from lib.pose.crop import PADDING, PIXELS_PER_SCALE
from lib.tracking.estimator import build_tracker_options
from lib.tracking.tracker import Tracker, TrackerOptions
from lib.utils.errors import InputError


class PeopleTracker:
    """Tracks the people of each video, frame by frame.

    The boxes are the people's crops without their padding. Within a frame, people are tracked in the order of their
    crops, so that their tracks do not depend on the order of a box file.

    Args:
        sigmas: (J,) OKS constants of the joints.
        options: Options of the tracker; None: the defaults, without colors.
    """

    def __init__(self, sigmas: Sequence[float], options: TrackerOptions | None = None) -> None:
        self._sigmas = sigmas
        self._options = options or TrackerOptions(color_weight=0.0)

    def __call__(
        self, people: Sequence[Person], joints: np.ndarray, scores: np.ndarray, person_scores: np.ndarray, kept: Kept
    ) -> np.ndarray:
        """Return track ids (P,), from 0 in each video; −1 for people who are not to be submitted.

        Args:
            people: P people.
            joints: (P, J, 2) x, y in image pixels.
            scores: (P, J) scores of the joints; 0 for joints that were not found.
            person_scores: (P,) scores of the people.
            kept: The people to submit.
        """
        poses = [
            TrackedPose.rounded(_box(person), person.box_score, *pose)
            for person, *pose in zip(people, joints, scores, person_scores, strict=True)
        ]
        tracks = np.full(len(people), -1, dtype=np.int64)
        for _, places in groupby(kept.items(), key=lambda item: item[0][0]):
            tracker = Tracker(self._sigmas, self._options)
            for rows in (rows for _, rows in places if rows):
                ordered = sorted(rows, key=lambda p: (*people[p].center, *people[p].scale, -people[p].box_score))
                linked = tracker.link(people[ordered[0]].number, [poses[p] for p in ordered])
                tracks[ordered] = [pose.track for pose in linked]
        return tracks


def build_people_tracker(cfg: CfgNode) -> TrackPeople | None:
    """Return the tracker of an experiment's test, or None if TEST.TRACKING is False.

    Args:
        cfg: The experiment.

    Raises:
        InputError: TEST.TRACKING is True for a data set without track ids, or a key of TEST.TRACKER is only for videos.
    """
    if not cfg.TEST.TRACKING:
        return None
    if not build_data_set(cfg).is_posetrack:
        raise InputError(
            f"TEST.TRACKING is True, but DATASET.DATASET is {cfg.DATASET.DATASET}, and only PoseTrack's data sets have "
            f"tracks to score; set it to False"
        )
    unused = {"MOTION": ("velocity", "none"), "CONFIDENT": (0,), "FILL": (0,), "SMOOTH": (False,)}
    for key, supported in unused.items():
        if (value := cfg.TEST.TRACKER[key]) not in supported:
            raise InputError(
                f"TEST.TRACKER.{key} is {value}, and tests with TEST.TRACKING see no frames while they track: set it "
                f"{' or '.join(map(str, supported))} (tools/demo.py supports it)"
            )
    return PeopleTracker(build_skeleton(cfg).sigmas, replace(build_tracker_options(cfg), color_weight=0.0))


def _box(person: Person) -> np.ndarray:
    """Return the box (4,) x, y, w, h of a person's crop, without its padding."""
    size = person.scale.astype(np.float64) * PIXELS_PER_SCALE / PADDING
    return np.concatenate([person.center - size / 2, size])
