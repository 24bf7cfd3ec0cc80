"""Pictures of a batch for the eye: crops with poses, heatmaps of the labels, heatmaps before and after the warp."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from lib.core.predictor import Estimates, Predictor
from lib.pose.crop import cell_stride
from lib.pose.draw import draw_heatmaps, draw_pose, stack
from lib.pose.heatmaps import decode
from lib.pose.pixels import normalise
from lib.pose.skeletons import Skeleton

MAX_PEOPLE = 8  # of a batch
COLUMNS = 4
SHOWN_PEAK = 0.2


@dataclass(frozen=True)
class DebugImages:
    """Writes the pictures of a batch to a folder.

    Attributes:
        folder: where they go.
        skeleton: the net's joints.
        labels: crops with the labelled poses; poses: crops with the estimated ones.
        targets: heatmaps of the labels; heatmaps: the net's, before and after the warp.
        rgb: the clips' colours are in the order red, green, blue.
        udp: the crops are in UDP's convention (lib.pose.crop).
        warps: the net is a PoseWarper that warps: write the heatmaps before the warp too, the key frame's of an
            aggregation, the other frame's of a pair.
    """

    folder: Path
    skeleton: Skeleton
    labels: bool
    poses: bool
    targets: bool
    heatmaps: bool
    rgb: bool
    udp: bool = False
    warps: bool = False

    def write(self, name: str, estimates: Estimates, predictor: Predictor) -> None:
        """Write `<name>_labels.jpg`, `_poses.jpg`, `_targets.jpg`, `_heatmaps.jpg` and `_before_warp.jpg`.

        Pictures of labels are left out where nobody is labelled.

        Args:
            name: Begins the files' names.
            estimates: A batch.
            predictor: Made the estimates.
        """
        clips = estimates.clips
        crops = clips.frames[:MAX_PEOPLE, 0].numpy()  # (B, H, W, 3)
        crops = crops[..., ::-1] if self.rgb else crops
        labeled = bool(clips.target_weights.any())
        if self.labels and labeled:
            self._save(f"{name}_labels", self._poses(crops, clips.targets, clips.target_weights[..., 0] > 0))
        if self.poses:
            shown = torch.from_numpy(estimates.scores > SHOWN_PEAK)
            self._save(f"{name}_poses", self._poses(crops, estimates.heatmaps, shown))
        if self.targets and labeled:
            self._save(f"{name}_targets", _heatmaps(crops, clips.targets))
        if self.heatmaps:
            self._save(f"{name}_heatmaps", _heatmaps(crops, estimates.heatmaps))
            if self.warps:
                source = 1 if clips.frames.shape[1] == 2 else 0  # a pair warps its second frame alone
                frames = clips.frames[:MAX_PEOPLE, source]
                with torch.inference_mode():
                    before = predictor.net.estimate(normalise(frames[:, None].to(estimates.heatmaps.device)))[:, 0]
                crops = frames.numpy()[..., ::-1] if self.rgb else frames.numpy()
                self._save(f"{name}_before_warp", _heatmaps(crops, before))

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
    maps = heatmaps[: len(crops)].float().cpu().numpy()
    return np.vstack([draw_heatmaps(crop, maps_of_one) for crop, maps_of_one in zip(crops, maps, strict=True)])
