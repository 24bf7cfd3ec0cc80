"""`VideoPredictor`: poses from frames and boxes in arrays, for notebooks and other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from yacs.config import CfgNode

from lib.core.predictor import Predictor, build_predictor
from lib.core.trained_model import build_trained_model
from lib.dataset import build_clip_options, build_offsets
from lib.dataset.clips import ClipDataset, ClipOptions, FixedFrames
from lib.dataset.people import unlabeled_person
from lib.frames.arrays import ArrayFrames
from lib.pose.crop import clip_box


class PosesInFrame(NamedTuple):
    """Poses of the P people in a frame.

    Attributes:
        joints: Joints (P, J, 2) float64, x and y in pixels of the frame. The centers of pixels have integer
            coordinates.
        scores: Scores (P, J) float32, the value of the heatmap at each joint, about 0 to 1.
    """

    joints: np.ndarray
    scores: np.ndarray


class VideoPredictor:
    """Estimate the poses of people in a video from their boxes.

    Args:
        predictor: Predictor of the poses of clips.
        options: Options of the crops.
        offsets: Offsets of the frames of a clip from its key frame; the first is 0.
        num_joints: Number J of joints.
    """

    def __init__(self, predictor: Predictor, options: ClipOptions, *, offsets: Sequence[int], num_joints: int) -> None:
        self._predictor = predictor
        self._options = options
        self._offsets = offsets
        self._num_joints = num_joints

    def __call__(self, frames: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[PosesInFrame]:
        """Return the poses in each frame.

        Args:
            frames: N consecutive frames (H, W, 3) uint8 RGB of the same size, or an array (N, H, W, 3).
            boxes: Boxes (P, 4) of the people in each frame: x, y, width and height in pixels. Boxes are clipped to the
                frame.

        Returns:
            The poses in each of the N frames, in the order of its boxes.

        Raises:
            ValueError: The frames are not such arrays, the number of arrays of boxes is not N, or a box is outside its
                frame.
        """
        source = ArrayFrames(frames)
        if len(boxes) != len(frames):
            raise ValueError(f"{len(frames)} frames, but {len(boxes)} arrays of boxes")
        width, height = self._options.image_size
        people = []
        for number, own in enumerate(boxes):
            for box in np.asarray(own, dtype=float).reshape(-1, 4).tolist():
                clipped = clip_box(box, *source.size(number))
                if clipped is None:
                    raise ValueError(f"frame {number}: the box {box} is not inside the frame")
                people.append(
                    unlabeled_person(clipped, width / height, frame=number, number=number, num_joints=self._num_joints)
                )
        counts = [sum(person.frame == number for person in people) for number in range(len(frames))]
        if not people:
            empty = PosesInFrame(np.zeros((0, self._num_joints, 2)), np.zeros((0, self._num_joints), np.float32))
            return [empty for _ in frames]
        clips = ClipDataset(people, {0: source}, FixedFrames(self._offsets), options=self._options)
        poses = self._predictor.predict(clips, disable=True)
        ends = np.cumsum(counts)[:-1]
        return [
            PosesInFrame(*own) for own in zip(np.split(poses.joints, ends), np.split(poses.scores, ends), strict=True)
        ]


def build_video_predictor(cfg: CfgNode, device: torch.device) -> VideoPredictor:
    """Return the video predictor of an experiment.

    Args:
        cfg: The experiment. TEST.MODEL_FILE is the path of its weights, and TEST.MODE is single, aggregate or average.
        device: Device to run on.

    Raises:
        InputError: The weights are missing, belong to another net, or were trained with other settings.
    """
    net, _ = build_trained_model(cfg, Path(), device)
    return VideoPredictor(
        build_predictor(cfg, net, device),
        build_clip_options(cfg),
        offsets=build_offsets(cfg),
        num_joints=cfg.MODEL.NUM_JOINTS,
    )
