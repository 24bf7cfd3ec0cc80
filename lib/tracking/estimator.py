"""`VideoEstimator`: estimates and tracks poses in a video, a few frames at a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.core.predictor import Predictor, build_predictor
from lib.dataset import build_clips, build_offsets, build_skeleton
from lib.dataset.clips import ClipDataset
from lib.dataset.detections import usable_boxes
from lib.dataset.people import Person, unlabeled_person
from lib.evaluation.submission import Rules, select_people
from lib.evaluation.tester import build_rules
from lib.formats.boxes import DetectedBox
from lib.formats.tracked_poses import FramePoses, TrackedPose
from lib.frames.store import DamagedImageError
from lib.frames.stream import FrameStream
from lib.pose.skeletons import Skeleton
from lib.tracking.boxes import FindPeople
from lib.tracking.filling import GapFiller
from lib.tracking.motion import Motion, build_motion
from lib.tracking.offline import Finish, build_finish
from lib.tracking.similarity import joint_colors
from lib.tracking.tracker import Carry, Tracker, TrackerOptions

FRAMES_AT_ONCE = {"cuda": 8, "cpu": 1}
"""Frames per batch by device type. On a CPU, larger batches are no faster and delay the saving of finished frames."""
FRAMES_WITH_SHARED_CROPS = 16
"""Frames to estimate in one call if clips share crops."""


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
        tracker: Options of the tracker.
        motion: Carries poses from frame to frame for the tracker; None: it does without images.
        max_filled: Maximum number of frames in a row in which a person whom the detector missed is looked for.
        finish: Pass over the results of all frames, for the user of the estimator to call; None: there is none.
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
        tracker: TrackerOptions,
        motion: Motion | None = None,
        max_filled: int = 0,
        finish: Finish | None = None,
    ) -> None:
        self.find_people = find_people
        self.skeleton = skeleton
        self.offsets = offsets
        self.predictor = predictor
        self.tracker = Tracker(skeleton.sigmas, tracker)
        self.filler = GapFiller(self.tracker, skeleton.sigmas, max_filled) if max_filled else None
        self.finish = finish
        self._motion = motion
        self._rules = replace(rules, oks_nms=rules.oks_nms and len(skeleton.sigmas) > 0)
        self._aspect_ratio = aspect_ratio
        self._nms_threshold = nms_threshold
        self._build_clips = build_clips

    @property
    def frames_at_once(self) -> int:
        """Number of frames to estimate in one call."""
        if self.predictor.shares_crops:
            return FRAMES_WITH_SHARED_CROPS
        return FRAMES_AT_ONCE[self.predictor.device.type]

    def recall(self, frame: FramePoses) -> None:
        """Take the tracks of a frame from an earlier run.

        Args:
            frame: Results of the frame.
        """
        self.tracker.recall(frame.number, frame.poses)
        if self.filler:
            self.filler.recall(frame.poses)

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
        poses, chosen = self._poses(boxes, video) if boxes else ([], {})
        frames = []
        for number in numbers:
            own = [poses[index] for index in chosen.get((0, number), ())]
            carry: Carry | None = partial(self._motion, video) if self._motion else None
            linked = self.tracker.link(number, own, carry)
            left_out[number]["that repeat a better pose"] = sum(one == number for one, _ in boxes) - len(own)
            left_out[number]["with a low score and on no track"] = len(own) - len(linked)
            if number in images:
                linked += self._fill(number, linked, video, carry)
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

    def _fill(
        self, number: int, linked: Sequence[TrackedPose], video: FrameStream, carry: Carry | None
    ) -> list[TrackedPose]:
        """Return the poses of people of the frame before whom the detector missed in this one."""

        def estimate(carried: Sequence[TrackedPose]) -> list[TrackedPose]:
            boxes = [DetectedBox(image=number, num_frames=0, box=one.box, score=one.box_score) for one in carried]
            poses, _ = self._poses([(number, box) for box in boxes], video)
            return poses

        return self.filler.fill(number, linked, estimate, carry) if self.filler else []

    def _find(self, images: dict[int, np.ndarray]) -> list[list[DetectedBox]]:
        """Return the boxes of each frame, processing a batch of frames at a time."""
        numbers, size = [*images], FRAMES_AT_ONCE[self.predictor.device.type]
        batches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        return [found for batch in batches for found in self.find_people(batch, [images[one] for one in batch])]

    def _poses(
        self, boxes: Sequence[tuple[int, DetectedBox]], video: FrameStream
    ) -> tuple[list[TrackedPose], dict[tuple[int, int], list[int]]]:
        """Return the poses in boxes with their frames, and the indices of those to keep, by video (0) and frame."""
        people = [
            unlabeled_person(
                box.box,
                self._aspect_ratio,
                frame=number,
                number=number,
                num_joints=self.skeleton.num_joints,
                box_score=box.score,
            )
            for number, box in boxes
        ]
        found = self.predictor.predict(self._build_clips(people, video), disable=True)
        chosen, scores = select_people(people, found.joints, found.scores, self._rules, self.skeleton.sigmas)
        poses = [
            TrackedPose.rounded(box.box, box.score, *column)
            for (_, box), *column in zip(boxes, found.joints, found.scores, scores, strict=True)
        ]
        if self.tracker.options.color_weight:
            poses = [
                replace(pose, colors=joint_colors(video.read(number), pose))
                for (number, _), pose in zip(boxes, poses, strict=True)
            ]
        return poses, chosen


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
    skeleton = build_skeleton(cfg)
    offsets = build_offsets(cfg)
    return VideoEstimator(
        build_predictor(cfg, net, device),
        find_people,
        skeleton=skeleton,
        rules=build_rules(cfg),
        aspect_ratio=cfg.MODEL.IMAGE_SIZE[0] / cfg.MODEL.IMAGE_SIZE[1],
        offsets=offsets,
        nms_threshold=cfg.TEST.NMS_THRE,
        build_clips=lambda people, video: build_clips(cfg, people, {0: video}, offsets),
        tracker=build_tracker_options(cfg),
        motion=build_motion(cfg, net, device),
        max_filled=cfg.TEST.TRACKER.FILL,
        finish=build_finish(cfg, skeleton.sigmas),
    )


def build_tracker_options(cfg: CfgNode) -> TrackerOptions:
    """Return the options of an experiment's tracker.

    Args:
        cfg: The experiment.
    """
    keys = cfg.TEST.TRACKER
    return TrackerOptions(
        velocity=keys.MOTION != "none",
        optimal=keys.ASSIGNMENT == "optimal",
        min_similarity=keys.MIN_SIMILARITY,
        memory=keys.MEMORY,
        confident=keys.CONFIDENT,
        votes=keys.VOTES,
        color_weight=keys.COLOR_WEIGHT,
    )


def _read(video: FrameStream, number: int) -> np.ndarray | None:
    """Return a frame, or None if it is damaged."""
    try:
        return video.read(number)
    except DamagedImageError:
        return None
