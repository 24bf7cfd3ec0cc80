"""Inference form of a net: a copy with folded BatchNorm whose weights have the dtype of the computation."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from yacs.config import CfgNode

from lib.models.onnx_net import OnnxNet
from lib.models.pose_warper import PoseWarper
from lib.utils.precision import allow_tf32, choose_precision, dtype_of


def prepare_for_inference(net: nn.Module, dtype: torch.dtype = torch.float32, compile: bool = False) -> nn.Module:
    """Return a copy of a net that estimates the same heatmaps in less time.

    BatchNorm is folded into the convolutions, and tensors are channels-last. With a half type, the convolutions store
    their weights and compute in it; the last layer of the pose net, which adds up the heatmaps, and the deformable
    convolutions, which resample them, stay in float32. Images and heatmaps are always float32.

    The copy does not follow later changes of the net and cannot be trained.

    Args:
        net: Single-frame net or PoseWarper. It is not modified.
        dtype: Dtype of the convolutions.
        compile: Compile the pose net and the layers before the offsets, once for each batch size, with their weights
            as constants.

    Returns:
        The copy, in evaluation mode on the same device.
    """
    net = copy.deepcopy(net).eval().requires_grad_(False)
    _fold_batch_norm(net)
    net.to(memory_format=torch.channels_last)
    pose_net = net.pose_net if isinstance(net, PoseWarper) else net
    parts = [pose_net, net.offset_feats] if isinstance(net, PoseWarper) else [pose_net]
    for part in parts:
        part.to(dtype)
        part.register_forward_pre_hook(_to_type(dtype))
    if isinstance(net, PoseWarper):
        net.offsets.to(dtype)
    if isinstance(pose_net.final_layer, nn.Conv2d):
        pose_net.final_layer.float().register_forward_pre_hook(_to_type(torch.float32))
    if compile:
        for part in parts:
            part.compile(dynamic=False, options={"freezing": True})
    return net


def build_inference_form(cfg: CfgNode, net: nn.Module, device: torch.device) -> nn.Module:
    """Return the inference form of a net with TEST.PRECISION and TEST.COMPILE.

    TEST.PRECISION tf32 lets CUDA round the factors of all float32 products in the whole process.

    Args:
        cfg: The experiment.
        net: Its net, on `device`.
        device: Device of the net.
    """
    if isinstance(net, OnnxNet):
        return net  # in this form already
    precision = choose_precision("TEST.PRECISION", cfg.TEST.PRECISION, device)
    if precision == "tf32":
        allow_tf32()
    return prepare_for_inference(net, dtype_of(precision), cfg.TEST.COMPILE)


def _to_type(dtype: torch.dtype) -> Callable[[nn.Module, tuple[Tensor, ...]], Tensor]:
    """Return a hook that converts the input (N, C, H, W) of a module to a dtype."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return inputs[0].to(dtype, memory_format=torch.channels_last)

    return hook


def _fold_batch_norm(module: nn.Module) -> None:
    """Fold each BatchNorm into the preceding convolution."""
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and isinstance(previous[1], (nn.Conv2d, nn.ConvTranspose2d)):
            transposed = isinstance(previous[1], nn.ConvTranspose2d)
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child, transposed))
            setattr(module, name, nn.Identity())
        else:
            _fold_batch_norm(child)
        previous = name, child
