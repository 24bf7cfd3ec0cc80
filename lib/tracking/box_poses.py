"""`BoxEstimator`: estimates poses in boxes of a video's frames."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn
from yacs.config import CfgNode

from lib.core.predictor import Predictor, build_predictor
from lib.dataset import build_clips, build_offsets, build_skeleton
from lib.dataset.clips import ClipDataset
from lib.dataset.people import Person, unlabeled_person
from lib.evaluation.submission import Rules, select_people, submitted_scores
from lib.evaluation.tester import build_rules
from lib.formats.boxes import DetectedBox
from lib.formats.tracked_poses import TrackedPose
from lib.frames.source import FrameSource
from lib.pose.skeletons import Skeleton


class BoxEstimator:
    """Estimates the poses of people in boxes.

    Args:
        predictor: Estimates poses in crops.
        skeleton: Skeleton of the net.
        rules: Rules for scores and for leaving people out.
        aspect_ratio: Width over height of the crops.
        build_clips: Builds clips of people from the frames of a video.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        skeleton: Skeleton,
        rules: Rules,
        aspect_ratio: float,
        build_clips: Callable[[list[Person], FrameSource], ClipDataset],
    ) -> None:
        self.predictor = predictor
        self.skeleton = skeleton
        self._rules = replace(rules, oks_nms=rules.oks_nms and len(skeleton.sigmas) > 0)
        self._aspect_ratio = aspect_ratio
        self._build_clips = build_clips

    def __call__(
        self, boxes: Sequence[tuple[int, DetectedBox]], video: FrameSource
    ) -> tuple[list[TrackedPose], dict[int, list[int]]]:
        """Return the pose in each box, and by frame the indices of those to keep.

        Args:
            boxes: At least one box, with the number of its frame; sorted by frame.
            video: Frames of the video.
        """
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
        chosen, person_scores = select_people(people, found.joints, found.scores, self._rules, self.skeleton.sigmas)
        scores = found.scores * (submitted_scores(people, found.scores, self._rules) >= self._rules.min_joint_score)
        poses = [
            TrackedPose.rounded(box.box, box.score, *column)
            for (_, box), *column in zip(boxes, found.joints, scores, person_scores, strict=True)
        ]
        return poses, {number: rows for (_, number), rows in chosen.items()}


def build_box_estimator(cfg: CfgNode, net: nn.Module, device: torch.device, rules: Rules | None = None) -> BoxEstimator:
    """Return the estimator of an experiment, which works in this process alone.

    Args:
        cfg: Experiment with TEST.MODE single, aggregate, or average.
        net: Net of the experiment, on `device`.
        device: Device of the net.
        rules: Rules for scores and for leaving people out; None: those of the experiment.
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.WORKERS = 0  # starting processes for a few clips is slower
    offsets = build_offsets(cfg)
    return BoxEstimator(
        build_predictor(cfg, net, device),
        skeleton=build_skeleton(cfg),
        rules=rules or build_rules(cfg),
        aspect_ratio=cfg.MODEL.IMAGE_SIZE[0] / cfg.MODEL.IMAGE_SIZE[1],
        build_clips=lambda people, video: build_clips(cfg, people, {0: video}, offsets),
    )
