"""`Predictor`: a net prepared for inference, used by everything that estimates poses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from lib.core.batching import BatchSizer
from lib.core.shared_crops import SharedCrops
from lib.core.strategies import COMBINATIONS, STRATEGIES, FlipTest, Strategy
from lib.dataset import build_loader_options, build_skeleton
from lib.dataset.clips import ClipDataset, Clips
from lib.dataset.loaders import Batches, LoaderOptions, sequential_loader
from lib.models import PoseWarper
from lib.models.inference import build_inference_form
from lib.pose.heatmaps import decode, to_image
from lib.pose.pixels import normalize
from lib.utils import distributed
from lib.utils.errors import InputError
from lib.utils.interrupts import defer_sigint
from lib.utils.progress import progress_bar


@dataclass(frozen=True)
class DecodeOptions:
    """Options for decoding joints from heatmaps (lib.pose.heatmaps.decode).

    Attributes:
        post_process: Move each joint a quarter of a cell toward the higher neighbor (Newell et al., ECCV 2016).
        dark_sigma: Standard deviation of the training targets in cells, for DARK decoding (Zhang et al., CVPR 2020)
            in place of `post_process`; 0 turns it off.
        per_axis: Let `post_process` move x and y independently, as in MMPose 1.x.
    """

    post_process: bool = False
    dark_sigma: float = 0.0
    per_axis: bool = False


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Poses of one batch of B clips.

    Attributes:
        clips: The batch.
        heatmaps: Heatmaps (B, J, h, w) on the device of the net; (B, T, J, h, w) if the strategy returns all frames.
        joints: Joints (B, J, 2) or (B, T, J, 2) float64, x and y in image pixels.
        scores: Scores (B, J) or (B, T, J) float32, the value of the heatmap at each joint.
    """

    clips: Clips
    heatmaps: torch.Tensor
    joints: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Poses:
    """Poses of all P people of a data set, in its order.

    Attributes:
        joints: Joints (P, J, 2) or (P, T, J, 2) float64, x and y in image pixels.
        scores: Scores (P, J) or (P, T, J) float32, the value of the heatmap at each joint.
        replaced: Number of missing or damaged frames that were replaced by the nearest frame.
        damaged: Indices of the people in damaged key frames, whose poses are those of black frames.
    """

    joints: np.ndarray
    scores: np.ndarray
    replaced: int
    damaged: Sequence[int] = ()


