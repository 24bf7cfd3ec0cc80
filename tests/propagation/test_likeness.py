"""The likeness of the image around a joint to that around its label."""

import cv2
import numpy as np
from labeled_person import person

from lib.propagation.likeness import likeness
from lib.propagation.targets import Target

PATCH = np.random.default_rng(0).integers(0, 256, (30, 30), dtype=np.uint8)


def frame(x, y, brightness=1.0):
    """A gray frame with a texture around a point."""
    image = np.full((200, 200), 128, np.uint8)
    image[y - 15 : y + 15, x - 15 : x + 15] = PATCH * brightness
    return image


def likeness_at(joints, *images):
    """The likeness in frame 1 of joints that are labeled at (60, 61) and (70, 62) in frame 0."""
    people = [person(0)]
    people[0].joints[:] += 60
    return likeness(lambda video, number: images[number], people, [Target(0, 1)], np.array([joints], float))[0]


def test_the_same_surroundings_are_alike():
    moved = likeness_at([[100, 101], [110, 102]], frame(60, 61), frame(100, 101))
    np.testing.assert_allclose(moved, 1, atol=0.01)
    darker = likeness_at([[100, 101], [110, 102]], frame(60, 61), frame(100, 101, 0.5))
    assert darker[0] > 0.9  # a part of the second patch is the ground, which is not darker


def test_a_joint_that_is_lost_is_not_like_its_label():
    beside = likeness_at([[108, 101], [118, 102]], frame(60, 61), frame(100, 101))
    assert np.abs(beside).max() < 0.6
    hidden = likeness_at([[100, 101], [110, 102]], frame(60, 61), np.full((200, 200), 128, np.uint8))
    np.testing.assert_allclose(hidden, 0, atol=0.01)
    outside = likeness_at([[-500, 101], [110, 900]], frame(60, 61), frame(100, 101))
    np.testing.assert_allclose(outside, 0, atol=0.01)


def test_noise_is_no_likeness():
    rng = np.random.default_rng(1)
    noisy = [cv2.add(np.full((200, 200), 128, np.uint8), rng.integers(0, 2, (200, 200), dtype=np.uint8)) for _ in "ab"]
    noisy[1][:] = noisy[0]
    assert likeness_at([[60, 61], [70, 62]], *noisy).max() < 0.2
