"""`Predictor`: a net made ready for inference. Everything that estimates poses goes through it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.contrib.logging import logging_redirect_tqdm
from yacs.config import CfgNode

from lib.core.batching import BatchSizer
from lib.core.shared_crops import SharedCrops
from lib.core.strategies import COMBINATIONS, STRATEGIES, FlipTest, Strategy
from lib.dataset import build_loader_options, build_skeleton
from lib.dataset.clips import ClipDataset, Clips
from lib.dataset.held_crops import hold_crops
from lib.dataset.loaders import Batches, LoaderOptions, sequential_loader
from lib.models.inference import build_inference_form
from lib.pose.heatmaps import decode, to_image
from lib.pose.pixels import normalise
from lib.utils import distributed
from lib.utils.errors import InputError
from lib.utils.interrupts import defer_sigint
from lib.utils.progress import progress_bar


@dataclass(frozen=True)
class DecodeOptions:
    """How a joint is placed within its heatmap (lib.pose.heatmaps.decode).

    Attributes:
        post_process: Move the joint a quarter of a cell toward the higher neighbor (Newell et al., ECCV 2016).
        dark_sigma: Standard deviation of the training targets in cells: DARK decoding (Zhang et al., CVPR 2020),
            in place of `post_process`. 0 turns it off.
        per_axis: Of `post_process`, the rule of MMPose 1.x: each axis is moved by itself.
    """

    post_process: bool = False
    dark_sigma: float = 0.0
    per_axis: bool = False


@dataclass(frozen=True)
class Estimates:
    """The poses of one batch of B clips.

    Attributes:
        clips: The batch.
        heatmaps: (B, J, h, w) on the device of the net; (B, T, J, h, w) of a strategy that scatters.
        joints: (B, J, 2) or (B, T, J, 2) float64, x and y in image pixels.
        scores: (B, J) or (B, T, J) float32, the heatmap's value at each joint.
    """

    clips: Clips
    heatmaps: torch.Tensor
    joints: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Poses:
    """The poses of all P people of a data set, in its order.

    Attributes:
        joints: (P, J, 2) or (P, T, J, 2) float64, x and y in image pixels.
        scores: (P, J) or (P, T, J) float32, the heatmap's value at each joint.
        replaced: Number of frames that were missing or damaged and had the nearest frame take their place.
    """

    joints: np.ndarray
    scores: np.ndarray
    replaced: int


class Predictor:
    """Estimate the poses of clips with a net.

    Args:
        net: A single-frame net or a PoseWarper, on `device`. It is put into evaluation mode.
        strategy: Turns the frames of a clip into heatmaps (lib.core.strategies).
        device: Device of the net.
        decode: How joints are placed within their heatmaps.
        loader: Size of a batch and number of reading processes.
        process: Rank and number of the processes that share the clips.
        shared: Holds crops for clips of neighboring frames and uses each crop's heatmaps in all of them, in place of
            `strategy`; None: each clip by itself.

    Example:
        >>> predictor = Predictor(net, single, device=torch.device("cpu"))
        >>> poses = predictor.predict(clips)  # clips: a ClipDataset of P people
        >>> poses.joints.shape
        (P, 17, 2)
    """

    def __init__(
        self,
        net: nn.Module,
        strategy: Strategy,
        *,
        device: torch.device,
        decode: DecodeOptions | None = None,
        loader: LoaderOptions | None = None,
        process: tuple[int, int] = (0, 1),
        shared: SharedCrops | None = None,
    ) -> None:
        self.net = net.eval()
        self.strategy = strategy
        self.device = device
        self.decode = decode or DecodeOptions()
        self._loader = loader or LoaderOptions()
        self._process = process
        self._shared = shared
        self._sizer = BatchSizer(device, grows=self._loader.batch_size is None)

    @property
    def held_frames(self) -> int:
        """Return the largest number of frames that share a crop."""
        return self._shared.hold.max_frames if self._shared else 1

    def batches(self, clips: ClipDataset, **progress: Any) -> Iterator[Estimates]:
        """Yield the poses of this process's share of the clips, batch by batch, in order unless they share crops.

        Args:
            clips: People and the frames around them.
            **progress: Options of the progress bar (tqdm), such as `desc`, `delay` or `leave`.

        Raises:
            InputError: A key frame is damaged.
        """
        rank, _ = self._process
        clips, loader = self._read(clips)
        upcoming = loader.batch_sampler
        self._sizer.begin(upcoming)
        with defer_sigint():
            batches = iter(loader)
        bar = progress_bar(len(upcoming.clips), "person", **{"disable": rank > 0, **progress})
        with bar, logging_redirect_tqdm():
            for batch in batches:
                yield self._estimate(batch, clips, upcoming)
                bar.update(len(batch.index))

    def predict(
        self, clips: ClipDataset, *, on_batch: Callable[[int, Estimates], None] | None = None, **progress: Any
    ) -> Poses:
        """Return the poses of all clips, in their order, in every process that shares them.

        Args:
            clips: People and the frames around them.
            on_batch: Called after each batch with its number and its poses.
            **progress: As of `batches`.

        Raises:
            InputError: A key frame is damaged, or the heatmaps are not finite.
        """
        parts, replaced = [], 0
        for step, batch in enumerate(self.batches(clips, **progress)):
            if on_batch:
                on_batch(step, batch)
            parts.append((batch.clips.index.numpy(), batch.joints, batch.scores))  # no heatmaps: they fill the memory
            replaced += int(batch.clips.replaced.sum())
        shares = distributed.gather((parts, replaced))
        columns = zip(*(part for parts, _ in shares for part in parts), strict=True)
        index, joints, scores = (np.concatenate(column) for column in columns)
        if not np.isfinite(scores).all():
            raise InputError("the net's heatmaps are not finite: the weights have diverged")
        order = np.argsort(index)
        return Poses(joints[order], scores[order], sum(count for _, count in shares))

    def num_batches(self, clips: ClipDataset) -> int:
        """Return the number of batches of this process's share of the clips."""
        _, loader = self._read(clips)
        return len(loader)

    def _read(self, clips: ClipDataset) -> tuple[ClipDataset, DataLoader]:
        """Return the clips, in held crops if they share them, and their batches."""
        order = None
        if self._shared:
            self._shared.forget()
            reach = max(clips.offsets) - min(clips.offsets)
            people, order = hold_crops(clips.people, self._shared.hold, reach)
            clips = clips.with_people(people)
        cuda = self.device.type == "cuda"
        return clips, sequential_loader(clips, self._loader, process=self._process, cuda=cuda, order=order)

    @torch.inference_mode()
    def _estimate(self, batch: Clips, clips: ClipDataset, upcoming: Batches) -> Estimates:
        heatmaps = self._sizer.run(self._heatmaps, batch, upcoming)  # (B, J, h, w) or (B, T, J, h, w)
        decoding = self.decode
        maps = heatmaps.flatten(0, -4)
        found = decode(maps, decoding.post_process, decoding.dark_sigma, decoding.per_axis)
        cells, scores = np.split(torch.cat([found[0], found[1][..., None]], dim=2).cpu().numpy(), [2], axis=2)
        people = [clips.people[index] for index in batch.index.tolist()]
        centers, scales = [person.center for person in people], [person.scale for person in people]
        joints = to_image(cells.reshape(len(people), -1, 2), centers, scales, heatmaps.shape[:-3:-1], clips.udp)
        shape = heatmaps.shape[:-2]
        return Estimates(batch, heatmaps, joints.reshape(*shape, 2), scores.reshape(shape))

    def _heatmaps(self, batch: Clips) -> torch.Tensor:
        if self._shared:
            return self._shared(self.net, batch, self.device)
        frames, labels = (tensor.to(self.device, non_blocking=True) for tensor in (batch.frames, batch.targets))
        return self.strategy(self.net, normalise(frames), labels)


