"""Position of a joint in the flip test, with a net that finds a bright dot exactly in any image."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.core.strategies import FlipTest, scatter, single
from lib.models import PoseWarper
from lib.pose.crop import cell_stride
from lib.pose.heatmaps import decode
from lib.pose.skeletons import POSETRACK

WIDTH, HEIGHT = 96, 128
SIGMA = 2.0


class DotFinder(nn.Module):
    """Crops (B, 3, 128, 96) to (B, 1, 32, 24) maps: a gaussian around the dot's center of mass, in cells."""

    def __init__(self, udp):
        super().__init__()
        self.stride = torch.tensor(cell_stride((WIDTH, HEIGHT), (24, 32), udp))

    def forward(self, images):
        mass = images[:, 0].double()
        total = mass.sum((1, 2))
        x = (mass.sum(1) * torch.arange(WIDTH)).sum(1) / total / self.stride[0]
        y = (mass.sum(2) * torch.arange(HEIGHT)).sum(1) / total / self.stride[1]
        along_x = torch.exp(-((torch.arange(24) - x[:, None]) ** 2) / (2 * SIGMA**2))
        along_y = torch.exp(-((torch.arange(32) - y[:, None]) ** 2) / (2 * SIGMA**2))
        return (along_y[:, :, None] * along_x[:, None]).float()[:, None]


def dots(places):
    """(N, 1, 3, 128, 96) clips of a frame with a dot at each of the places (N, 2), in pixels."""
    x, y = torch.arange(WIDTH), torch.arange(HEIGHT)[:, None]
    maps = [torch.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 3.0**2)) for at in places]
    return torch.stack(maps)[:, None, None].expand(-1, 1, 3, -1, -1)


@pytest.mark.parametrize(
    ("udp", "shift", "cells_off"),
    [
        (False, False, -3 / 8),  # half of the 3/4 of a cell by which the mirrored crop's maps are off
        (False, True, 1 / 8),  # half of the 1/4 that is left of it: SHIFT_HEATMAP is right for these crops
        (True, False, 0),
        (True, True, 1 / 2),  # refused by the configuration
    ],
)
def test_position_of_a_point_in_the_flip_test(udp, shift, cells_off):
    places = torch.tensor([[30.0, 40.0], [47.5, 63.5], [61.3, 80.9]])
    net = DotFinder(udp)
    maps = FlipTest(single, [0], shift)(net, dots(places), torch.zeros(3, 1, 32, 24))
    cells, _ = decode(maps, post_process=False, dark_sigma=SIGMA)
    off = cells[:, 0] - places / net.stride
    np.testing.assert_allclose(off, np.tile([cells_off, 0], (3, 1)), atol=2e-3)


def test_with_udp_a_symmetric_image_gets_the_same_maps_from_its_mirror_image():
    frames = dots(torch.tensor([[(WIDTH - 1) / 2, 50.0]]))
    assert torch.equal(frames, frames.flip(4))
    net, labels = DotFinder(udp=True), torch.zeros(1, 1, 32, 24)
    torch.testing.assert_close(FlipTest(single, [0], shift=False)(net, frames, labels), net(frames[:, 0]))


@torch.no_grad()
@pytest.mark.parametrize("shift", [False, True])
def test_copied_labels_do_not_move(shift):
    net = PoseWarper(nn.Conv2d(3, 17, 1), 17, num_blocks=1, num_channels=4, dilations=[1]).eval()  # warps nothing
    labels = torch.rand(2, 17, 8, 6)
    result = FlipTest(scatter, POSETRACK.flip_order, shift)(net, torch.randn(2, 3, 3, 8, 6), labels)
    known = 1 if shift else 0  # the shift leaves the first column
    expected = labels[:, None].expand(-1, 3, -1, -1, -1)
    torch.testing.assert_close(result[..., known:], expected[..., known:])
