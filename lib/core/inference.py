"""The one inference loop. Evaluators and writers consume what it yields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from lib.core.strategies import Strategy
from lib.dataset.clips import Clips
from lib.pose.heatmaps import decode, to_image
from lib.pose.pixels import normalise
from lib.utils import distributed
from lib.utils.errors import InputError
from lib.utils.interrupts import defer_sigint


@dataclass(frozen=True)
class Estimates:
    """The poses of one batch of B clips.

    Attributes:
        clips: the batch.
        heatmaps: (B, J, h, w), on the device of the net; (B, T, J, h, w) of a strategy that scatters.
        points: (B, J, 2) or (B, T, J, 2) float64 x, y in image pixels.
        peaks: (B, J) or (B, T, J) float32 heatmap values there.
    """

    clips: Clips
    heatmaps: torch.Tensor
    points: np.ndarray
    peaks: np.ndarray


def infer(
    net: nn.Module,
    loader: DataLoader,
    strategy: Strategy,
    device: torch.device,
    post_process: bool,
    dark_sigma: float = 0.0,
    per_axis: bool = False,
) -> Iterator[Estimates]:
    """The poses of a data set, batch by batch, in its order.

    Args:
        net: in eval mode, on `device`.
        loader: of a ClipDataset, not shuffled.
        strategy: what the net makes of a clip.
        post_process, dark_sigma, per_axis: how a joint is placed within its cell (lib.pose.heatmaps.decode).
    """
    people = loader.dataset.people
    with defer_sigint():
        batches = iter(loader)
    for clips in batches:
        with torch.inference_mode():
            frames, labels = (tensor.to(device, non_blocking=True) for tensor in (clips.frames, clips.targets))
            heatmaps = strategy(net, normalise(frames), labels)
            cells, peaks = decode(heatmaps.flatten(0, -4), post_process, dark_sigma, per_axis)
        batch = [people[index] for index in clips.index.tolist()]
        centers, scales = [person.center for person in batch], [person.scale for person in batch]
        cells = cells.cpu().numpy().reshape(len(batch), -1, 2)
        points = to_image(cells, centers, scales, heatmaps.shape[:-3:-1], loader.dataset.udp)
        shape = heatmaps.shape[:-2]  # (B, J) or (B, T, J)
        yield Estimates(clips, heatmaps, points.reshape(*shape, 2), peaks.cpu().numpy().reshape(shape))


@dataclass(frozen=True)
class Poses:
    """The poses of all P people of a data set, in its order.

    Attributes:
        points: (P, J, 2) or (P, T, J, 2) float64 x, y in image pixels; peaks without the last axis, float32.
        replaced: frames that were not there and had the nearest ones stand in for them.
    """

    points: np.ndarray
    peaks: np.ndarray
    replaced: int


def collect(batches: Iterable[Estimates]) -> Poses:
    """The batches of all processes that share a data set, put together in every process.

    Raises:
        InputError: heatmaps that are not finite.
    """
    parts, replaced = [], 0
    for batch in batches:
        parts.append((batch.clips.index.numpy(), batch.points, batch.peaks))
        replaced += int(batch.clips.replaced.sum())
    shares = distributed.gather((parts, replaced))
    columns = zip(*(part for parts, _ in shares for part in parts), strict=True)
    index, points, peaks = (np.concatenate(column) for column in columns)
    if not np.isfinite(peaks).all():
        raise InputError("the net's heatmaps are not finite: the weights have diverged")
    order = np.argsort(index)
    return Poses(points[order], peaks[order], sum(count for _, count in shares))
