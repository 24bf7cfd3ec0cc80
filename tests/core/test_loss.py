import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.core.loss import accuracy, joints_loss

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/pipeline/pipeline.json").read_text())


@pytest.fixture
def arrays():
    generator = np.random.default_rng(GOLDEN["loss"]["seed"])
    target = generator.random((3, 17, 64, 48), dtype=np.float32)
    output = 0.7 * target + 0.3 * generator.random((3, 17, 64, 48), dtype=np.float32)
    weight = (generator.random((3, 17, 1)) > 0.3).astype(np.float32)
    return [torch.from_numpy(array) for array in (output, target, weight)]


def test_losses_equal_the_reference(arrays):
    output, target, weight = arrays
    expected = GOLDEN["loss"]
    assert joints_loss(output, target, weight).item() == pytest.approx(expected["mse"], rel=1e-6)
    assert joints_loss(output, target).item() == pytest.approx(expected["mse_unweighted"], rel=1e-6)
    assert joints_loss(output, target, weight, hardest=8).item() == pytest.approx(expected["ohkm_top8"], rel=1e-6)


def test_the_hardest_joints_by_hand():
    # Errors ½ · mean(d²) of the joints: 2, 0.5, 4.5 in the first sample; 0, 0.5 and, but for the weight, 8 in the last.
    output = torch.tensor([[2.0, 1.0, 3.0], [0.0, 1.0, 4.0]])[:, :, None, None].expand(-1, -1, 2, 3)
    target, weight = torch.zeros(2, 3, 2, 3), torch.ones(2, 3, 1)
    weight[1, 2] = 0
    # Of each sample by itself the two largest: (4.5 + 2) / 2 and (0.5 + 0) / 2, then the mean of both.
    assert joints_loss(output, target, weight, hardest=2).item() == pytest.approx((3.25 + 0.25) / 2)
    assert joints_loss(output, target, hardest=1).item() == pytest.approx((4.5 + 8) / 2)
    assert joints_loss(output, target, weight, hardest=3).item() == pytest.approx(7.5 / 6)
    assert joints_loss(output, target, weight).item() == pytest.approx(7.5 / 6)


def test_accuracy_equals_the_reference(arrays):
    output, target, _ = arrays
    assert accuracy(output, target) == pytest.approx(GOLDEN["accuracy"]["average"], rel=1e-6)


def peak(*cells, height=64, width=48):
    heatmaps = torch.zeros(1, len(cells), height, width)
    for joint, (x, y) in enumerate(cells):
        heatmaps[0, joint, y, x] = 1
    return heatmaps


@pytest.mark.parametrize(
    ("shift", "right"),
    [((3, 0), True), ((4, 0), False), ((0, 2), True), ((0, 3), False)],  # x / 6.4 and y / 4.8, strictly below 0.5
)
def test_accuracy_divides_x_by_the_height_and_y_by_the_width(shift, right):
    target = peak((20, 30))
    assert accuracy(peak((20 + shift[0], 30 + shift[1])), target) == right


def test_joints_at_the_first_cells_do_not_count():
    assert accuracy(peak((9, 9), (20, 20)), peak((1, 9), (20, 20))) == 1
    assert accuracy(peak((9, 9)), torch.zeros(1, 1, 64, 48)) == 0
