"""PoseWarper: warp the heatmaps of one frame to another by the difference of the two frames' heatmaps.

Bertasius, Feichtenhofer, Tran, Shi, Torresani, Learning Temporal Pose Estimation from Sparsely Labeled Videos,
NeurIPS 2019, section 3. Pairs, aggregation and propagation use the same operation, `PoseWarper.warp`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from lib.deform_conv import DeformConv2d
from lib.models.layers import initialize
from lib.models.residual import BasicBlock, residual_layer

STILL_SHAPES = 2
"""Number of shapes of heatmaps for which the offsets of a zero difference are cached."""


class PoseWarper(nn.Module):
    """Single-frame pose net with a head that warps its heatmaps between frames.

    The state dict has the names of the published weights: those of the pose net, then `offset_feats.*`,
    `offsets1.weight` … and `deform_conv1.weight` …

    Args:
        pose_net: Net from images (B, 3, H, W) to heatmaps (B, J, h, w).
        num_joints: Number J of heatmaps.
        num_blocks: Residual blocks between the difference of the heatmaps and the offsets.
        num_channels: Width of these blocks.
        dilations: Dilation of each deformable convolution.
        weights: Default weight of each frame of a clip, the key frame first.
        freeze_pose_net: Train only the head; the pose net gets no gradients and keeps its BatchNorm statistics.
    """

    def __init__(
        self,
        pose_net: nn.Module,
        num_joints: int,
        *,
        num_blocks: int = 20,
        num_channels: int = 128,
        dilations: Sequence[int] = (3, 6, 12, 18, 24),
        weights: Sequence[float] = (0.0, 1.0),
        freeze_pose_net: bool = False,
    ) -> None:
        super().__init__()
        self.weights = tuple(weights)
        self.freeze_pose_net = freeze_pose_net
        self.pose_net = pose_net
        self.offset_feats = residual_layer(BasicBlock, num_joints, num_channels, num_blocks)
        num_offsets = 2 * 3 * 3 * num_joints  # Δy and Δx of each kernel tap, separately for each joint
        offsets = [nn.Conv2d(num_channels, num_offsets, 3, padding=d, dilation=d, bias=False) for d in dilations]
        self.offsets = nn.ModuleList(offsets)
        self.deform_conv = nn.ModuleList(
            DeformConv2d(num_joints, num_joints, 3, padding=d, dilation=d) for d in dilations
        )
        initialize(self.offset_feats)
        for layer in offsets:
            nn.init.zeros_(layer.weight)  # with the identity in each deform_conv, training starts at warp(x) = x
        if freeze_pose_net:
            pose_net.requires_grad_(False)
        self._still: dict[Any, list[Tensor]] = {}  # cache of _still_offsets, for weights of these versions:
        self._versions: list[tuple[int, int]] = []
        self.train(self.training)
        # PyTorch does not annotate the registration of hooks.
        self.register_state_dict_post_hook(_flatten_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_nest_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_flatten_reported_names)  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> "PoseWarper":
        """Set training or evaluation mode; a frozen pose net stays in evaluation mode.

        Args:
            mode: True for training mode.
        """
        super().train(mode)
        self._still = {}
        if self.freeze_pose_net:
            self.pose_net.eval()
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> "PoseWarper":
        self._still = {}  # a new tensor may have the address of an old one
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]  # PyTorch does not annotate it
        return self

    def estimate(self, frames: Tensor, pose_net: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return the heatmaps (B, T, J, h, w) of single frames, without any warp.

        Args:
            frames: Clips (B, T, 3, H, W).
            pose_net: Pose net to use in place of `self.pose_net`, such as its inference form.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_pose_net):
            heatmaps: Tensor = (pose_net or self.pose_net)(frames.flatten(0, 1))  # (B·T, J, h, w)
        return torch.unflatten(heatmaps, 0, frames.shape[:2])  # (B, T, J, h, w)

    def warp(self, values: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Warp `values` as the pose moves from frame `source` to frame `target` (paper, equations 1 and 2).

        Args:
            values: Maps (N, J, h, w) of the source frame: its heatmaps, or the heatmaps of its labels.
            source: Heatmaps (N, J, h, w) of the source frame.
            target: Heatmaps (N, J, h, w) of the target frame. Pass the same tensor to warp a frame onto itself:
                inference then computes the offsets once per shape and caches them.

        Returns:
            Maps (N, J, h, w) of the target frame.
        """
        offsets = self._still_offsets(source) if source is target else self._offsets(target - source)
        warped = torch.zeros_like(values)  # (N, J, h, w)
        for count, (offset, deform_conv) in enumerate(zip(offsets, self.deform_conv, strict=True), start=1):
            # Running mean over the dilations. Unlike a sum divided by their number, it is exact if they all agree.
            warped = warped + (deform_conv(values, offset) - warped) / count
        return warped

    def _offsets(self, difference: Tensor) -> Iterator[Tensor]:
        """Return the offsets (N, 18 · J, h, w) of each dilation, computed one at a time because they are large."""
        features = self.offset_feats(difference)  # (N, C, h, w)
        return (offsets(features) for offsets in self.offsets)

    def _still_offsets(self, heatmaps: Tensor) -> Iterator[Tensor]:
        """Return the offsets for a zero difference, which do not depend on the values of the heatmaps (N, J, h, w).

        Inference caches them for each shape (the batch size changes the last bits) and type, and for the same weights.
        The last STILL_SHAPES are kept, because the last batch of a data set is often smaller than the others. Addresses
        and versions of the weights reveal a change, except one through `parameter.data`; `train()`, `eval()`, `to()`
        and similar methods always clear the cache.
        """
        head = (self.offset_feats, self.offsets)
        weights = [weight for part in head for weight in chain(part.parameters(), part.buffers())]
        learns = self.offset_feats.training or torch.is_grad_enabled()
        if learns or torch.compiler.is_compiling() or any(weight.is_inference() for weight in weights):
            return self._offsets(torch.zeros_like(heatmaps))
        device = heatmaps.device
        autocast = torch.is_autocast_enabled(device.type) and torch.get_autocast_dtype(device.type)
        versions = [(weight.data_ptr(), weight._version) for weight in weights]
        if versions != self._versions:
            self._still, self._versions = {}, versions
        key = (heatmaps.shape, heatmaps.dtype, device, autocast)
        still = self._still.pop(key, None)
        if still is None:
            still = [offset[:1].clone() for offset in self._offsets(torch.zeros_like(heatmaps))]
        self._still[key] = still  # the most recent one comes last
        if len(self._still) > STILL_SHAPES:
            del self._still[next(iter(self._still))]
        return (offset.expand(len(heatmaps), -1, -1, -1) for offset in still)

    def forward(
        self,
        frames: Tensor,
        weights: Sequence[float] | None = None,
        pose_net: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return the heatmaps of the key frame, aggregated from the frames of its clip.

        Args:
            frames: Clips (B, T, 3, H, W), the key frame first. Other frames of weight 0 are skipped.
            weights: Weights of the T frames; None: those of the constructor.
            pose_net: Pose net to use in place of `self.pose_net`, such as its inference form.

        Returns:
            Weighted sum (B, J, h, w) of the heatmaps of all frames, warped to the key frame.

        Raises:
            ValueError: The number of weights is not T.
        """
        weights = self.weights if weights is None else weights
        if frames.shape[1] != len(weights):
            raise ValueError(f"clips of {frames.shape[1]} frames, but {len(weights)} weights: {tuple(weights)}")
        # The heatmaps of the key frame define the target of every warp, even if their weight is 0.
        needed = [i for i, weight in enumerate(weights) if i == 0 or weight != 0]
        return self.aggregate(self.estimate(frames[:, needed], pose_net), [weights[i] for i in needed])

    def aggregate(self, heatmaps: Tensor, weights: Sequence[float] | None = None) -> Tensor:
        """Return the weighted sum of each frame's heatmaps, warped to the key frame.

        Args:
            heatmaps: Heatmaps (B, T, J, h, w) of single frames, the key frame first.
            weights: Weights of the T frames; None: those of the constructor.

        Returns:
            Heatmaps (B, J, h, w) of the key frame.
        """
        weights = self.weights if weights is None else weights
        sources = heatmaps.unbind(1)  # T times (B, J, h, w)
        key = sources[0]
        total = torch.zeros_like(key)
        for weight, source in zip(weights, sources, strict=True):
            if weight != 0:
                total = total + weight * self.warp(source, source=source, target=key)
        return total  # (B, J, h, w)


def _flat_name(name: str) -> str:
    """Return the published name: `pose_net.conv1.weight` → `conv1.weight`, `offsets.0.weight` → `offsets1.weight`."""
    name = re.sub(r"\bpose_net\.", "", name, count=1)
    return re.sub(r"\b(offsets|deform_conv)\.(\d+)", lambda match: f"{match[1]}{int(match[2]) + 1}", name)


def _nested_name(name: str) -> str:
    """Return the inverse of `_flat_name`; names outside the head belong to the pose net."""
    if match := re.fullmatch(r"(offsets|deform_conv)(\d+)\.(.+)", name):
        return f"{match[1]}.{int(match[2]) - 1}.{match[3]}"
    return name if name.startswith("offset_feats.") else f"pose_net.{name}"


def _rename(state_dict: dict[str, Any], prefix: str, new_name: Callable[[str], str]) -> None:
    """Rename all entries below `prefix` in place, keeping their order."""
    for name in [name for name in state_dict if name.startswith(prefix)]:
        state_dict[prefix + new_name(name.removeprefix(prefix))] = state_dict.pop(name)


def _flatten_names(module: nn.Module, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any]) -> None:
    _rename(state_dict, prefix, _flat_name)


def _nest_names(module: nn.Module, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
    _rename(state_dict, prefix, _nested_name)


def _flatten_reported_names(module: nn.Module, incompatible_keys: Any) -> None:
    """Report missing and unexpected tensors under the names in the file."""
    for names in incompatible_keys:
        names[:] = map(_flat_name, names)
