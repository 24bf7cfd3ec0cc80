"""The inference form of a net against the net itself."""

import pytest
import torch
from golden_models import fill, model_cfg, noise, resnet_extra, small_hrnet_extra
from torch import nn

from lib.config import load_config
from lib.models import build_model
from lib.models.inference import build_inference_form, prepare_for_inference
from lib.models.pose_resnet import PoseResNet
from lib.utils.precision import dtype_of, has_native_bf16

CPU = torch.device("cpu")


def small_net(warp: bool) -> nn.Module:
    cfg = model_cfg("pose_hrnet", small_hrnet_extra(), num_joints=5, warp=warp, mode="aggregate")
    cfg.MODEL.WARP.NUM_BLOCKS, cfg.MODEL.WARP.NUM_CHANNELS, cfg.MODEL.WARP.DILATIONS = 2, 8, [1, 3]
    return fill(build_model(cfg))


@pytest.fixture(params=[False, True], ids=["pose net", "warper"])
def net_and_input(request) -> tuple[nn.Module, torch.Tensor]:
    return small_net(request.param), noise(0, *((2, 5) if request.param else (2,)), 3, 64, 32)


@torch.inference_mode()
def largest_difference(net: nn.Module, other: nn.Module, images: torch.Tensor) -> float:
    expected, heatmaps = net(images), other(images)
    assert heatmaps.dtype == torch.float32
    return ((heatmaps - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-5), ("bf16", 0.05), ("fp16", 0.01)])
def test_heatmaps_are_those_of_the_net(net_and_input, precision, most):
    net, images = net_and_input
    prepared = prepare_for_inference(net, dtype_of(precision))
    difference = largest_difference(net, prepared, images)
    assert difference < most
    assert precision == "fp32" or difference > 1e-5
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in prepared.modules())


def test_transposed_convolutions_are_folded():
    net = fill(PoseResNet(5, resnet_extra(18)))
    assert largest_difference(net, prepare_for_inference(net), noise(0, 1, 3, 64, 32)) < 1e-5


def test_the_net_stays_as_it_is(net_and_input):
    net, _ = net_and_input
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.train()
    prepare_for_inference(net, torch.bfloat16)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_offsets_of_a_frame_onto_itself_are_kept():
    prepared = prepare_for_inference(small_net(warp=True), torch.bfloat16)
    batches: list[torch.Tensor] = []
    prepared.offset_feats.register_forward_hook(lambda module, inputs, output: batches.append(output))
    with torch.inference_mode():
        for seed in range(2):
            prepared(noise(seed, 2, 5, 3, 64, 32))
    assert len(batches) == 5 + 4


@pytest.mark.slow
def test_compiled_net_is_the_same(net_and_input):
    net, images = net_and_input
    assert largest_difference(net, prepare_for_inference(net, compile=True), images) < 1e-5


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16", "auto"])
def test_precision_of_an_experiment(precision, tmp_path):
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    file = tmp_path / "experiment.yaml"
    file.write_text("{}")
    try:
        cfg = load_config(file, ["TEST.PRECISION", precision])
        prepared = build_inference_form(cfg, small_net(warp=False), CPU)
        assert matmul.allow_tf32 == (before[0] or precision == "tf32")
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
    auto = torch.bfloat16 if has_native_bf16(CPU) else torch.float32
    expected = {"bf16": torch.bfloat16, "fp16": torch.float16, "auto": auto}.get(precision, torch.float32)
    assert prepared.conv1.weight.dtype == expected
    assert prepared.final_layer.weight.dtype == torch.float32
