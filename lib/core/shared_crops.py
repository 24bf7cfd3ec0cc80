"""Heatmaps of clips that share crops: the pose net estimates each crop once for all clips that contain it."""

import torch

from lib.core.strategies import Combination, FlipTest
from lib.dataset.clips import Clips
from lib.dataset.held_crops import HoldOptions
from lib.models import PoseWarper
from lib.pose.pixels import normalize


class SharedCrops:
    """Function from clips to heatmaps that caches the heatmaps of their crops from batch to batch.

    Args:
        combine: Function from the heatmaps of single frames to those of the key frame
            (lib.core.strategies.COMBINATIONS).
        flip_test: Flip test to apply, if any.
        hold: Limits of crops that are held over several frames; None: the defaults.
    """

    def __init__(
        self, combine: Combination, flip_test: FlipTest | None = None, hold: HoldOptions | None = None
    ) -> None:
        self.hold = hold or HoldOptions()
        self._combine = combine
        self._flip_test = flip_test
        self._heatmaps: dict[int, torch.Tensor] = {}  # (V, J, h, w) by crop; V is 2 with a flip test, else 1

    def forget(self) -> None:
        """Clear the cache, as required before the clips of another data set."""
        self._heatmaps = {}

    def __call__(self, net: PoseWarper, batch: Clips, device: torch.device) -> torch.Tensor:
        """Return the heatmaps (B, J, h, w) of the key frames.

        The cache keeps only the crops of this batch.

        Args:
            net: PoseWarper, on `device`.
            batch: Batch of B clips.
            device: Device of the net.
        """
        crops = batch.crops.flatten().tolist()  # B·T
        first = {crop: place for place, crop in reversed([*enumerate(crops)])}
        new = [crop for crop in first if crop not in self._heatmaps]
        kept = {crop: self._heatmaps[crop] for crop in first if crop in self._heatmaps}
        if new:
            frames = batch.frames.flatten(0, 1)[[first[crop] for crop in new]].to(device, non_blocking=True)
            kept |= zip(new, self._estimate(net, normalize(frames)), strict=True)
        self._heatmaps = kept
        heatmaps = torch.stack([kept[crop] for crop in crops])  # (B·T, V, J, h, w)
        views = torch.unflatten(heatmaps, 0, batch.crops.shape).unbind(2)  # V times (B, T, J, h, w)
        combined = [self._combine(net, view) for view in views]
        return self._flip_test.average(*combined) if self._flip_test else combined[0]

    def _estimate(self, net: PoseWarper, frames: torch.Tensor) -> torch.Tensor:
        """Return the heatmaps (N, V, J, h, w) of frames (N, 3, H, W) and, with a flip test, of their mirror images."""
        views = [frames, frames.flip(3)] if self._flip_test else [frames]
        return torch.cat([net.estimate(view[:, None]) for view in views], dim=1)
