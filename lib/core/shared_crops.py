"""Clips that share crops: each crop of a frame passes the pose net once, however many clips it is in."""

import torch
from torch import nn

from lib.core.strategies import Combination, FlipTest
from lib.dataset.clips import Clips
from lib.dataset.held_crops import HoldOptions
from lib.pose.pixels import normalise


class SharedCrops:
    """Heatmaps of clips whose frames' heatmaps are kept from batch to batch.

    Args:
        combine: Makes the key frame's heatmaps of those of each frame by itself (lib.core.strategies.COMBINATIONS).
        flip_test: The flip test to apply; None: there is none.
        hold: Bounds of held crops.
    """

    def __init__(
        self, combine: Combination, flip_test: FlipTest | None = None, hold: HoldOptions | None = None
    ) -> None:
        self.hold = hold or HoldOptions()
        self._combine = combine
        self._flip_test = flip_test
        self._heatmaps: dict[int, torch.Tensor] = {}  # (V, J, h, w) by crop; V is 2 with the mirror image, else 1

    def forget(self) -> None:
        """Forget all heatmaps, as the clips of another data set require."""
        self._heatmaps = {}

    def __call__(self, net: nn.Module, batch: Clips, device: torch.device) -> torch.Tensor:
        """Return the heatmaps (B, J, h, w) of the key frames.

        Heatmaps of crops that are not in this batch are forgotten.

        Args:
            net: A PoseWarper, on `device`.
            batch: B clips.
            device: Device of the net.
        """
        crops = batch.crops.flatten().tolist()  # B·T
        first = {crop: place for place, crop in reversed([*enumerate(crops)])}
        new = [crop for crop in first if crop not in self._heatmaps]
        kept = {crop: self._heatmaps[crop] for crop in first if crop in self._heatmaps}
        if new:
            frames = batch.frames.flatten(0, 1)[[first[crop] for crop in new]].to(device, non_blocking=True)
            kept |= zip(new, self._estimate(net, normalise(frames)), strict=True)
        self._heatmaps = kept
        shape = batch.crops.shape
        views = torch.stack([kept[crop] for crop in crops]).unflatten(0, shape).unbind(2)  # V times (B, T, J, h, w)
        combined = [self._combine(net, view) for view in views]
        return self._flip_test.average(*combined) if self._flip_test else combined[0]

    def _estimate(self, net: nn.Module, frames: torch.Tensor) -> torch.Tensor:
        """Return heatmaps (N, V, J, h, w) of frames (N, 3, H, W), of the frame and of its mirror image."""
        views = [frames, frames.flip(3)] if self._flip_test else [frames]
        return torch.cat([net.estimate(view[:, None]) for view in views], dim=1)
