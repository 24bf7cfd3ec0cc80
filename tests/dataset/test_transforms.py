import cv2
import numpy as np
import pytest

from lib.dataset.people import Person
from lib.dataset.transforms import Augmentation
from lib.pose.crop import crop_image, crop_matrix, transform_points
from lib.pose.skeletons import POSETRACK

SIZE = (96, 128)
NOTHING = {
    "skeleton": POSETRACK,
    "shift": 0.0,
    "shift_probability": 0.0,
    "half_body_probability": 0.0,
    "half_body_joints": 8,
    "scale": 0.0,
    "rotation": 0.0,
    "flip": False,
}


def person(labeled=None, seed=0):
    joints = np.random.default_rng(seed).uniform(20, 140, (17, 2))
    labeled = np.ones(17, dtype=bool) if labeled is None else labeled
    return Person(
        video=0,
        frame=0,
        number=0,
        center=np.float32([80, 60]),
        scale=np.float32([0.6, 0.8]),
        joints=joints,
        labeled=labeled,
    )


def draws(count=300, **changes):
    augmentation = Augmentation(**NOTHING | changes)
    return [augmentation.draw(person(), 160, SIZE, np.random.default_rng(seed)) for seed in range(count)]


def test_no_augmentation_gives_the_crop_of_the_person():
    (crop,) = draws(1)
    np.testing.assert_allclose(crop.matrix, crop_matrix((80, 60), person().scale, 0.0, SIZE))
    assert crop.joint_order.tolist() == list(range(17))


def test_a_flip_in_the_convention_of_udp_is_the_mirrored_crop():
    augmentation = Augmentation(**NOTHING | {"flip": True})
    joints, own = person().joints, crop_matrix((80, 60), person().scale, 0.0, SIZE, udp=True)
    flips = 0
    for seed in range(20):
        crop = augmentation.draw(person(), 160, SIZE, np.random.default_rng(seed), udp=True)
        expected = transform_points(joints, own)
        if np.linalg.det(crop.matrix[:, :2]) < 0:
            flips += 1
            expected[:, 0] = SIZE[0] - 1 - expected[:, 0]
        np.testing.assert_allclose(transform_points(joints, crop.matrix), expected, atol=1e-9)
    assert 0 < flips < 20


def test_sizes_and_angles():
    factors = np.array([np.sqrt(np.linalg.det(c.matrix[:, :2])) * 0.6 * 200 / 96 for c in draws(scale=0.35)])
    sizes = 1 / factors
    assert sizes.min() == pytest.approx(0.65)
    assert sizes.max() == pytest.approx(1.35)
    assert 0.2 < ((sizes > 0.651) & (sizes < 1)).mean() < 0.5
    angles = np.rad2deg([np.arctan2(c.matrix[0, 1], c.matrix[0, 0]) for c in draws(rotation=45)])
    assert 0.3 < (np.abs(angles) < 1e-9).mean() < 0.5  # not rotated with probability 0.4
    assert np.abs(angles).max() <= 90 + 1e-9
    assert 30 < np.std(angles[np.abs(angles) > 1e-9]) < 50


def test_a_flip_is_the_crop_of_the_mirrored_image():
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8), (160, 120))
    crops = draws(flip=True, rotation=30, scale=0.2)
    flipped = [crop for crop in crops if np.linalg.det(crop.matrix[:, :2]) < 0]
    assert 0.4 < len(flipped) / len(crops) < 0.6
    crop = flipped[0]
    assert crop.joint_order.tolist() == POSETRACK.flip_order.tolist()
    # The same seed without the flip drew the same size and angle; mirror image and center by hand.
    seed = next(i for i, c in enumerate(crops) if c is crop)
    plain = Augmentation(**NOTHING | {"rotation": 30, "scale": 0.2}).draw(
        person(), 160, SIZE, np.random.default_rng(seed)
    )
    factor = np.sqrt(np.linalg.det(plain.matrix[:, :2]))
    angle = np.rad2deg(np.arctan2(plain.matrix[0, 1], plain.matrix[0, 0]))
    mirrored = crop_matrix((159 - 80, 60), (96 / factor / 200, 1), angle, SIZE)
    ours, expected = crop_image(image, crop.matrix, SIZE), crop_image(image[:, ::-1].copy(), mirrored, SIZE)
    assert np.abs(ours.astype(int) - expected).max() <= 2  # OpenCV samples at 1/32 of a pixel
    joints = person().joints
    there = np.column_stack([159 - joints[:, 0], joints[:, 1]])
    np.testing.assert_allclose(transform_points(joints, crop.matrix), transform_points(there, mirrored), atol=1e-9)


