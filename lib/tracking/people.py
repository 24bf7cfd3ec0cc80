"""Tracks of the people of a test set, from their poses in all frames."""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.dataset.people import Person
from lib.evaluation.posetrack_submission import Estimated, Place, TrackPeople
from lib.evaluation.tester import Tester
from lib.formats.tracked_poses import FramePoses, TrackedPose
from lib.formats.video_annotations import VideoAnnotations
from lib.frames.source import FrameSource
from lib.tracking.box_poses import build_box_estimator
from lib.tracking.offline import Finish, build_finish
from lib.tracking.video_tracker import VideoTracker, build_tracker_factory
from lib.utils.errors import InputError
from lib.utils.files import frame_number

logger = logging.getLogger(__name__)


class PeopleTracker:
    """Tracks the people of each video, frame by frame.

    Within a frame, people are tracked in the order of their boxes, so that their tracks do not depend on the order of a
    box file.

    Args:
        frames: Frames of each video with people, by its index.
        new_tracker: Returns a tracker for one more video.
        finish: Pass over all frames of a video; None: there is none.
    """

    def __init__(
        self, frames: Mapping[int, FrameSource], new_tracker: Callable[[], VideoTracker], finish: Finish | None = None
    ) -> None:
        self._frames = frames
        self._new_tracker = new_tracker
        self._finish = finish

    def __call__(self, videos: Sequence[VideoAnnotations], estimated: Estimated) -> dict[Place, list[TrackedPose]]:
        """Return the people to submit with their tracks, counted from 0 in each video, by video and frame.

        Args:
            videos: Annotated videos.
            estimated: The people as estimated.
        """
        tracked: dict[Place, list[TrackedPose]] = {}
        for v in sorted({v for v, _ in estimated.kept}):
            poses = {frame: _poses(estimated, rows) for (own, frame), rows in estimated.kept.items() if own == v}
            people = [person for person in estimated.people if person.video == v]
            numbers = _frame_numbers(videos[v], people)
            results = self._track(self._frames[v], {numbers[frame]: found for frame, found in poses.items()}, numbers)
            tracked |= {(v, numbers.index(result.number)): [*result.poses] for result in results}
        everybody = [pose for own in tracked.values() for pose in own]
        logger.info(
            "%d people on %d tracks, %d of them filled",
            len(everybody),
            len({(v, pose.track) for (v, _), own in tracked.items() for pose in own}),
            sum(pose.filled for pose in everybody),
        )
        return tracked

    def _track(
        self, frames: FrameSource, poses: Mapping[int, Sequence[TrackedPose]], numbers: Sequence[int]
    ) -> list[FramePoses]:
        """Return the tracked poses of a video in frames with the given numbers.

        Args:
            frames: Frames of the video.
            poses: Poses by number of the frame.
            numbers: Numbers of the annotated frames.
        """
        tracker, results = self._new_tracker(), []
        for number in sorted(numbers):
            own = sorted(poses.get(number, ()), key=lambda pose: (*pose.box, -pose.box_score))
            readable = bool(own) or (tracker.fills and frames.read_nearest(number)[1])
            results.append(FramePoses(number=number, poses=tracker.track(number, own, frames, readable=readable)))
        return self._finish(results) if self._finish else results


def build_people_tracker(cfg: CfgNode, net: nn.Module, device: torch.device, tester: Tester) -> TrackPeople | None:
    """Return the tracker of an experiment's test, or None if TEST.TRACKING is False.

    Args:
        cfg: The experiment.
        net: Net of the experiment, on `device`.
        device: Device of the net.
        tester: The test.

    Raises:
        InputError: TEST.MODE cannot estimate the poses of people to fill.
    """
    if not cfg.TEST.TRACKING:
        return None
    if cfg.TEST.TRACKER.FILL and cfg.TEST.MODE == "pair":
        raise InputError(
            "TEST.TRACKER.FILL requires a TEST.MODE other than pair, which cannot estimate filled people; set FILL to 0"
        )
    estimate_poses = build_box_estimator(cfg, net, device, tester.rules)
    new_tracker = build_tracker_factory(cfg, net, device, estimate_poses)
    return PeopleTracker(tester.test_set.frames, new_tracker, build_finish(cfg, tester.skeleton.sigmas))


def _poses(estimated: Estimated, rows: Sequence[int]) -> list[TrackedPose]:
    """Return the poses of people, with all digits."""
    poses = []
    for p in rows:
        person, scores = estimated.people[p], estimated.scores[p].astype(np.float64)
        assert person.box is not None  # people of test sets have boxes
        poses.append(
            TrackedPose(
                box=person.box,
                box_score=person.box_score,
                joints=np.where(scores[:, None] > 0, estimated.joints[p], 0),
                scores=scores,
                score=float(estimated.person_scores[p]),
            )
        )
    return poses


def _frame_numbers(video: VideoAnnotations, people: Sequence[Person]) -> list[int]:
    """Return the numbers of a video's annotated frames among its files, which may be named by position."""
    named = [frame_number(name) or 0 for name in video.frame_names]
    shift = people[0].number - named[people[0].frame]
    own = {person.frame: person.number for person in people}
    return [own.get(frame, number + shift) for frame, number in enumerate(named)]
