"""`VideoEstimator`: estimates and tracks poses in a video, a few frames at a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.core.predictor import Predictor, build_predictor
from lib.dataset import build_clips, build_offsets, build_skeleton
from lib.dataset.clips import ClipDataset
from lib.dataset.detections import person_in_box, usable_boxes
from lib.dataset.people import Person
from lib.evaluation.submission import Rules, select
from lib.evaluation.tester import build_rules
from lib.formats.boxes import DetectedBox
from lib.formats.tracked_poses import FramePoses, TrackedPose
from lib.frames.store import DamagedImageError
from lib.frames.stream import FrameStream
from lib.pose.skeletons import Skeleton
from lib.tracking.boxes import FindPeople
from lib.tracking.tracker import Tracker

FRAMES_AT_ONCE = {"cuda": 8, "cpu": 1}
"""Frames per batch by device type. On a CPU, larger batches are no faster and delay the saving of finished frames."""


class VideoEstimator:
    """Estimates the poses of a video frame by frame, and assigns track numbers to people.

    Args:
        predictor: Estimates poses in boxes.
        find_people: Finds the people in frames.
        skeleton: Skeleton of the net.
        rules: Rules for leaving people out.
        aspect_ratio: Width over height of the crops.
        offsets: Frames of a clip relative to the key frame.
        nms_threshold: Maximum IoU of two boxes; above it, the one with the lower score is left out. 1 keeps all boxes.
        build_clips: Builds clips of people from the frames of a video.
    """

    def __init__(
        self,
        predictor: Predictor,
        find_people: FindPeople,
        *,
        skeleton: Skeleton,
        rules: Rules,
        aspect_ratio: float,
        offsets: Sequence[int],
        nms_threshold: float,
        build_clips: Callable[[list[Person], FrameStream], ClipDataset],
    ) -> None:
        self.find_people = find_people
        self.skeleton = skeleton
        self.offsets = offsets
        self.tracker = Tracker(skeleton.sigmas)
        self.predictor = predictor
        self._rules = replace(rules, oks_nms=rules.oks_nms and len(skeleton.sigmas) > 0)
        self._aspect_ratio = aspect_ratio
        self._nms_threshold = nms_threshold
        self._build_clips = build_clips

    @property
    def frames_at_once(self) -> int:
        """Number of frames to estimate in one call: the frames that share crops, or a batch, whichever is larger."""
        return max(FRAMES_AT_ONCE[self.predictor.device.type], self.predictor.held_frames)

    def estimate(self, numbers: Sequence[int], video: FrameStream) -> list[FramePoses]:
        """Estimate the poses of the next frames of a video.

        Args:
            numbers: Numbers of the frames, in ascending order and higher than those of earlier calls.
            video: Video with these frames.
        """
        images = {number: image for number in numbers if (image := _read(video, number)) is not None}
        people: list[Person] = []
        boxes: list[DetectedBox] = []
        left_out: dict[int, Counter[str]] = {number: Counter() for number in numbers}
        for number, found in zip(images, self._find(images), strict=True):
            kept, left_out[number] = usable_boxes(found, *video.size(number), self._nms_threshold)
            people += [
                person_in_box(box, 0, number, number, self._aspect_ratio, self.skeleton.num_joints) for box in kept
            ]
            boxes += kept
        poses = self._estimate(video, people, boxes) if people else {}
        frames = []
        for number in numbers:
            linked = self.tracker.link(number, poses.get(number, []))
            left_out[number]["that repeat a better pose"] = sum(one.frame == number for one in people) - len(linked)
            clip = video.clip(number, self.offsets) if number in images else []
            replaced = sum(not video.read_nearest(other)[1] for other in clip)
            frames.append(
                FramePoses(
                    number=number,
                    poses=linked,
                    damaged=number not in images,
                    replaced=replaced,
                    left_out=+left_out[number],
                )
            )
        return frames

    def _find(self, images: dict[int, np.ndarray]) -> list[list[DetectedBox]]:
        """Return the boxes of each frame, processing a batch of frames at a time."""
        numbers, size = [*images], FRAMES_AT_ONCE[self.predictor.device.type]
        batches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        return [found for batch in batches for found in self.find_people(batch, [images[one] for one in batch])]

    def _estimate(
        self, video: FrameStream, people: list[Person], boxes: list[DetectedBox]
    ) -> dict[int, list[TrackedPose]]:
        """Return the poses of the people in boxes by frame, without duplicates of better poses."""
        found = self.predictor.predict(self._build_clips(people, video), disable=True)
        chosen, scores = select(people, found.joints, found.scores, self._rules, self.skeleton.sigmas)
        poses = [
            TrackedPose.rounded(box.box, box.score, *column)
            for box, *column in zip(boxes, found.joints, found.scores, scores, strict=True)
        ]
        return {number: [poses[person] for person in rows] for (_, number), rows in chosen.items()}


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
    cfg = cfg.clone()
    cfg.defrost()
    cfg.WORKERS = 0  # starting processes for a few clips is slower
    offsets = build_offsets(cfg)
    return VideoEstimator(
        build_predictor(cfg, net, device),
        find_people,
        skeleton=build_skeleton(cfg),
        rules=build_rules(cfg),
        aspect_ratio=cfg.MODEL.IMAGE_SIZE[0] / cfg.MODEL.IMAGE_SIZE[1],
        offsets=offsets,
        nms_threshold=cfg.TEST.NMS_THRE,
        build_clips=lambda people, video: build_clips(cfg, people, {0: video}, offsets),
    )


def _read(video: FrameStream, number: int) -> np.ndarray | None:
    """Return a frame, or None if it is damaged."""
    try:
        return video.read(number)
    except DamagedImageError:
        return None
