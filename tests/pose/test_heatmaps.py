import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.pose.heatmaps import decode, encode, flip_back, to_image

FOLDER = Path(__file__).parents[1] / "golden/pipeline"
GOLDEN = json.loads((FOLDER / "pipeline.json").read_text())
ARRAYS = np.load(FOLDER / "pipeline.npz")
COCO_FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


@pytest.mark.parametrize("case", GOLDEN["targets"], ids=lambda case: case["array"])
def test_targets_equal_the_reference(case):
    heatmaps, weights = encode(
        np.array(case["joints"]), np.array(case["visible"]), case["image_size"], case["heatmap_size"], case["sigma"]
    )
    np.testing.assert_array_equal(heatmaps, ARRAYS[case["array"]])
    np.testing.assert_array_equal(weights[:, 0], case["weight"])


@pytest.mark.parametrize(
    ("joint", "weight", "empty"),
    [
        ((0.0, 0.0), 1, False),
        ((-4 * 7.6, 40.0), 1, True),  # the gaussian ends one cell outside: weight 1, empty map
        ((-4 * 8.6, 40.0), 0, True),
        ((4 * 53.4, 40.0), 1, False),
        ((4 * 53.6, 40.0), 0, True),
        ((-4 * 0.9, 40.0), 1, False),
    ],
)
def test_a_joint_at_the_border(joint, weight, empty):
    heatmaps, weights = encode(np.array([joint]), np.ones(1), (192, 256), (48, 64), 2)
    assert weights[0, 0] == weight
    assert (heatmaps.max() == 0) == empty
    assert heatmaps.shape == (1, 64, 48)


def test_a_cell_left_of_the_map_is_rounded_toward_zero():
    # −0.4 cells + 0.5 and −1.4 cells + 0.5 = −0.9 both belong to column 0.
    for x in (-0.4 * 4, -1.4 * 4):
        heatmaps, _ = encode(np.array([[x, 40.0]]), np.ones(1), (192, 256), (48, 64), 2)
        assert heatmaps[0, 10, 0] == 1


def test_decoding_equals_the_reference(device):
    heatmaps = torch.from_numpy(ARRAYS["decode_heatmaps"].astype(np.float32)).to(device)
    cells, peaks = decode(heatmaps, post_process=True)
    case = GOLDEN["decode"]
    points = to_image(cells.cpu().numpy(), case["center"], case["scale"], (72, 96))
    np.testing.assert_allclose(points, ARRAYS["decode_preds"], atol=2e-4, rtol=0)
    np.testing.assert_array_equal(peaks.cpu().numpy(), ARRAYS["decode_scores"][..., 0])


def test_what_is_encoded_is_decoded():
    joints = np.random.default_rng(1).uniform(20, 170, (17, 2))
    heatmaps, _ = encode(joints, np.ones(17), (192, 256), (48, 64), 2)
    cells, peaks = decode(torch.from_numpy(heatmaps)[None], post_process=False)
    assert (peaks == 1).all()
    assert np.abs(cells[0].numpy() * 4 - joints).max() <= 2.0


def test_the_quarter_cell_step():
    heatmaps = torch.zeros(1, 3, 8, 10)
    heatmaps[0, 0, 4, 5], heatmaps[0, 0, 4, 6], heatmaps[0, 0, 3, 5] = 1, 0.5, 0.5  # right and up
    heatmaps[0, 1, 4, 1], heatmaps[0, 1, 4, 2] = 1, 0.5  # too near the left border
    heatmaps[0, 2, 4, 5] = 1  # neighbors alike
    cells, _ = decode(heatmaps, post_process=True)
    assert cells[0].tolist() == [[5.25, 3.75], [1, 4], [5, 4]]


