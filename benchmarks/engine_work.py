"""The work that bench_engine.py times: nets, clips, and the plain model that they are compared with."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from yacs.config import CfgNode

from lib.config import load_config
from lib.core.frozen import frozen_estimator
from lib.core.loss import build_loss
from lib.core.optimizer import build_optimizer
from lib.core.predictor import Predictor, build_predictor
from lib.core.report import EpochReport
from lib.core.step import StepOptions, TrainingStep
from lib.core.strategies import pair
from lib.core.trainer import Trainer
from lib.dataset.clips import ClipDataset, ClipOptions, Clips, FixedFrames
from lib.dataset.people import unlabeled_person
from lib.frames.arrays import ArrayFrames
from lib.models import PoseWarper, build_model
from lib.pose.pixels import normalize
from lib.utils.precision import dtype_of

ROOT = Path(__file__).resolve().parent.parent
FULL = ROOT / "experiments/posetrack/hrnet/w48_384x288_adam_lr1e-4_PoseWarper_inference_temporal_pose_aggregation.yaml"
QUICK = ROOT / "experiments/synthetic/demo/posewarper.yaml"


class TorchvisionDeformConv(nn.Module):
    """The deformable convolution of torchvision with the weight and sizes of one of ours."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        self.weight, self.padding, self.dilation = ours.weight, ours.padding, ours.dilation

    def forward(self, values: Tensor, offset: Tensor) -> Tensor:
        """Return values (N, J, h, w) sampled at offsets (N, 18 · J, h, w)."""
        op = torchvision.ops.deform_conv2d
        return op(values, offset, self.weight, padding=self.padding, dilation=self.dilation)


class PlainModel(nn.Module):
    """The model as the paper describes it, in float32: every frame through the net, every pair through the head.

    Args:
        net: Net to copy the weights from.
    """

    def __init__(self, net: PoseWarper) -> None:
        super().__init__()
        net = copy.deepcopy(net)
        self.pose_net, self.offset_feats, self.offsets = net.pose_net, net.offset_feats, net.offsets
        self.deform_conv = nn.ModuleList(map(TorchvisionDeformConv, net.deform_conv))
        self.is_frozen = net.freeze_pose_net

    def forward(self, frames: Tensor, weights: Sequence[float]) -> Tensor:
        """Return heatmaps (B, J, h, w) of the key frame, gathered from the frames of clips (B, T, 3, H, W)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            heatmaps = [self.pose_net(images) for images in frames.unbind(1)]  # T times (B, J, h, w)
        total = torch.zeros_like(heatmaps[0])
        for weight, source in zip(weights, heatmaps, strict=True):
            if weight:
                features = self.offset_feats(heatmaps[0] - source)
                warped = [conv(source, of(features)) for of, conv in zip(self.offsets, self.deform_conv, strict=True)]
                total = total + weight * sum(warped) / len(warped)
        return total


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of the convolutions, two for each multiplication with its addition.

    Attributes:
        pose_net: Of one image.
        head: Of one pair of frames.
    """

    pose_net: int
    head: int


def read_experiment(quick: bool, settings: Sequence[object] = ()) -> CfgNode:
    """Return the experiment to time: five frames in HRNet-W48 at 384 × 288, or in the net of the demo.

    Args:
        quick: Choose the small net.
        settings: Keys and values that differ.

    Raises:
        InputError: A key is unknown.
    """
    return load_config(QUICK if quick else FULL, ["TEST.MODE", "aggregate", *settings])


def build_net(cfg: CfgNode, device: torch.device) -> PoseWarper:
    """Return the net of an experiment with random weights and offsets of a few pixels."""
    torch.manual_seed(0)
    net = build_model(cfg)
    for layer in net.offsets:
        nn.init.normal_(layer.weight, std=0.1)
    return net.to(device)


