"""The poses of a video's frames, which tools/demo.py draws."""

from collections import Counter
from dataclasses import replace

import torch
from _testing import STRATEGIES, build_rules, choose_strategy, dark_sigma
from torch import nn
from yacs.config import CfgNode

from lib.core.inference import collect, infer
from lib.core.submission import select
from lib.dataset import build_clips, build_skeleton, build_test_loader
from lib.dataset.people import Person
from lib.dataset.posetrack import person_in_box, usable_boxes
from lib.formats.boxes import DetectedBox
from lib.formats.video_poses import FramePoses, TrackedPose
from lib.video.boxes import FindPeople
from lib.video.tracks import Tracker
from lib.video.windows import Window


class Estimator:
    """Frames to poses with tracks, a window after the other.

    Args:
        net: on `device`, in eval mode.
        find: tells where people are.
    """

    def __init__(self, cfg: CfgNode, net: nn.Module, device: torch.device, find: FindPeople) -> None:
        self.cfg = cfg.clone()
        self.cfg.defrost()
        self.cfg.WORKERS = 0  # a window is a few clips
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

    def __call__(self, window: Window) -> list[FramePoses]:
        """The poses of a window's frames."""
        whole = [number for number in window.keys if window.images[number] is not None]
        people, boxes, left_out = [], [], {number: Counter() for number in window.keys}
        aspect = self.cfg.MODEL.IMAGE_SIZE[0] / self.cfg.MODEL.IMAGE_SIZE[1]
        for number, found in zip(whole, self.find(whole, [window.read(number) for number in whole]), strict=True):
            height, width = window.read(number).shape[:2]
            kept, left_out[number] = usable_boxes(found, width, height, self.cfg.TEST.NMS_THRE)
            people += [person_in_box(box, 0, number, number, aspect, self.skeleton.num_joints) for box in kept]
            boxes += kept
        poses = self._estimate(window, people, boxes) if people else {}
        frames = []
        for number in window.keys:
            own = self.tracker.link(number, poses.get(number, []))
            left_out[number]["that repeat a better pose"] = sum(one.frame == number for one in people) - len(own)
            clip = window.clip(number, self.offsets) if number in whole else []
            replaced = sum(window.images[other] is None for other in clip)
            frames.append(FramePoses(number, own, number not in whole, replaced, +left_out[number]))
        return frames

    def _estimate(self, window: Window, people: list[Person], boxes: list[DetectedBox]) -> dict[int, list[TrackedPose]]:
        """The poses of people in boxes, by frame, without those who repeat a better one."""
        cfg = self.cfg
        clips = build_clips(cfg, people, {0: window}, self.offsets)
        loader = build_test_loader(cfg, clips, (0, 1), cuda=self.device.type == "cuda")
        batches = infer(self._net, loader, self._strategy, self.device, cfg.TEST.POST_PROCESS, dark_sigma(cfg))
        found = collect(batches)
        chosen, scores = select(people, found.points, found.peaks, self._rules, self.skeleton.sigmas)
        return {
            number: [
                TrackedPose.rounded(boxes[p].box, boxes[p].score, found.points[p], found.peaks[p], scores[p])
                for p in own
            ]
            for (_, number), own in chosen.items()
        }
