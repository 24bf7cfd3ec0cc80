"""DARK decoding (Zhang et al., CVPR 2020): gaussians whose place is known, and what is no gaussian."""

import cv2
import numpy as np
import pytest
import torch

from lib.pose.heatmaps import decode, encode

WIDTH, HEIGHT = 48, 64


def gaussians(cells, sigma):
    """(N, 64, 48) maps with a gaussian around each of the cells (N, 2)."""
    x, y = cells[:, 0, None, None], cells[:, 1, None, None]
    rows, columns = np.arange(HEIGHT)[:, None], np.arange(WIDTH)
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def find(maps, sigma):
    return decode(torch.from_numpy(maps)[None], post_process=False, dark_sigma=sigma)[0][0].numpy()


def places(low, high, count=400, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (count, 2))


@pytest.mark.parametrize("sigma", [0.75, 1, 1.5, 2, 2.5, 3, 4])
def test_a_gaussian_is_found_wherever_it_is(sigma):
    cells = places((-0.45, -0.45), (WIDTH - 0.55, HEIGHT - 0.55), 2000)
    np.testing.assert_allclose(find(gaussians(cells, sigma), sigma), cells, atol=0.005)
    targets, _ = encode(cells, np.ones(2000), (WIDTH, HEIGHT), (WIDTH, HEIGHT), sigma, unbiased=True)
    np.testing.assert_allclose(find(targets, sigma), cells, atol=0.005)


@pytest.mark.parametrize("sigma", [1, 2, 3])
@pytest.mark.parametrize(("x", "y"), [(0, 0), (47, 0), (0, 63), (47, 63), (0.3, 30.6), (1.5, 1.5), (46.5, 20.2)])
def test_a_gaussian_at_the_border(sigma, x, y):
    np.testing.assert_allclose(find(gaussians(np.array([[x, y]]), sigma), sigma), [[x, y]], atol=0.005)


def test_dark_moves_at_most_one_cell_toward_peaks_outside():
    cells = np.array([[-0.8, 30.0], [-5.0, 30.0], [20.0, 63.9]])
    found = find(gaussians(cells, 2), 2)
    np.testing.assert_allclose(found, [[-0.8, 30], [-1, 30], [20, 63.9]], atol=0.005)


@pytest.mark.parametrize(("sigma", "kernel"), [(2, 11), (3, 17)])
def test_inside_it_is_the_published_blur_and_taylor_expansion(sigma, kernel):
    rng = np.random.default_rng(0)
    cells = places((14, 14), (33, 49), 40)
    noise = [cv2.GaussianBlur(rng.normal(0, 0.3, (HEIGHT, WIDTH)), (5, 5), 0) for _ in cells]
    maps = gaussians(cells, sigma) + np.array(noise, dtype=np.float32)
    expected = []
    for heatmap in maps:
        row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
        blurred = cv2.GaussianBlur(heatmap, (kernel, kernel), 0, borderType=cv2.BORDER_CONSTANT)
        log = np.log(np.maximum(blurred, 1e-10)).astype(np.float64)
        around = log[row - 1 : row + 2, column - 1 : column + 2]
        slope = np.array([around[1, 2] - around[1, 0], around[2, 1] - around[0, 1]]) / 2
        twice = np.array(
            [around[1, 2] - 2 * around[1, 1] + around[1, 0], around[2, 1] - 2 * around[1, 1] + around[0, 1]]
        )
        mixed = (around[2, 2] - around[2, 0] - around[0, 2] + around[0, 0]) / 4
        step = -np.linalg.solve([[twice[0], mixed], [mixed, twice[1]]], slope)
        expected.append(np.array([column, row]) + np.clip(step, -1, 1))
    np.testing.assert_allclose(find(maps, sigma), expected, atol=1e-4)


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5])
def test_a_flat_map_stays_at_the_corner(value):
    assert find(np.full((1, HEIGHT, WIDTH), value, dtype=np.float32), 2).tolist() == [[0, 0]]


def test_dark_finds_the_middle_of_a_plateau():
    maps = np.zeros((1, HEIGHT, WIDTH), dtype=np.float32)
    maps[0, 20:22, 30:32] = 1
    np.testing.assert_allclose(find(maps, 2), [[30.5, 20.5]], atol=0.01)


@pytest.mark.parametrize(("low", "high"), [((10, 10), (37, 53)), ((-0.45, 10), (3, 53))], ids=["inside", "left border"])
def test_under_noise_it_is_nearer_than_the_quarter_step(low, high):
    cells = places(low, high)
    maps = gaussians(cells, 2) + np.random.default_rng(1).normal(0, 0.03, (400, HEIGHT, WIDTH)).astype(np.float32)
    dark = np.linalg.norm(find(maps, 2) - cells, axis=1).mean()
    quarter = np.linalg.norm(
        decode(torch.from_numpy(maps)[None], post_process=True)[0][0].numpy() - cells, axis=1
    ).mean()
    assert dark < quarter / 3
