"""Images of a batch: crops with poses, target heatmaps, and heatmaps before and after the warp."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch

from lib.core.predictor import Estimates, Predictor
from lib.models import PoseWarper
from lib.pose.crop import cell_stride
from lib.pose.draw import draw_heatmaps, draw_pose, stack
from lib.pose.heatmaps import decode
from lib.pose.pixels import normalize
from lib.pose.skeletons import Skeleton

MAX_PEOPLE = 8
"""Maximum number of people per image, the first of the batch."""
COLUMNS = 4
"""Crops in a row of an image."""
MIN_SCORE = 0.2
"""Score above which an estimated joint is drawn."""


@dataclass(frozen=True)
class DebugImages:
    """Writer of the images of a batch.

    Attributes:
        folder: Path to the folder of the images.
        skeleton: Joints of the net.
        labels: Write crops with the labeled poses.
        poses: Write crops with the estimated poses.
        targets: Write the target heatmaps.
        heatmaps: Write the estimated heatmaps.
        rgb: The color channels of the clips are in the order red, green, blue.
        udp: The crops are in UDP's convention (lib.pose.crop).
        warps: The net is a PoseWarper that warps. With `heatmaps`, also write the heatmaps before the warp, those of
            the second frame of a pair or of the key frame of an aggregation.
    """

    folder: Path
    skeleton: Skeleton
    _: KW_ONLY
    labels: bool
    poses: bool
    targets: bool
    heatmaps: bool
    rgb: bool
    udp: bool = False
    warps: bool = False

    def write(self, name: str, estimates: Estimates, predictor: Predictor) -> None:
        """Write `<name>_labels.jpg`, `_poses.jpg`, `_targets.jpg`, `_heatmaps.jpg` and `_before_warp.jpg`.

        Images of labels are omitted if no person in the batch is labeled.

        Args:
            name: Prefix of the file names.
            estimates: Poses of the batch.
            predictor: Predictor that returned the estimates.
        """
        clips = estimates.clips
        crops = clips.frames[:MAX_PEOPLE, 0].numpy()  # (B, H, W, 3)
        crops = crops[..., ::-1] if self.rgb else crops
        labeled = bool(clips.target_weights.any())
        if self.labels and labeled:
            self._save(f"{name}_labels", self._poses(crops, clips.targets, clips.target_weights[..., 0] > 0))
        if self.poses:
            shown = torch.from_numpy(estimates.scores > MIN_SCORE)
            self._save(f"{name}_poses", self._poses(crops, estimates.heatmaps, shown))
        if self.targets and labeled:
            self._save(f"{name}_targets", _heatmaps(crops, clips.targets))
        if self.heatmaps:
            self._save(f"{name}_heatmaps", _heatmaps(crops, estimates.heatmaps))
            if self.warps:
                self._save(f"{name}_before_warp", self._before_warp(estimates, cast(PoseWarper, predictor.net)))

    def _before_warp(self, estimates: Estimates, net: PoseWarper) -> np.ndarray:
        """Return an image of the heatmaps of the frame that is warped, as the pose net estimates them."""
        clips = estimates.clips.frames[:MAX_PEOPLE]
        frames = clips[:, 1 if clips.shape[1] == 2 else 0]  # of a pair, only the second frame is warped
        with torch.inference_mode():
            heatmaps = net.estimate(normalize(frames[:, None].to(estimates.heatmaps.device)))[:, 0]
        return _heatmaps(frames.numpy()[..., ::-1] if self.rgb else frames.numpy(), heatmaps)

    def _poses(self, crops: np.ndarray, heatmaps: torch.Tensor, shown: torch.Tensor) -> np.ndarray:
        cells, _ = decode(heatmaps[: len(crops)], post_process=False)
        stride = cell_stride(crops.shape[2:0:-1], heatmaps.shape[:-3:-1], self.udp)
        people = zip(crops, cells.cpu().numpy() * stride, shown.numpy(), strict=False)
        return stack([draw_pose(crop, joints, visible, self.skeleton) for crop, joints, visible in people], COLUMNS)

    def _save(self, name: str, picture: np.ndarray) -> None:
        _, encoded = cv2.imencode(".jpg", picture)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.jpg").write_bytes(encoded.tobytes())


def _heatmaps(crops: np.ndarray, heatmaps: torch.Tensor) -> np.ndarray:
    """Return an image with a row of heatmaps for each crop."""
    maps = heatmaps[: len(crops)].float().cpu().numpy()
    return np.vstack([draw_heatmaps(crop, maps_of_one) for crop, maps_of_one in zip(crops, maps, strict=True)])
