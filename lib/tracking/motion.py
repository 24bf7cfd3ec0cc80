"""Motion: carries poses from one frame of a video to the next, by the PoseWarper or by optical flow."""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.core.predictor import Poses, build_predictor
from lib.core.strategies import scatter
from lib.dataset import build_clips
from lib.dataset.people import Person
from lib.formats.tracked_poses import TrackedPose
from lib.frames.source import FrameSource
from lib.pose.crop import box_to_center_scale
from lib.propagation.flow import GrayFrames, along_flow, dis
from lib.propagation.targets import PropagationMethod, Target, warp

Motion = Callable[[FrameSource, Sequence[TrackedPose], int], np.ndarray]
"""Function from a video, N poses of a frame, and the number of the next frame to the joints (N, J, 2) there."""


def build_motion(cfg: CfgNode, net: nn.Module, device: torch.device) -> Motion | None:
    """Return the motion of an experiment; None if TEST.TRACKER.MOTION needs no images.

    Args:
        cfg: The experiment.
        net: Net of the experiment, on `device`.
        device: Device of the net.
    """
    aspect_ratio = cfg.MODEL.IMAGE_SIZE[0] / cfg.MODEL.IMAGE_SIZE[1]
    if cfg.TEST.TRACKER.MOTION == "flow":
        return partial(_carry, _flow, aspect_ratio)
    if cfg.TEST.TRACKER.MOTION != "warp":
        return None
    predictor = build_predictor(cfg, net, device, strategy=scatter)

    def method(video: FrameSource) -> PropagationMethod:
        def infer(people: list[Person], offsets: list[int]) -> Poses:
            return predictor.predict(build_clips(cfg, people, {0: video}, offsets), disable=True)

        return partial(warp, infer, hop=1, follow=False, relative=True)

    return partial(_carry, method, aspect_ratio)


def _flow(video: FrameSource) -> PropagationMethod:
    """Return the propagation by dense optical flow: DIS's fast preset, four times as fast as the medium one."""
    step = partial(dis, preset=cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return partial(along_flow, GrayFrames({0: video}), step=step)


def _carry(
    method: Callable[[FrameSource], PropagationMethod],
    aspect_ratio: float,
    video: FrameSource,
    poses: Sequence[TrackedPose],
    frame: int,
) -> np.ndarray:
    """Return the joints (N, J, 2) of poses of the frame before; joints that are lost move with the others."""
    people = []
    for pose in poses:
        center, scale = box_to_center_scale(pose.box, aspect_ratio)
        people.append(
            Person(
                video=0,
                frame=frame - 1,
                number=frame - 1,
                center=center,
                scale=scale,
                box_score=pose.box_score,
                joints=pose.joints,
                labeled=pose.scores > 0,
            )
        )
    found = method(video)(people, [Target(index, frame) for index in range(len(people))])
    carried = []
    for pose, joints, scores in zip(poses, found.joints, found.scores, strict=True):
        known = (pose.scores > 0) & (scores > 0)
        step = np.median(joints[known] - pose.joints[known], axis=0) if known.any() else np.zeros(2)
        carried.append(np.where(known[:, None], joints, pose.joints + step))
    return np.stack(carried)
