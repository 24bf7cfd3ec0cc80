"""The poses of a video's frames, which tools/demo.py draws."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from _testing import STRATEGIES, build_rules, choose_strategy, decoding
from torch import nn
from yacs.config import CfgNode

from lib.core.inference import collect, infer
from lib.dataset import build_clips, build_skeleton, build_test_loader
from lib.dataset.people import Person
from lib.dataset.posetrack import person_in_box, usable_boxes
from lib.evaluation.submission import select
from lib.formats.boxes import DetectedBox
from lib.formats.video_poses import FramePoses, TrackedPose
from lib.frames.store import DamagedImageError
from lib.frames.stream import FrameStream
from lib.tracking.boxes import FindPeople
from lib.tracking.tracker import Tracker


class Estimator:
    """Frames to poses with tracks, some frames at a time.

    Args:
        net: on `device`, in eval mode.
        find: tells where people are.
    """

    def __init__(self, cfg: CfgNode, net: nn.Module, device: torch.device, find: FindPeople) -> None:
        self.cfg = cfg.clone()
        self.cfg.defrost()
        self.cfg.WORKERS = 0  # a few clips at a time are not worth a process
        self.skeleton = build_skeleton(cfg)
        self.tracker = Tracker(self.skeleton.sigmas)
        self.device = device
        self.find = find
        single = cfg.TEST.MODE == "single"
        self.offsets = [0] if single else cfg.TEST.AGGREGATE.OFFSETS
        self._net = net.pose_net if single and cfg.MODEL.WARP.ENABLED else net
        self._strategy = choose_strategy(cfg, STRATEGIES[cfg.TEST.MODE])
        rules = build_rules(cfg)
        self._rules = replace(rules, oks_nms=rules.oks_nms and len(self.skeleton.sigmas) > 0)

    def __call__(self, keys: Sequence[int], video: FrameStream) -> list[FramePoses]:
        """The poses of some frames of a video, the next ones in order."""
        images = {number: image for number in keys if (image := _read(video, number)) is not None}
        people, boxes, left_out = [], [], {number: Counter() for number in keys}
        aspect = self.cfg.MODEL.IMAGE_SIZE[0] / self.cfg.MODEL.IMAGE_SIZE[1]
        for number, found in zip(images, self.find([*images], [*images.values()]), strict=True):
            kept, left_out[number] = usable_boxes(found, *video.size(number), self.cfg.TEST.NMS_THRE)
            people += [person_in_box(box, 0, number, number, aspect, self.skeleton.num_joints) for box in kept]
            boxes += kept
        poses = self._estimate(video, people, boxes) if people else {}
        frames = []
        for number in keys:
            own = self.tracker.link(number, poses.get(number, []))
            left_out[number]["that repeat a better pose"] = sum(one.frame == number for one in people) - len(own)
            clip = video.clip(number, self.offsets) if number in images else []
            replaced = sum(not video.read_nearest(other)[1] for other in clip)
            frames.append(FramePoses(number, own, number not in images, replaced, +left_out[number]))
        return frames

    def _estimate(
        self, video: FrameStream, people: list[Person], boxes: list[DetectedBox]
    ) -> dict[int, list[TrackedPose]]:
        """The poses of people in boxes, by frame, without those who repeat a better one."""
        cfg = self.cfg
        clips = build_clips(cfg, people, {0: video}, self.offsets)
        loader = build_test_loader(cfg, clips, (0, 1), cuda=self.device.type == "cuda")
        batches = infer(self._net, loader, self._strategy, self.device, **decoding(cfg))
        found = collect(batches)
        chosen, scores = select(people, found.points, found.peaks, self._rules, self.skeleton.sigmas)
        poses = [
            TrackedPose.rounded(box.box, box.score, *column)
            for box, *column in zip(boxes, found.points, found.peaks, scores, strict=True)
        ]
        return {number: [poses[person] for person in own] for (_, number), own in chosen.items()}


def _read(video: FrameStream, number: int) -> np.ndarray | None:
    """A frame; None: it is damaged."""
    try:
        return video.read(number)
    except DamagedImageError:
        return None