def build_clips(cfg: CfgNode, num_frames: int) -> ClipDataset:
    """Return one clip for each frame of a video of random pixels with one person, who stands still."""
    width, height = cfg.MODEL.IMAGE_SIZE
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, 2 * height, 2 * width, 3), dtype=np.uint8)
    box = np.array([0.6 * width, 0.6 * height, 0.8 * width, 0.8 * height])  # the crop is a quarter larger
    people = [
        unlabeled_person(box, width / height, frame=number, number=number, num_joints=cfg.MODEL.NUM_JOINTS)
        for number in range(num_frames)
    ]
    options = ClipOptions(image_size=tuple(cfg.MODEL.IMAGE_SIZE), heatmap_size=tuple(cfg.MODEL.HEATMAP_SIZE))
    return ClipDataset(people, {0: ArrayFrames(frames)}, FixedFrames(cfg.TEST.AGGREGATE.OFFSETS), options=options)


def read_batch(clips: ClipDataset, indices: Sequence[int]) -> Clips:
    """Return a batch of clips."""
    return torch.utils.data.default_collate([clips[index] for index in indices])


def count_operations(net: PoseWarper, cfg: CfgNode) -> Operations:
    """Count the operations of the pose net and of the warping head, the deformable convolutions aside."""
    width, height = cfg.MODEL.IMAGE_SIZE
    device = next(net.parameters()).device
    # The counter does not know the fused attention of the CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as pose_net:
        heatmaps = net.pose_net(torch.zeros(1, 3, height, width, device=device))
    with torch.no_grad(), FlopCounterMode(display=False) as head:
        features = net.offset_feats(heatmaps)
        for layer in net.offsets:
            layer(features)
    return Operations(pose_net.get_total_flops(), head.get_total_flops())


def plain_inference(model: PlainModel, batch: Clips, device: torch.device, weights: Sequence[float]) -> Tensor:
    """Return the plain model's heatmaps (B, J, h, w)."""
    with torch.no_grad():
        return model(normalize(batch.frames.to(device)), weights)


def inference(predictor: Predictor, batch: Clips) -> Tensor:
    """Return the heatmaps (B, J, h, w) of a predictor's net."""
    with torch.inference_mode():
        frames, labels = batch.frames.to(predictor.device), batch.targets.to(predictor.device)
        return predictor.strategy(predictor.net, normalize(frames), labels)


def predictor_of(
    quick: bool, net: PoseWarper, settings: Sequence[object], process: tuple[int, int] = (0, 1)
) -> Predictor:
    """Return the predictor of the experiment with some settings.

    Raises:
        InputError: A key is unknown, or a value not supported.
    """
    device = next(net.parameters()).device
    return build_predictor(read_experiment(quick, settings), copy.deepcopy(net), device, process=process)


def plain_step(cfg: CfgNode, net: PoseWarper, batch: Clips) -> Callable[[], None]:
    """Return a function that trains the plain model's head for one step of pairs."""
    device = next(net.parameters()).device
    model = PlainModel(net)
    model.pose_net.requires_grad_(False).eval()
    model.is_frozen = True
    model.offset_feats.train()
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], cfg.TRAIN.LR)

    def step() -> None:
        frames, targets = normalize(batch.frames.to(device)), batch.targets.to(device)
        optimizer.zero_grad()
        nn.functional.mse_loss(model(frames, (0.0, 1.0)), targets).backward()
        optimizer.step()

    return step


def our_step(cfg: CfgNode, net: PoseWarper, batch: Clips) -> Callable[[], None]:
    """Return a function that trains the head for one step of pairs, as training does with TRAIN.PRECISION."""
    device, dtype = next(net.parameters()).device, dtype_of(cfg.TRAIN.PRECISION)
    net = copy.deepcopy(net).to(memory_format=torch.channels_last).train()
    step = TrainingStep(
        net,
        Trainer(net, *build_optimizer(cfg, net)),
        strategy=partial(pair, pose_net=frozen_estimator(net.pose_net, dtype)),
        loss=build_loss(cfg, device),
        device=device,
        options=StepOptions(dtype),
    )
    return lambda: step([batch], EpochReport())
