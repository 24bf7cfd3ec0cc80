"""Strategies: functions that apply a net to a clip and return heatmaps of its key frame or of all its frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lib.models import PoseWarper
from lib.pose.heatmaps import decode, flip_back

Strategy = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""Function of a net (single-frame or PoseWarper, as the strategy requires), frames (B, T, 3, H, W) with the key frame
first, and heatmaps (B, J, h, w) of the key frame's labels. It returns heatmaps (B, J, h, w) of the key frame or
(B, T, J, h, w) of all frames."""


def single(net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Estimate the key frame with a single-frame net.

    Args:
        net: Single-frame net.
        frames: Frames (B, T, 3, H, W) of clips.
        labels: Not used.

    Returns:
        Heatmaps (B, J, h, w) of the key frame.
    """
    heatmaps: torch.Tensor = net(frames[:, 0])
    return heatmaps


def gather(net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Warp all frames to the key frame and sum them with the weights of the net: a pair or an aggregation.

    Args:
        net: PoseWarper.
        frames: Frames (B, T, 3, H, W) of clips.
        labels: Not used.

    Returns:
        Heatmaps (B, J, h, w) of the key frame.
    """
    heatmaps: torch.Tensor = net(frames)
    return heatmaps


def average(net: PoseWarper, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Average all frames with the weights of the net but without a warp, as a baseline for the aggregation.

    Args:
        net: PoseWarper.
        frames: Frames (B, T, 3, H, W) of clips.
        labels: Not used.

    Returns:
        Heatmaps (B, J, h, w) of the key frame.
    """
    return _average_heatmaps(net, net.estimate(frames))


def _average_heatmaps(net: PoseWarper, heatmaps: torch.Tensor) -> torch.Tensor:
    """Return the weighted average (B, J, h, w) of the heatmaps (B, T, J, h, w) of single frames."""
    return torch.einsum("t,btjhw->bjhw", heatmaps.new_tensor(net.weights), heatmaps)


def pair(
    net: nn.Module,
    frames: torch.Tensor,
    labels: torch.Tensor,
    pose_net: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Warp the second of two frames to the key frame, as in the training of a PoseWarper of any weights.

    Args:
        net: PoseWarper.
        frames: Frames (B, 2, 3, H, W) of clips.
        labels: Not used.
        pose_net: Pose net to use in place of that of `net`, such as lib.core.frozen.frozen_estimator returns.

    Returns:
        Heatmaps (B, J, h, w) of the key frame.
    """
    heatmaps: torch.Tensor = net(frames, weights=(0.0, 1.0), pose_net=pose_net)
    return heatmaps


def scatter(net: PoseWarper, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Warp the labels of the key frame to all frames, including itself (paper, video pose propagation).

    Args:
        net: PoseWarper.
        frames: Frames (B, T, 3, H, W) of clips.
        labels: Heatmaps (B, J, h, w) of the key frame's labels.

    Returns:
        Heatmaps (B, T, J, h, w) of all frames.
    """
    return _spread(net, frames, lambda key: labels)


def scatter_estimates(net: PoseWarper, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Warp the estimated heatmaps of the key frame to all frames, including itself.

    Args:
        net: PoseWarper.
        frames: Frames (B, T, 3, H, W) of clips.
        labels: Not used.

    Returns:
        Heatmaps (B, T, J, h, w) of all frames.
    """
    return _spread(net, frames, lambda key: key)


def near_labels(
    net: nn.Module, frames: torch.Tensor, labels: torch.Tensor, *, spread: float, sigma: float
) -> torch.Tensor:
    """Multiply the heatmaps of the key frame by a Gaussian around each label.

    Args:
        net: Single-frame net.
        frames: Frames (B, T, 3, H, W) of clips.
        labels: Heatmaps (B, J, h, w) of the key frame's labels.
        spread: Standard deviation of the Gaussians as a share of the heatmap height. It is at least one cell, because
            narrower Gaussians would fall between the cells.
        sigma: Standard deviation of the Gaussians in `labels`, in cells.

    Returns:
        Heatmaps (B, J, h, w) of the key frame; zero for joints that are not labeled.
    """
    height, width = labels.shape[-2:]
    cells, peaks = decode(labels, post_process=False, dark_sigma=sigma)
    rows, columns = (torch.arange(size, device=labels.device) for size in (height, width))
    distance = (rows[:, None] - cells[..., 1, None, None]) ** 2 + (columns - cells[..., 0, None, None]) ** 2
    prior = torch.exp(-distance / (2 * max(1.0, spread * height) ** 2)) * (peaks > 0)[..., None, None]
    heatmaps: torch.Tensor = net(frames[:, 0])
    return heatmaps.clamp(min=0) * prior


def _spread(net: PoseWarper, frames: torch.Tensor, choose: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Warp maps of the key frame to all frames.

    Args:
        net: PoseWarper.
        frames: Frames (B, T, 3, H, W) of clips.
        choose: Function from the heatmaps (B, J, h, w) of the key frame to the maps (B, J, h, w) to warp.

    Returns:
        Maps (B, T, J, h, w) of all frames.
    """
    heatmaps = net.estimate(frames).unbind(1)  # T times (B, J, h, w)
    key = heatmaps[0]
    values = choose(key)
    return torch.stack([net.warp(values, source=key, target=target) for target in heatmaps], dim=1)


STRATEGIES: dict[str, Strategy] = {"single": single, "pair": pair, "aggregate": gather, "average": average}
"""Strategy of each TEST.MODE that estimates poses. `single` requires a single-frame net, the others a PoseWarper."""


Combination = Callable[[PoseWarper, torch.Tensor], torch.Tensor]
"""Function from a PoseWarper and the heatmaps (B, T, J, h, w) of single frames to heatmaps (B, J, h, w) of the key
frame."""

COMBINATIONS: dict[str, Combination] = {"aggregate": PoseWarper.aggregate, "average": _average_heatmaps}
"""Second half of each strategy that starts with the heatmaps of single frames, by TEST.MODE."""


@dataclass(frozen=True)
class FlipTest:
    """Strategy that averages the results of another strategy for a clip and its mirror image.

    Attributes:
        strategy: Strategy to apply to both.
        flip_order: Index of the joint that each of the J joints becomes in the mirror image.
        shift: Shift heatmaps one cell to the right when they are mirrored (lib.pose.heatmaps.flip_back). This concerns
            the labels of the mirror image and its results.
    """

    strategy: Strategy
    flip_order: Sequence[int]
    shift: bool

    def __call__(self, net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the average of the heatmaps of clips and their mirror images.

        Args:
            net: Net that the strategy requires.
            frames: Frames (B, T, 3, H, W) of clips.
            labels: Heatmaps (B, J, h, w) of the key frame's labels.
        """
        mirrored = self.strategy(net, frames.flip(4), flip_back(labels, self.flip_order, self.shift))
        return self.average(self.strategy(net, frames, labels), mirrored)

    def average(self, heatmaps: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
        """Return the average (…, J, h, w) of the heatmaps of a clip and its mirror image.

        Args:
            heatmaps: Heatmaps (…, J, h, w) of the clip.
            mirrored: Heatmaps (…, J, h, w) of the mirror image, in its coordinates.
        """
        return (heatmaps + flip_back(mirrored, self.flip_order, self.shift)) / 2
