"""Heatmaps of clips that share crops: the pose net estimates each crop once for all clips that contain it."""

import torch
from torch import nn

from lib.core.strategies import Combination, FlipTest
from lib.dataset.clips import Clips
from lib.models import PoseWarper
from lib.pose.pixels import normalize


class SharedCrops:
    """Function from clips to heatmaps that caches the heatmaps of their crops from batch to batch.

    Args:
        combine: Function from the heatmaps of single frames to those of the key frame
            (lib.core.strategies.COMBINATIONS).
        flip_test: Flip test to apply, if any.
    """

    def __init__(self, combine: Combination, flip_test: FlipTest | None = None) -> None:
        self._combine = combine
        self._flip_test = flip_test
        self._heatmaps: dict[int, torch.Tensor] = {}  # by crop, see _estimate; V is 2 with a flip test, else 1

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
        moves = batch.moves.flatten(0, 1).to(device, non_blocking=True)  # (B·T, 2, 2)
        heatmaps = _move(torch.cat([kept[crop] for crop in crops]), moves)  # (B·T, V·J, h, w)
        views = torch.unflatten(heatmaps, 0, batch.crops.shape).chunk(2 if self._flip_test else 1, dim=2)
        combined = [self._combine(net, view.flip(4) if number else view) for number, view in enumerate(views)]
        return self._flip_test.average(*combined) if self._flip_test else combined[0]

    def _estimate(self, net: PoseWarper, frames: torch.Tensor) -> list[torch.Tensor]:
        """Return the heatmaps (1, V·J, h, w) of each frame (N, 3, H, W).

        With a flip test, those of its mirror image follow, in the coordinates of the frame but with the joints of the
        mirror image.
        """
        heatmaps = net.estimate(frames[:, None])[:, 0]  # (N, J, h, w)
        if self._flip_test:
            heatmaps = torch.cat([heatmaps, net.estimate(frames.flip(3)[:, None])[:, 0].flip(3)], dim=1)
        return list(heatmaps[:, None])


def _move(heatmaps: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """Resample heatmaps of other crops into the crops of the key frames, with zeros outside.

    Args:
        heatmaps: Heatmaps (N, J, h, w).
        moves: Factors and shifts (N, 2, 2) of `Clips.moves`.

    Returns:
        Heatmaps (N, J, h, w); those that do not move are unchanged.
    """
    still = torch.all(moves == moves.new_tensor([1, 0]), dim=2).all(dim=1)
    if still.all():
        return heatmaps
    height, width = heatmaps.shape[2:]
    last = moves.new_tensor([width - 1, height - 1])
    factors, shifts = moves[~still].unbind(2)  # (M, 2)
    # The same in coordinates from −1 to 1 at the first and last cell.
    affine = torch.cat([torch.diag_embed(factors), (factors - 1 + 2 * shifts / last)[..., None]], dim=2)  # (M, 2, 3)
    grid = nn.functional.affine_grid(affine, [len(affine), *heatmaps.shape[1:]], align_corners=True)
    moved = heatmaps.clone()
    moved[~still] = nn.functional.grid_sample(heatmaps[~still], grid, mode="bicubic", align_corners=True)
    return moved