def center_of(crop):
    return np.linalg.solve(crop.matrix[:, :2], np.array(SIZE) / 2 - crop.matrix[:, 2])


def test_the_center_moves_by_a_share_of_the_crop():
    moved = np.array([center_of(crop) for crop in draws(2000, shift=0.16, shift_probability=0.3)]) - (80, 60)
    share = (np.abs(moved) > 1e-9).any(axis=1)
    assert 0.27 < share.mean() < 0.33
    reach = 0.16 * np.array([120, 160])  # the crop is 0.6 · 200 pixels wide and 0.8 · 200 high
    assert (np.abs(moved) <= reach + 1e-6).all()
    np.testing.assert_allclose(moved[share].std(axis=0), reach / np.sqrt(3), rtol=0.06)  # evenly spread
    np.testing.assert_allclose(moved[share].mean(axis=0), (0, 0), atol=2)


def test_half_body_crops_are_centered_on_the_half_body():
    (crop,) = draws(1, shift=0.16, shift_probability=1.0, half_body_probability=1.0)
    upper = np.isin(np.arange(17), POSETRACK.upper_body)
    means = [person().joints[upper].mean(axis=0), person().joints[~upper].mean(axis=0)]
    assert min(np.abs(center_of(crop) - mean).max() for mean in means) < 1e-9


def test_disabled_shift_draws_no_random_numbers():
    changes = {"half_body_probability": 0.5, "scale": 0.3, "rotation": 30, "flip": True}
    for plain, off in zip(draws(20, **changes), draws(20, **changes, shift_probability=0.3), strict=True):
        np.testing.assert_array_equal(plain.matrix, off.matrix)
    rng = np.random.default_rng(3)  # the first draw is that of the half body, the second of which
    crop = Augmentation(**NOTHING | {"half_body_probability": 0.5}).draw(person(), 160, SIZE, np.random.default_rng(3))
    assert (rng.random() < 0.5) == (np.abs(center_of(crop) - (80, 60)).max() > 1e-9)


def half_body_center(labeled, seed):
    augmentation = Augmentation(**NOTHING | {"half_body_probability": 1.0})
    return center_of(augmentation.draw(person(labeled), 160, SIZE, np.random.default_rng(seed)))


def test_half_bodies():
    joints, upper = person().joints, list(POSETRACK.upper_body)
    lower = [j for j in range(17) if j not in upper]
    means = [joints[upper].mean(axis=0), joints[lower].mean(axis=0)]
    chosen = []
    for seed in range(200):
        center = half_body_center(None, seed)
        distances = [np.abs(center - mean).max() for mean in means]
        assert min(distances) < 1e-9
        chosen.append(int(np.argmin(distances)))
    assert 0.2 < np.mean(chosen) < 0.42  # the upper half with the probability of N(0, 1) < 0.5, 0.69

    few_lower = np.ones(17, dtype=bool)
    few_lower[lower[2:]] = False
    few_lower[[0, 1]] = True
    center = joints[np.flatnonzero(few_lower & np.isin(np.arange(17), upper))].mean(axis=0)
    assert all(np.abs(half_body_center(few_lower, seed) - center).max() < 1e-9 for seed in range(20))

    few = np.zeros(17, dtype=bool)
    few[:8] = True  # not more than eight
    np.testing.assert_allclose(half_body_center(few, 0), (80, 60))


def test_half_body_crops_are_half_again_as_large():
    augmentation = Augmentation(**NOTHING | {"half_body_probability": 1.0})
    crop = augmentation.draw(person(), 160, SIZE, np.random.default_rng(0))
    joints, upper = person().joints, list(POSETRACK.upper_body)
    width, height = np.ptp(joints[upper], axis=0)
    expected = 1.5 * max(width, 0.75 * height)
    assert 96 / np.sqrt(np.linalg.det(crop.matrix[:, :2])) == pytest.approx(expected)
