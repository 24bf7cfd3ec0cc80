"""`VideoPropagator`: labels of some frames of a video to all frames, in arrays, for notebooks and other programs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from yacs.config import CfgNode

from lib.core.trained_model import build_trained_model
from lib.dataset.people import Person
from lib.frames.arrays import ArrayFrames
from lib.frames.source import FrameSource
from lib.pose.crop import box_to_center_scale, joints_box, widen_boxes
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import Propagator, build_options, build_propagator
from lib.propagation.targets import dense_targets


class VideoPropagator:
    """Propagate the labels of some frames of a video to its other frames.

    Args:
        make: Makes the propagator of frames by index of the video, such as `partial(Propagator, options)` for
            PropagationOptions without a net.
        aspect_ratio: Width over height of the crops.
    """

    def __init__(self, make: Callable[[Mapping[int, FrameSource]], Propagator], aspect_ratio: float = 1.0) -> None:
        self._make = make
        self._aspect_ratio = aspect_ratio

    def __call__(self, frames: Sequence[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the joints of all individuals in all frames.

        Args:
            frames: N consecutive frames (H, W, 3) uint8 RGB of the same size, or an array (N, H, W, 3).
            labels: Joints (N, P, J, 2) of P individuals, x and y in pixels; NaN for each joint that is not labeled.

        Returns:
            Joints (N, P, J, 2) float64, which are `labels` where these are finite, and scores (N, P, J): 1 for labels,
            0, with NaN joints, where nothing is known.

        Raises:
            ValueError: The frames or labels are not such arrays, or nothing is labeled.
        """
        source = ArrayFrames(frames)
        joints: np.ndarray = np.array(labels, dtype=np.float64)
        if joints.ndim != 4 or len(joints) != len(frames) or joints.shape[3] != 2:
            raise ValueError(f"labels have shape {joints.shape}; it must be ({len(frames)}, P, J, 2) for these frames")
        labeled: np.ndarray = np.isfinite(joints).all(axis=3)  # (N, P, J)
        if not labeled.any():
            raise ValueError("no joint is labeled")
        joints[~labeled] = np.nan
        scores: np.ndarray = labeled.astype(np.float64)
        people = [
            make_person(
                number,
                track,
                joints[number, track],
                own := labeled[number, track],
                open_joints=np.flatnonzero(~own).tolist(),
                aspect_ratio=self._aspect_ratio,
            )
            for number, track in np.argwhere(labeled.any(axis=2)).tolist()
        ]
        targets = dense_targets(people, {0: range(len(frames))}, complete={})
        if targets:
            poses = self._make({0: source}).propagate(people, targets)
            for target, found, own in zip(targets, poses.joints, poses.scores, strict=True):
                place = target.number, people[target.person].track
                new = own > 0
                if target.joints is not None:
                    new &= np.isin(np.arange(len(own)), target.joints)
                joints[place][new], scores[place][new] = found[new], own[new]
        return joints, scores


def make_person(
    number: int,
    track: int,
    joints: np.ndarray,
    labeled: np.ndarray,
    *,
    open_joints: Sequence[int],
    aspect_ratio: float = 1.0,
) -> Person:
    """Return an individual of a frame of video 0, with the crop around its joints.

    Args:
        number: Number of the frame.
        track: Number of the individual.
        joints: (J, 2) x, y in pixels.
        labeled: (J,) bool.
        open_joints: Joints that the label says nothing about.
        aspect_ratio: Width over height of the crop.
    """
    known = joints[labeled] if labeled.any() else np.zeros((1, 2))
    (box,) = widen_boxes(joints_box(known)[None])
    center, scale = box_to_center_scale(box.tolist(), aspect_ratio)
    return Person(
        video=0,
        frame=number,
        number=number,
        center=center,
        scale=scale,
        joints=np.where(labeled[:, None], joints, 0),
        labeled=labeled,
        track=track,
        open_joints=tuple(open_joints),
    )


def build_video_propagator(
    cfg: CfgNode, device: torch.device, method: str = "warp", priors: Sequence[str] = ()
) -> VideoPropagator:
    """Return the video propagator of an experiment.

    Args:
        cfg: The experiment. TEST.MODEL_FILE is the path of its weights.
        device: Device to run on.
        method: Method that carries labels to other frames (lib.propagation.methods).
        priors: Further methods: all are used from both sides and weighted by their leave-one-out errors.

    Raises:
        InputError: The weights are missing, belong to another net, or were trained with other settings.
    """
    options = build_options(cfg, PropagationOptions(method=method, priors=tuple(priors)))
    net, _ = build_trained_model(cfg, Path(), device)
    width, height = cfg.MODEL.IMAGE_SIZE
    return VideoPropagator(
        lambda frames: build_propagator(cfg, options, frames, net=net, device=device), width / height
    )
