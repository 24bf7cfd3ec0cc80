"""Finder of individuals without a detector: the pose net itself on whole frames, at the scale of its training."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.dataset.sources import build_box_rule, build_skeleton, build_videos
from lib.formats.boxes import DetectedBox
from lib.models import PoseWarper
from lib.models.inference import build_inference_form
from lib.pose.crop import PIXELS_PER_SCALE, box_to_center_scale, joints_box, widen_boxes
from lib.pose.pixels import normalize
from lib.tracking.boxes import FrameByFrame, distinct_boxes
from lib.utils.files import read_json

STRIDE = 32
"""The sides of images are multiples of the stride of the net's coarsest features."""
CELL = 4
"""Pixels per cell of the heatmaps."""
SCALE_STEP = 1.4
"""Largest ratio of neighboring scales; nets are trained on people up to a quarter larger or smaller."""
MAX_PIXELS = 4_000_000
"""Largest area of a frame that the net runs on; scales that need more are reduced."""
WINDOW = 0.8
"""Width and height of the window that an individual is searched in, as a share of those of a crop."""
MIN_EVIDENCE = 0.3
"""Minimum mean over joints of the highest value in the window of an individual."""
MIN_SCORE = 0.25
"""Minimum score of an individual, which is this mean times the likeness to a labeled pose."""
SPREAD = 0.1
"""Distance of a joint from that of a labeled pose that counts as like, as a share of the longer side of the pose."""
RECENTERED = 2
"""Number of times that a window is centered on the joints in it."""
MAX_OVERLAP = 0.3
"""IoU of two boxes above which the one with the lower score is left out."""
MAX_TRIED = 30
"""Maximum number of windows to look at for each scale."""


