"""`VideoTracker`: the tracker of one video, with the images that motion, colors, and filling need."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import nn
from yacs.config import CfgNode

from lib.formats.boxes import DetectedBox
from lib.formats.tracked_poses import TrackedPose
from lib.frames.source import FrameSource
from lib.tracking.box_poses import BoxEstimator
from lib.tracking.filling import GapFiller
from lib.tracking.motion import Motion, build_motion
from lib.tracking.similarity import joint_colors
from lib.tracking.tracker import Carry, Tracker, TrackerOptions


class VideoTracker:
    """Tracks people over the frames of a video, which are visited in order.

    Args:
        sigmas: (J,) OKS constants; if empty, only the boxes are compared.
        options: Options of the tracker; None: the defaults.
        motion: Carries poses from frame to frame; None: it does without images.
        max_filled: Maximum number of frames in a row in which a person whom the detector missed is looked for.
        estimate_poses: Estimates poses in boxes; None if `max_filled` is 0.
    """

    def __init__(
        self,
        sigmas: Sequence[float],
        options: TrackerOptions | None = None,
        *,
        motion: Motion | None = None,
        max_filled: int = 0,
        estimate_poses: BoxEstimator | None = None,
    ) -> None:
        self._tracker = Tracker(sigmas, options)
        self._motion = motion
        self._filler = GapFiller(self._tracker, sigmas, max_filled) if max_filled else None
        self._estimate_poses = estimate_poses
        self._reads_colors = self._tracker.options.color_weight > 0

    @property
    def fills(self) -> bool:
        """True if it looks for people whom the detector missed."""
        return self._filler is not None

    def recall(self, number: int, poses: Sequence[TrackedPose]) -> None:
        """Take the tracks of a frame from an earlier run.

        Args:
            number: Number of the frame.
            poses: Poses of the frame with their tracks.
        """
        self._tracker.recall(number, poses)
        if self._filler:
            self._filler.recall(poses)

    def track(
        self, number: int, poses: Sequence[TrackedPose], video: FrameSource, *, readable: bool = True
    ) -> list[TrackedPose]:
        """Return the poses of a frame with their tracks, and then those of filled people.

        Args:
            number: Number of the frame, higher than those of earlier calls.
            poses: Poses found in the frame.
            video: Frames of the video.
            readable: True if the frame can be read. Nobody is filled in other frames.
        """
        carry: Carry | None = partial(self._motion, video) if self._motion else None
        linked = self._tracker.link(number, self._with_colors(number, poses, video), carry)
        if not self._filler or not readable:
            return linked
        return linked + self._filler.fill(number, linked, partial(self._look, number, video), carry)

    def _look(self, number: int, video: FrameSource, carried: Sequence[TrackedPose]) -> list[TrackedPose]:
        """Return the poses in the boxes of poses that were carried to a frame."""
        assert self._estimate_poses is not None
        boxes = [DetectedBox(image=number, num_frames=0, box=one.box, score=one.box_score) for one in carried]
        poses, _ = self._estimate_poses([(number, box) for box in boxes], video)
        return self._with_colors(number, poses, video)

    def _with_colors(self, number: int, poses: Sequence[TrackedPose], video: FrameSource) -> list[TrackedPose]:
        if not self._reads_colors or not poses:
            return [*poses]
        image = video.read(number)
        return [replace(pose, colors=joint_colors(image, pose)) for pose in poses]


def build_tracker_factory(
    cfg: CfgNode, net: nn.Module, device: torch.device, estimate_poses: BoxEstimator
) -> Callable[[], VideoTracker]:
    """Return a function that returns an experiment's tracker for one more video.

    Args:
        cfg: The experiment.
        net: Net of the experiment, on `device`.
        device: Device of the net.
        estimate_poses: Estimates poses in boxes, to fill.
    """
    keys = cfg.TEST.TRACKER
    options = TrackerOptions(
        velocity=keys.MOTION != "none",
        optimal=keys.ASSIGNMENT == "optimal",
        min_similarity=keys.MIN_SIMILARITY,
        memory=keys.MEMORY,
        confident=keys.CONFIDENT,
        votes=keys.VOTES,
        color_weight=keys.COLOR_WEIGHT,
    )
    return partial(
        VideoTracker,
        estimate_poses.skeleton.sigmas,
        options,
        motion=build_motion(cfg, net, device),
        max_filled=keys.FILL,
        estimate_poses=estimate_poses,
    )
