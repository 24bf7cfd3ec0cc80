"""`VideoEstimator`: estimates and tracks poses in a video, a few frames at a time."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.dataset import build_offsets
from lib.dataset.detections import usable_boxes
from lib.formats.boxes import DetectedBox
from lib.formats.tracked_poses import FramePoses
from lib.frames.store import DamagedImageError
from lib.frames.stream import FrameStream
from lib.tracking.box_poses import BoxEstimator, build_box_estimator
from lib.tracking.boxes import FindPeople
from lib.tracking.offline import Finish, build_finish
from lib.tracking.video_tracker import VideoTracker, build_tracker_factory

FRAMES_AT_ONCE = {"cuda": 8, "cpu": 1}
"""Frames per batch by device type. On a CPU, larger batches are no faster and delay the saving of finished frames."""
FRAMES_WITH_SHARED_CROPS = 16
"""Frames to estimate in one call if clips share crops."""


class VideoEstimator:
    """Estimates the poses of a video frame by frame, and assigns track numbers to people.

    Args:
        find_people: Finds the people in frames.
        estimate_poses: Estimates poses in boxes.
        tracker: Tracker of the video.
        offsets: Frames of a clip relative to the key frame.
        nms_threshold: Maximum IoU of two boxes; above it, the one with the lower score is left out. 1 keeps all boxes.
        finish: Pass over the results of all frames, for the user of the estimator to call; None: there is none.
    """

    def __init__(
        self,
        find_people: FindPeople,
        estimate_poses: BoxEstimator,
        *,
        tracker: VideoTracker,
        offsets: Sequence[int],
        nms_threshold: float,
        finish: Finish | None = None,
    ) -> None:
        self.find_people = find_people
        self.offsets = offsets
        self.skeleton = estimate_poses.skeleton
        self.finish = finish
        self._estimate_poses = estimate_poses
        self._tracker = tracker
        self._nms_threshold = nms_threshold

    @property
    def frames_at_once(self) -> int:
        """Number of frames to estimate in one call."""
        predictor = self._estimate_poses.predictor
        return FRAMES_WITH_SHARED_CROPS if predictor.shares_crops else FRAMES_AT_ONCE[predictor.device.type]

    def recall(self, frame: FramePoses) -> None:
        """Take the tracks of a frame from an earlier run.

        Args:
            frame: Results of the frame.
        """
        self._tracker.recall(frame.number, frame.poses)

    def estimate(self, numbers: Sequence[int], video: FrameStream) -> list[FramePoses]:
        """Estimate the poses of the next frames of a video.

        Args:
            numbers: Numbers of the frames, in ascending order and higher than those of earlier calls.
            video: Video with these frames.
        """
        images = {number: image for number in numbers if (image := _read(video, number)) is not None}
        boxes: list[tuple[int, DetectedBox]] = []
        left_out: dict[int, Counter[str]] = {number: Counter() for number in numbers}
        for number, found in zip(images, self._find(images), strict=True):
            kept, left_out[number] = usable_boxes(found, *video.size(number), self._nms_threshold)
            boxes += [(number, box) for box in kept]
        poses, chosen = self._estimate_poses(boxes, video) if boxes else ([], {})
        frames = []
        for number in numbers:
            own = [poses[index] for index in chosen.get(number, ())]
            tracked = self._tracker.track(number, own, video, readable=number in images)
            num_linked = sum(not pose.filled for pose in tracked)
            left_out[number]["that repeat a better pose"] = sum(one == number for one, _ in boxes) - len(own)
            left_out[number]["with a low score and on no track"] = len(own) - num_linked
            clip = video.clip(number, self.offsets) if number in images else []
            replaced = sum(not video.read_nearest(other)[1] for other in clip)
            frames.append(
                FramePoses(
                    number=number,
                    poses=tracked,
                    damaged=number not in images,
                    replaced=replaced,
                    left_out=+left_out[number],
                )
            )
        return frames

    def _find(self, images: dict[int, np.ndarray]) -> list[list[DetectedBox]]:
        """Return the boxes of each frame, processing a batch of frames at a time."""
        numbers, size = [*images], FRAMES_AT_ONCE[self._estimate_poses.predictor.device.type]
        batches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        return [found for batch in batches for found in self.find_people(batch, [images[one] for one in batch])]


def build_video_estimator(
    cfg: CfgNode, net: nn.Module, device: torch.device, find_people: FindPeople
) -> VideoEstimator:
    """Build the estimator of an experiment.

    Args:
        cfg: Experiment with TEST.MODE single, aggregate, or average.
        net: Net of the experiment, on `device`.
        device: Device of the net.
        find_people: Finds the people in frames.
    """
    estimate_poses = build_box_estimator(cfg, net, device)
    return VideoEstimator(
        find_people,
        estimate_poses,
        tracker=build_tracker_factory(cfg, net, device, estimate_poses)(),
        offsets=build_offsets(cfg),
        nms_threshold=cfg.TEST.NMS_THRE,
        finish=build_finish(cfg, estimate_poses.skeleton.sigmas),
    )


def _read(video: FrameStream, number: int) -> np.ndarray | None:
    """Return a frame, or None if it is damaged."""
    try:
        return video.read(number)
    except DamagedImageError:
        return None