class NetFinder(FrameByFrame):
    """Finder of the individuals in frames by the heatmaps of a pose net.

    The net runs on the whole frame, resized so that individuals are as large as in its crops. An individual is where a
    window of the size of a crop has high values for most joints, in places that are like a labeled pose.

    Args:
        net: Single-frame net in its inference form.
        device: Device of the net.
        poses: Labeled poses (P, J, 2); NaN for each joint that is not labeled.
        most: Maximum number of individuals in a frame.
        crop: Width and height of the crops in pixels.
        scales: Factors to resize frames by.
        rule: Rule for boxes around joints (lib.pose.crop).
        rgb: The net expects red, green, blue; else blue, green, red.
    """

    def __init__(
        self,
        net: nn.Module,
        device: torch.device,
        *,
        poses: np.ndarray,
        most: int,
        crop: Sequence[int],
        scales: Sequence[float],
        rule: str = "posetrack18",
        rgb: bool = True,
    ) -> None:
        self._net = net
        self._device = device
        self._window = [max(1, round(WINDOW * side / CELL)) | 1 for side in crop]  # odd width and height in cells
        self._poses = poses
        self._most = most
        self._scales = scales
        self._rule = rule
        self._rgb = rgb

    def find(self, number: int, image: np.ndarray) -> list[DetectedBox]:
        """Return the boxes of a frame.

        Args:
            number: Number of the frame.
            image: Image of the frame, (H, W, 3) uint8 BGR.
        """
        found = [one for scale in self._scales for one in self._search(image, scale)]
        if not found:
            return []
        boxes, scores = np.array([box for box, _ in found]), np.array([score for _, score in found])
        return distinct_boxes(number, boxes, scores, MAX_OVERLAP)[: self._most]

    def _search(self, image: np.ndarray, scale: float) -> list[tuple[np.ndarray, float]]:
        """Return the box (4,) and score of each individual at a scale."""
        height, width = image.shape[:2]
        scale = min(scale, math.sqrt(MAX_PIXELS / (width * height)))
        maps = self._heatmaps(image, scale)  # (J, h, w)
        evidence = self._evidence(maps)  # (h, w)
        found = []
        for _ in range(MAX_TRIED):
            row, column = np.unravel_index(int(evidence.argmax()), evidence.shape)
            if evidence[row, column] < MIN_EVIDENCE:
                break
            center = np.array([column, row])
            for _ in range(RECENTERED):
                joints, values = self._joints(maps, center)
                self._around(evidence, center)[:] = 0
                center = np.median(joints[values >= values.max() / 2], axis=0).round().astype(int)
            score = float(values.mean()) * self._likeness(joints)
            if score >= MIN_SCORE:
                box = joints_box(joints[values >= values.max() / 2] * CELL / scale, self._rule)
                found.append((widen_boxes(box[None])[0], score))
        return found

    def _likeness(self, joints: np.ndarray) -> float:
        """Return the likeness from 0 to 1 of joints (J, 2) to the most similar labeled pose of any size and place."""
        own = np.where(np.isnan(self._poses), np.nan, joints)  # (P, J, 2)
        distances = np.linalg.norm(_normalized(own) - _normalized(self._poses), axis=2)
        return float(np.nanmean(np.exp(-((distances / SPREAD) ** 2) / 2), axis=1).max())

    @torch.inference_mode()
    def _heatmaps(self, image: np.ndarray, scale: float) -> np.ndarray:
        """Return the heatmaps (J, h, w) of a resized frame, whose right and lower margins are black."""
        small = cv2.resize(
            image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        bottom, right = (-side % STRIDE for side in small.shape[:2])
        small = cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
        small = np.ascontiguousarray(small[..., ::-1]) if self._rgb else small
        maps: torch.Tensor = self._net(normalize(torch.from_numpy(small)[None].to(self._device)))[0]
        return maps.float().cpu().numpy()

    def _evidence(self, maps: np.ndarray) -> np.ndarray:
        """Return the mean over joints of the highest value in the window around each cell, (h, w)."""
        window = cv2.getStructuringElement(cv2.MORPH_RECT, self._window)
        highest: np.ndarray = np.mean([cv2.dilate(one, window) for one in maps], axis=0)
        return highest

    def _joints(self, maps: np.ndarray, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the highest cell (J, 2) x, y of each heatmap in the window around a cell, and its value (J,)."""
        part = self._around(maps, center)
        cells = part.reshape(len(part), -1).argmax(axis=1)
        rows, columns = np.unravel_index(cells, part.shape[1:])
        corner = np.maximum(center - np.array(self._window) // 2, 0)
        return np.stack([columns, rows], axis=1) + corner, part.reshape(len(part), -1).max(axis=1)

    def _around(self, maps: np.ndarray, center: np.ndarray) -> np.ndarray:
        """Return the window around a cell x, y as a view of maps (…, h, w)."""
        (left, top), (width, height) = center - np.array(self._window) // 2, self._window
        return maps[..., max(top, 0) : top + height, max(left, 0) : left + width]


def build_net_finder(
    cfg: CfgNode, net: nn.Module, device: torch.device, labels: Path, size: Sequence[int]
) -> NetFinder:
    """Return the finder of a net that was trained on labels of a custom video.

    Args:
        cfg: The experiment.
        net: Its net, on `device`.
        device: Device of the net.
        labels: COCO-style file of the labels that the net learned from, which show how large individuals are.
        size: Width and height in pixels of the frames to search. If those of the labels are known and others,
            individuals are taken to be larger or smaller accordingly.

    Raises:
        InputError: The labels cannot be read.
    """
    pose_net = net.pose_net if isinstance(net, PoseWarper) else net
    width, height = cfg.MODEL.IMAGE_SIZE
    videos = build_videos(cfg, labels)
    boxes = np.concatenate([video.boxes for video in videos])
    crops = [box_to_center_scale(box, width / height)[1][0] * PIXELS_PER_SCALE for box in boxes if box[2] > 0]
    known = read_json(labels)["images"][0].get("width")
    low, high = np.quantile(width / np.array(crops), (0.1, 0.9)) * (known / size[0] if known else 1)
    poses = np.concatenate([np.where(video.labeled[..., None], video.joints, np.nan) for video in videos])
    poses = poses[~np.isnan(poses).all(axis=(1, 2))]
    mirrored = poses[:, build_skeleton(cfg).flip_order] * (-1, 1)
    return NetFinder(
        build_inference_form(cfg, pose_net, device),
        device,
        poses=np.concatenate([poses, mirrored]) if cfg.DATASET.FLIP else poses,
        most=max(int(np.bincount(video.person_frame).max()) for video in videos if len(video.person_frame)),
        crop=(width, height),
        scales=np.geomspace(low, high, 1 + round(math.log(high / low, SCALE_STEP))).tolist(),
        rule=build_box_rule(cfg),
        rgb=cfg.DATASET.COLOR_RGB,
    )


def _normalized(poses: np.ndarray) -> np.ndarray:
    """Return poses (P, J, 2) with NaN, moved and resized so that the longer side of their extent is 1."""
    low, high = np.nanmin(poses, axis=1, keepdims=True), np.nanmax(poses, axis=1, keepdims=True)
    moved: np.ndarray = (poses - (low + high) / 2) / np.maximum((high - low).max(axis=2, keepdims=True), 1e-6)
    return moved