def test_the_quarter_cell_step_per_axis():
    """Every cell of a small map as the peak: at a border in one axis the other still moves, but not from column 0."""
    height, width = 6, 5
    heatmaps = torch.zeros(1, height * width, height, width)
    heatmaps += torch.arange(width) / 100 + torch.arange(height)[:, None] / 100  # right and down are higher
    for joint in range(height * width):
        heatmaps[0, joint, joint // width, joint % width] = 1
    for per_axis in (True, False):
        cells, _ = decode(heatmaps, post_process=True, per_axis=per_axis)
        for joint, cell in enumerate(cells[0].tolist()):
            x, y = joint % width, joint // width
            in_x, in_y = 1 < x < width - 1, 1 < y < height - 1
            moves = (in_x and y > 0, in_y and x > 0) if per_axis else (in_x and in_y, in_x and in_y)
            assert cell == [x + 0.25 * moves[0], y + 0.25 * moves[1]], (per_axis, x, y)


def test_per_axis_steps_use_the_row_and_column_of_the_maximum():
    heatmaps = torch.zeros(1, 2, 6, 6)
    heatmaps[0, 0, 5, 3], heatmaps[0, 0, 5, 2], heatmaps[0, 0, 4, 4] = 1, 0.5, 0.7  # the last row: left
    heatmaps[0, 1, 3, 5], heatmaps[0, 1, 2, 5], heatmaps[0, 1, 4, 4] = 1, 0.5, 0.7  # the last column: up
    cells, _ = decode(heatmaps, post_process=True, per_axis=True)
    assert cells[0].tolist() == [[2.75, 5], [5, 2.75]]


def test_a_map_without_a_peak_decodes_to_the_corner():
    cells, peaks = decode(torch.full((1, 1, 8, 8), -1.0), post_process=True)
    assert cells.tolist() == [[[0, 0]]]
    assert peaks.item() == -1


def test_flip_back_equals_the_reference():
    heatmaps = torch.from_numpy(ARRAYS["decode_heatmaps"].astype(np.float32))
    flipped = flip_back(heatmaps, COCO_FLIP, shift=False)
    np.testing.assert_array_equal(flipped[..., ::8, ::8].numpy(), ARRAYS["flip_back"])


def test_flip_back_undoes_the_mirror_and_shifts_one_cell_to_the_right():
    heatmaps = torch.rand(2, 17, 6, 5)
    mirrored = heatmaps.flip(3)[:, COCO_FLIP]
    assert torch.equal(flip_back(mirrored, COCO_FLIP, shift=False), heatmaps)
    shifted = flip_back(mirrored, COCO_FLIP, shift=True)
    assert torch.equal(shifted[..., 1:], heatmaps[..., :-1])
    assert torch.equal(shifted[..., 0], heatmaps[..., 0])


@pytest.mark.parametrize("sigma", [1, 1.5, 2])
def test_unbiased_targets_and_dark_decoding_place_joints_within_cells(sigma):
    joints = np.random.default_rng(0).uniform(40, 150, (17, 2))
    heatmaps, weights = encode(joints, np.ones(17), (192, 256), (48, 64), sigma, unbiased=True)
    assert weights.all()
    cells, peaks = decode(torch.from_numpy(heatmaps)[None], post_process=False, dark_sigma=sigma)
    np.testing.assert_allclose(4 * cells[0], joints, atol=0.01)  # the quarter step is up to 1 pixel off
    assert (peaks[0].numpy() == heatmaps.max(axis=(1, 2))).all()


def test_dark_decoding_stays_at_the_border_and_where_there_is_no_peak():
    maps = torch.zeros(1, 3, 9, 9)
    maps[0, 0, 0, 3] = 1  # at the border
    maps[0, 1, 4] = torch.tensor([0, 0, 1, 1, 1.01, 1, 1, 0, 0])  # a ridge, hardly a peak along it
    maps[0, 1, 5] = maps[0, 1, 4] * 0.9
    cells, _ = decode(maps, post_process=False, dark_sigma=1.0)
    assert cells[0, 0].tolist() == [3, 0]
    assert cells[0, 1, 0] == pytest.approx(4, abs=1e-3)
    assert 4.2 < cells[0, 1, 1] < 4.6  # toward the second row
    assert cells[0, 2].tolist() == [0, 0]


def test_unbiased_targets_count_as_the_others_do():
    joints = np.random.default_rng(0).uniform((-40, -40), (230, 290), (300, 2))
    plain, exact = (encode(joints, np.ones(300), (192, 256), (48, 64), 2, unbiased) for unbiased in (False, True))
    assert 0 < exact[1].sum() < 300
    np.testing.assert_array_equal(plain[1], exact[1])
    np.testing.assert_array_equal(plain[0] > 0, exact[0] > 0)