def build_predictor(
    cfg: CfgNode,
    net: nn.Module,
    device: torch.device,
    process: tuple[int, int] = (0, 1),
    strategy: Strategy | None = None,
) -> Predictor:
    """Return the predictor of an experiment.

    Args:
        cfg: The experiment.
        net: Its net, on `device`. With TEST.MODE single the pose net inside a PoseWarper is used.
        device: Device of the net.
        process: Rank and number of the processes that share the clips.
        strategy: Used in place of that of TEST.MODE, with `net` as it is.
    """
    shares = strategy is None and cfg.TEST.AGGREGATE.SHARE_CROPS and cfg.TEST.MODE in COMBINATIONS
    if strategy is None:
        strategy = STRATEGIES[cfg.TEST.MODE]
        net = net.pose_net if cfg.TEST.MODE == "single" and cfg.MODEL.WARP.ENABLED else net
    flip_test = None
    if cfg.TEST.FLIP_TEST:
        flip_test = FlipTest(strategy, build_skeleton(cfg).flip_order, cfg.TEST.SHIFT_HEATMAP)
    return Predictor(
        build_inference_form(cfg, net, device),
        flip_test or strategy,
        device=device,
        decode=build_decode_options(cfg),
        loader=build_loader_options(cfg),
        process=process,
        shared=SharedCrops(COMBINATIONS[cfg.TEST.MODE], flip_test) if shares else None,
    )


def build_decode_options(cfg: CfgNode) -> DecodeOptions:
    """Return how TEST places joints; DARK is a part of UDP."""
    dark = cfg.TEST.DARK or cfg.MODEL.TARGET_TYPE == "udp"
    return DecodeOptions(
        post_process=cfg.TEST.POST_PROCESS,
        dark_sigma=float(cfg.MODEL.SIGMA) if dark else 0.0,
        per_axis=cfg.TEST.POST_PROCESS_PER_AXIS,
    )
