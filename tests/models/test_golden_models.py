"""The nets against heatmaps of the first public implementations."""

import pytest
import torch
from golden_models import (
    fill,
    hrnet_extra,
    model_cfg,
    noise,
    published_heatmaps,
    published_shapes,
    resnet_extra,
)
from torch import Tensor, nn

from lib.models import build_model


def assert_published_names(model: nn.Module, name: str) -> None:
    shapes = {tensor: list(value.shape) for tensor, value in model.state_dict().items()}
    assert list(shapes.items()) == list(published_shapes(name).items())


def assert_published_heatmaps(heatmaps: Tensor, name: str) -> None:
    expected = published_heatmaps(name)
    tolerance = 1e-4 * expected.abs().max().item()
    torch.testing.assert_close(heatmaps[..., ::6, ::6], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "net", "extra", "num_parameters"),
    [
        ("hrnet_w32_256x192", "pose_hrnet", hrnet_extra(32), 28.5e6),
        ("resnet50_256x192", "pose_resnet", resnet_extra(50), 34.0e6),
    ],
)
@torch.no_grad()
def test_single_frame_net(name, net, extra, num_parameters):
    model = build_model(model_cfg(net, extra))
    assert_published_names(model, name)
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(num_parameters, abs=0.05e6)
    assert_published_heatmaps(fill(model)(noise(7, 1, 3, 256, 192)), name)


@pytest.fixture(scope="module")
def warper():
    return fill(build_model(model_cfg("pose_hrnet", hrnet_extra(48), warp=True, mode="aggregate")))


def test_warper_names(warper):
    assert_published_names(warper, "posewarper_w48")


@torch.no_grad()
def test_warper_pair(warper):
    frames = noise(1, 2, 6, 384, 288).unflatten(1, (2, 3))
    assert_published_heatmaps(warper(frames, weights=(0, 1)), "posewarper_pair_w48")


@torch.no_grad()
def test_warper_aggregation(warper):
    frames = noise(0, 1, 15, 384, 288).unflatten(1, (5, 3))
    assert_published_heatmaps(warper(frames), "posewarper_aggregation_w48")
