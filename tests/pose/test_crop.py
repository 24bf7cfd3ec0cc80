import json
from pathlib import Path

import numpy as np
import pytest

from lib.pose.crop import box_to_center_scale, clip_box, crop_image, crop_matrix, joints_box, transform_points

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/pipeline/pipeline.json").read_text())["affine"]


@pytest.mark.parametrize("case", GOLDEN)
def test_matrix_equals_the_reference(case):
    arguments = case["center"], case["scale"], case["rotation_deg"], case["output_size"]
    # The reference rounds its three points to float32.
    np.testing.assert_allclose(crop_matrix(*arguments), case["matrix"], atol=2e-4, rtol=0)
    np.testing.assert_allclose(crop_matrix(*arguments, inverse=True), case["inverse"], atol=2e-4, rtol=0)


def test_inverse_takes_points_back():
    arguments = (100.5, 40.25), (1.5, 0.7), 37.0, (288, 384)
    points = np.random.default_rng(0).uniform(-50, 400, (20, 2))
    there = transform_points(points, crop_matrix(*arguments))
    np.testing.assert_allclose(transform_points(there, crop_matrix(*arguments, inverse=True)), points, atol=1e-9)


def test_center_goes_to_the_center_and_up_goes_up():
    matrix = crop_matrix((100, 50), (1, 9), 90.0, (64, 96))
    np.testing.assert_allclose(transform_points(np.array([100.0, 50.0]), matrix), [32, 48])
    # Turned by 90°, the image's right (half a crop, 100 pixels) is up in the crop by half its width.
    np.testing.assert_allclose(transform_points(np.array([200.0, 50.0]), matrix), [32, 48 - 32], atol=1e-12)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 20, 31, 41), (10, 20, 30, 40)),
        ((-5, -6, 31, 41), (0, 0, 30, 40)),
        ((90, 70, 50, 50), (90, 70, 9, 9)),
        ((200, 10, 20, 20), None),
        ((10, 200, 20, 20), None),
        ((10, 10, 0, 20), None),
        ((10, 10, -5, -5), None),
        ((10, 10, 1, 1), None),
    ],
)
def test_clip_box(box, expected):
    clipped = clip_box(box, 100, 80)
    assert clipped is None if expected is None else np.array_equal(clipped, expected)


@pytest.mark.parametrize(
    ("box", "first_code", "mmpose_1"),
    [
        ((-60, 100, 300, 500), (0, 100, 299, 499), (0, 100, 240, 500)),
        ((100, -60, 500, 300), (100, 0, 499, 299), (100, 0, 500, 240)),
        ((900, 700, 300, 500), (900, 700, 99, 99), (900, 700, 99, 99)),
        ((-60, -70, 2000, 2000), (0, 0, 999, 799), (0, 0, 999, 799)),
        ((100, 200, 300, 400), (100, 200, 299, 399), (100, 200, 300, 400)),
        ((10, 20, 1, 1), None, (10, 20, 1, 1)),
        ((-60, 100, 60, 500), (0, 100, 59, 499), None),
        ((999, 100, 50, 500), (999, 100, 0, 499), None),
        ((1200, 100, 50, 500), None, None),
        ((10, 20, 0, 30), None, None),
    ],
)
def test_the_two_rules_of_cutting_a_box_to_its_image(box, first_code, mmpose_1):
    for rule, expected in (("last_pixel", first_code), ("edges", mmpose_1)):
        clipped = clip_box(box, 1000, 800, rule)
        assert clipped is None if expected is None else clipped.tolist() == list(expected), rule


def test_box_grows_to_the_aspect_ratio_and_by_a_quarter():
    center, scale = box_to_center_scale((10, 20, 100, 100), 0.75)
    np.testing.assert_allclose(center, [60, 70])
    np.testing.assert_allclose(scale, [1.25 * 100 / 200, 1.25 * 100 / 0.75 / 200])
    _, tall = box_to_center_scale((10, 20, 30, 100), 0.75)
    np.testing.assert_allclose(tall, [1.25 * 75 / 200, 1.25 * 100 / 200])


def test_crop_is_black_outside_the_image():
    image = np.full((20, 20, 3), 255, dtype=np.uint8)
    crop = crop_image(image, crop_matrix((0, 10), (0.2, 0.2), 0, (40, 40)), (40, 40))
    assert crop.shape == (40, 40, 3)
    assert not crop[:, :19].any()
    assert (crop[12:28, 21:38] == 255).all()


def test_the_box_of_joints():
    np.testing.assert_allclose(joints_box(np.array([[10.0, 50.0], [30.0, 20.0]])), [7, 15.5, 26, 39])
    np.testing.assert_allclose(joints_box(np.array([[10.0, 50.0]])), [10, 50, 0, 0])


def test_the_box_of_joints_of_2017():
    """Corners (10, 20) and (31, 51): a pixel beyond the last joint; then a tenth of the size on each side."""
    points = np.array([[10.0, 50.0], [30.0, 20.0]])
    np.testing.assert_allclose(joints_box(points, "posetrack17"), [10 - 2.1, 20 - 3.1, 1.2 * 21, 1.2 * 31])
    np.testing.assert_allclose(joints_box(points[:1], "posetrack17"), [9.9, 49.9, 1.2, 1.2])
