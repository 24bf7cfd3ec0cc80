"""What a net makes of a clip: heatmaps of its key frame, or of all its frames. A mode of testing is one of these."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lib.pose.heatmaps import decode, flip_back

Strategy = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
"""A net, frames (B, T, 3, H, W) and the label heatmaps (B, J, h, w) of frame 0 to heatmaps (B, J, h, w) of frame 0, or
(B, T, J, h, w) of every frame."""


def single(net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The key frame alone, in a single-frame net."""
    return net(frames[:, 0])


def gather(net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """All frames warped to the key frame, in a PoseWarper: a pair or an aggregation by the net's weights."""
    return net(frames)


def average(net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Average all frames where they are by a PoseWarper's weights: the control that an aggregation has to beat."""
    return _average_heatmaps(net, net.estimate(frames))


def _average_heatmaps(net: nn.Module, heatmaps: torch.Tensor) -> torch.Tensor:
    """Return the weighted average (B, J, h, w) of each frame's heatmaps (B, T, J, h, w)."""
    return torch.einsum("t,btjhw->bjhw", heatmaps.new_tensor(net.weights), heatmaps)


def _aggregate_heatmaps(net: nn.Module, heatmaps: torch.Tensor) -> torch.Tensor:
    """Return the heatmaps (B, J, h, w) that a PoseWarper gathers from those of each frame (B, T, J, h, w)."""
    return net.aggregate(heatmaps)


def pair(
    net: nn.Module,
    frames: torch.Tensor,
    labels: torch.Tensor,
    pose_net: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """The second of two frames warped to the key frame, in a PoseWarper whatever its weights: how it is trained.

    Args:
        pose_net: used in place of the net's own, such as a frozen one's inference form (lib.core.frozen).
    """
    return net(frames, weights=(0.0, 1.0), pose_net=pose_net)


def scatter(net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The key frame's labels warped to every frame, the key frame among them (paper, video pose propagation)."""
    return _spread(net, frames, lambda key: labels)


def scatter_own(net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """What the net itself makes of the key frame, warped to every frame."""
    return _spread(net, frames, lambda key: key)


def near_labels(
    net: nn.Module, frames: torch.Tensor, labels: torch.Tensor, spread: float, sigma: float
) -> torch.Tensor:
    """The key frame alone, in a single-frame net, times a gaussian around each label.

    Args:
        spread: the gaussian's width, as a share of the height of the heatmaps, but a cell at least, under which it
            would fall between them. A joint without a label gets nothing.
        sigma: of the labels' own gaussians, in cells.
    """
    height, width = labels.shape[-2:]
    cells, peaks = decode(labels, post_process=False, dark_sigma=sigma)
    rows, columns = (torch.arange(size, device=labels.device) for size in (height, width))
    distance = (rows[:, None] - cells[..., 1, None, None]) ** 2 + (columns - cells[..., 0, None, None]) ** 2
    prior = torch.exp(-distance / (2 * max(1.0, spread * height) ** 2)) * (peaks > 0)[..., None, None]
    return net(frames[:, 0]).clamp(min=0) * prior


def _spread(net: nn.Module, frames: torch.Tensor, choose: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """(B, T, J, h, w): what is chosen for the key frame, by its heatmaps, warped to every frame."""
    heatmaps = net.estimate(frames).unbind(1)  # T times (B, J, h, w)
    key = heatmaps[0]
    values = choose(key)
    return torch.stack([net.warp(values, source=key, target=target) for target in heatmaps], dim=1)


STRATEGIES: dict[str, Strategy] = {"single": single, "pair": pair, "aggregate": gather, "average": average}
"""The strategy of each TEST.MODE that estimates poses; `single` wants a single-frame net."""


Combination = Callable[[nn.Module, torch.Tensor], torch.Tensor]
"""A PoseWarper and heatmaps (B, T, J, h, w) of each frame by itself to heatmaps (B, J, h, w) of frame 0."""

COMBINATIONS: dict[str, Combination] = {"aggregate": _aggregate_heatmaps, "average": _average_heatmaps}
"""Second half of those strategies that begin with the heatmaps of each frame by itself, by TEST.MODE."""


@dataclass(frozen=True)
class FlipTest:
    """A strategy on the clip and on its mirror image, averaged.

    Attributes:
        strategy: what is done with either.
        flip_order: (J,) joint that each joint of the mirror image is.
        shift: move heatmaps one cell to the right as they are mirrored (lib.pose.heatmaps.flip_back): the labels on
            their way to the mirror image, what is made of it on its way back.
    """

    strategy: Strategy
    flip_order: Sequence[int]
    shift: bool

    def __call__(self, net: nn.Module, frames: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        mirrored = self.strategy(net, frames.flip(4), flip_back(labels, self.flip_order, self.shift))
        return self.average(self.strategy(net, frames, labels), mirrored)

    def average(self, heatmaps: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
        """Return the average of the heatmaps (…, J, h, w) of a clip and of its mirror image."""
        return (heatmaps + flip_back(mirrored, self.flip_order, self.shift)) / 2
