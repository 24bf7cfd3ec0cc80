"""UDP (Huang et al., CVPR 2020): points, mirror images and gaussians are exactly where they should be."""

import numpy as np
import pytest
import torch

from lib.pose.crop import cell_stride, crop_image, crop_matrix, transform_points
from lib.pose.heatmaps import decode, encode, to_image

CENTER, SCALE = (100.25, 80.5), (0.6, 0.8)  # a box of 120 × 160 pixels
SIZE, CELLS = (192, 256), (48, 64)
BOX = np.array([[40.25, 0.5], [160.25, 0.5], [40.25, 160.5], [160.25, 160.5]])


def corners(size):
    return np.array([[x, y] for y in (0, size[1] - 1) for x in (0, size[0] - 1)], dtype=np.float64)


def test_the_corners_of_the_box_are_the_corner_pixels_and_the_corner_cells():
    for size in (SIZE, CELLS):
        matrix = crop_matrix(CENTER, SCALE, 0.0, size, udp=True)
        np.testing.assert_allclose(transform_points(BOX, matrix), corners(size), atol=1e-12)
    stride = cell_stride(SIZE, CELLS, udp=True)
    np.testing.assert_allclose(corners(CELLS) * stride, corners(SIZE), atol=1e-12)
    found = to_image(corners(CELLS)[None], np.array([CENTER]), np.array([SCALE]), CELLS, udp=True)
    np.testing.assert_allclose(found[0], BOX, atol=1e-12)


@pytest.mark.parametrize("rotation", [0.0, 37.0, -90.0])
def test_a_point_comes_back_from_the_crop_and_from_the_heatmap(rotation):
    points = np.concatenate([BOX, np.random.default_rng(0).uniform(-50, 250, (20, 2))])
    there = transform_points(points, crop_matrix(CENTER, SCALE, rotation, SIZE, udp=True))
    back = crop_matrix(CENTER, SCALE, rotation, SIZE, inverse=True, udp=True)
    np.testing.assert_allclose(transform_points(there, back), points, atol=1e-12)
    cells = there / cell_stride(SIZE, CELLS, udp=True)
    back = crop_matrix(CENTER, SCALE, rotation, CELLS, inverse=True, udp=True)
    np.testing.assert_allclose(transform_points(cells, back), points, atol=1e-12)


def test_a_rotation_turns_before_it_stretches():
    # By 90° the box's right middle, half a width away, goes up: half a width of the crop's, measured in its height.
    matrix = crop_matrix(CENTER, SCALE, 90.0, SIZE, udp=True)
    found = transform_points(np.array([[160.25, 80.5]]), matrix)
    np.testing.assert_allclose(found, [[191 / 2, 255 / 2 - 60 * 255 / 160]], atol=1e-12)


@pytest.mark.parametrize("udp", [True, False])
def test_only_udp_makes_the_mirrored_crop_the_crop_of_the_mirrored_image(udp):
    points = np.random.default_rng(0).uniform(0, 200, (20, 2))
    mirrored = np.column_stack([200 - points[:, 0], points[:, 1]])  # an image of 201 pixels
    there = transform_points(points, crop_matrix(CENTER, SCALE, 0.0, SIZE, udp=udp))
    of_mirrored = transform_points(mirrored, crop_matrix((200 - CENTER[0], CENTER[1]), SCALE, 0.0, SIZE, udp=udp))
    gap = of_mirrored[:, 0] - (SIZE[0] - 1 - there[:, 0])
    np.testing.assert_allclose(gap, 0 if udp else 1, atol=1e-9)  # else a pixel of the crop


@pytest.mark.parametrize("udp", [True, False])
def test_a_symmetric_image_has_a_symmetric_crop(udp):
    half = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    image = np.concatenate([half, half[:, :1], half[:, ::-1]], axis=1)  # 65 pixels wide
    scale = (63 / 200, 63 / 200) if udp else (64 / 200, 64 / 200)  # a pixel of the crop for one of the image
    crop = crop_image(image, crop_matrix((32, 32), scale, 0.0, (64, 64), udp=udp), (64, 64))
    assert np.array_equal(crop, crop[:, ::-1]) == udp


@pytest.mark.parametrize("sigma", [1, 2, 3])
def test_joints_are_found_where_they_are_up_to_the_corners_of_the_box(sigma):
    joints = np.concatenate([BOX, np.random.default_rng(0).uniform((41, 2), (160, 160), (200, 2))])
    crop = transform_points(joints, crop_matrix(CENTER, SCALE, 0.0, SIZE, udp=True))
    maps, weights = encode(crop, np.ones(len(joints)), SIZE, CELLS, sigma, unbiased=True, udp=True)
    assert weights.all()
    cells, _ = decode(torch.from_numpy(maps)[None], post_process=False, dark_sigma=sigma)
    found = to_image(cells.numpy(), np.array([CENTER]), np.array([SCALE]), CELLS, udp=True)
    np.testing.assert_allclose(found[0], joints, atol=0.005 * 160 / 63)  # a cell is 160 / 63 pixels of the image