class Predictor:
    """Estimate the poses of clips with a net.

    Args:
        net: Single-frame net or PoseWarper, on `device`. It is set to evaluation mode.
        strategy: Function from the frames of a clip to heatmaps (lib.core.strategies).
        device: Device of the net.
        decode: Options for decoding joints; None: the defaults.
        loader: Batch size and number of reading processes; None: the defaults.
        process: Rank of this process and number of processes that share the clips.
        shared: Used in place of `strategy` to estimate each crop once for all clips that contain it; None: estimate
            each clip separately.

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
    def shares_crops(self) -> bool:
        """True if clips of neighboring frames share crops, so that many frames at once are faster."""
        return self._shared is not None

    def batches(self, clips: ClipDataset, **progress: Any) -> Iterator[Estimates]:
        """Estimate this process's share of the clips, in order unless they share crops.

        Args:
            clips: Clips of people.
            **progress: Options of the progress bar (tqdm), such as `desc`, `delay` or `leave`.

        Yields:
            The poses of each batch.

        Raises:
            InputError: A key frame is damaged.
        """
        clips, loader = self._read(clips)
        upcoming = cast(Batches, loader.batch_sampler)
        self._sizer.begin(upcoming)
        with defer_sigint():
            batches = iter(loader)
        bar = progress_bar(len(upcoming.clips), "person", **progress)
        with bar:
            for batch in batches:
                yield self._estimate(batch, clips, upcoming)
                bar.update(len(batch.index))

    def predict(
        self, clips: ClipDataset, *, on_batch: Callable[[int, Estimates], None] | None = None, **progress: Any
    ) -> Poses:
        """Return the poses of all clips in order, in each process that shares them.

        Args:
            clips: Clips of people.
            on_batch: Called after each batch with its number and its poses.
            **progress: Options of the progress bar (tqdm), such as `desc`, `delay` or `leave`.

        Raises:
            InputError: A key frame is damaged, or the heatmaps are not finite.
        """
        parts, replaced = [], 0
        for step, batch in enumerate(self.batches(clips, **progress)):
            if on_batch:
                on_batch(step, batch)
            index, damaged = (torch.as_tensor(column).numpy() for column in (batch.clips.index, batch.clips.damaged))
            parts.append(
                (index, batch.joints, batch.scores, damaged > 0)
            )  # without heatmaps, which would fill the memory
            replaced += int(torch.as_tensor(batch.clips.replaced).sum())
        shares = distributed.gather((parts, replaced))
        columns = zip(*(part for parts, _ in shares for part in parts), strict=True)
        index, joints, scores, damaged = (np.concatenate(column) for column in columns)
        if not np.isfinite(scores).all():
            raise InputError("the net's heatmaps are not finite: the weights have diverged")
        order = np.argsort(index)
        replaced = sum(count for _, count in shares)
        return Poses(joints[order], scores[order], replaced, sorted(index[damaged].tolist()))

    def num_batches(self, clips: ClipDataset) -> int:
        """Return the number of batches in this process's share of the clips.

        Args:
            clips: Clips of people.
        """
        _, loader = self._read(clips)
        return len(loader)

    def _read(self, clips: ClipDataset) -> tuple[ClipDataset, DataLoader[Clips]]:
        """Return the clips, which share crops if the predictor does, and their batches."""
        order = None
        if self._shared:
            self._shared.forget()
            clips, order = clips.with_shared_crops()
        cuda = self.device.type == "cuda"
        return clips, sequential_loader(clips, self._loader, process=self._process, cuda=cuda, order=order)

    @torch.inference_mode()
    def _estimate(self, batch: Clips, clips: ClipDataset, upcoming: Batches) -> Estimates:
        heatmaps = self._sizer.run(self._heatmaps, batch, upcoming)  # (B, J, h, w) or (B, T, J, h, w)
        decoding = self.decode
        maps = heatmaps.flatten(0, -4)
        found = decode(maps, decoding.post_process, decoding.dark_sigma, decoding.per_axis)
        cells, scores = np.split(torch.cat([found[0], found[1][..., None]], dim=2).cpu().numpy(), [2], axis=2)
        people = [clips.people[index] for index in torch.as_tensor(batch.index).tolist()]
        centers, scales = np.stack([person.center for person in people]), np.stack([person.scale for person in people])
        joints = to_image(cells.reshape(len(people), -1, 2), centers, scales, heatmaps.shape[:-3:-1], clips.udp)
        shape = heatmaps.shape[:-2]
        return Estimates(clips=batch, heatmaps=heatmaps, joints=joints.reshape(*shape, 2), scores=scores.reshape(shape))

    def _heatmaps(self, batch: Clips) -> torch.Tensor:
        if self._shared:
            return self._shared(cast(PoseWarper, self.net), batch, self.device)
        frames, labels = (tensor.to(self.device, non_blocking=True) for tensor in (batch.frames, batch.targets))
        return self.strategy(self.net, normalize(frames), labels)


def build_predictor(
    cfg: CfgNode,
    net: nn.Module,
    device: torch.device,
    *,
    process: tuple[int, int] = (0, 1),
    strategy: Strategy | None = None,
) -> Predictor:
    """Return the predictor of an experiment.

    Args:
        cfg: The experiment.
        net: Net of the experiment, on `device`. TEST.MODE single uses the pose net of a PoseWarper.
        device: Device of the net.
        process: Rank of this process and number of processes that share the clips.
        strategy: Strategy in place of that of TEST.MODE, applied to `net` itself.
    """
    shares = strategy is None and cfg.TEST.AGGREGATE.SHARE_CROPS and cfg.TEST.MODE in COMBINATIONS
    if strategy is None:
        strategy = STRATEGIES[cfg.TEST.MODE]
        net = net.pose_net if cfg.TEST.MODE == "single" and isinstance(net, PoseWarper) else net
    flip_test = None
    if cfg.TEST.FLIP_TEST:
        flip_test = FlipTest(strategy, build_skeleton(cfg).flip_order.tolist(), cfg.TEST.SHIFT_HEATMAP)
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
    """Return the options of TEST for decoding joints; UDP includes DARK.

    Args:
        cfg: The experiment.
    """
    dark = cfg.TEST.DARK or cfg.MODEL.TARGET_TYPE == "udp"
    return DecodeOptions(
        post_process=cfg.TEST.POST_PROCESS,
        dark_sigma=float(cfg.MODEL.SIGMA) if dark else 0.0,
        per_axis=cfg.TEST.POST_PROCESS_PER_AXIS,
    )
