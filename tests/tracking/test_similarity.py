from dataclasses import replace

import cv2
import numpy as np
import pytest
from tracked_people import SIGMAS, person

from lib.nms import oks_iou
from lib.tracking.similarity import (
    PoseArrays,
    box_iou,
    color_similarities,
    distinctness,
    joint_colors,
    pose_similarities,
)


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        ([0, 0, 4, 2], 1.0),
        ([2, 0, 4, 2], 4 / 12),
        ([1, 1, 2, 4], 2 / 14),
        ([4, 0, 4, 2], 0.0),  # beside it
        ([9, 9, 1, 1], 0.0),
        ([0, 0, 0, 0], 0.0),
    ],
)
def test_iou_of_boxes(other, iou):
    boxes = np.array([[0.0, 0, 4, 2], other])
    np.testing.assert_allclose(box_iou(boxes, boxes[1:]), [[iou], [float(any(other))]])


def test_the_mean_of_oks_and_iou():
    rng = np.random.default_rng(0)
    first, second = ([person(*rng.uniform(0, 20, 2), spread=rng.uniform(0.5, 1)) for _ in range(n)] for n in (3, 4))
    found = pose_similarities(PoseArrays.stack(first), PoseArrays.stack(second), np.array(SIGMAS))
    for row, pose in zip(found, first, strict=True):
        joints = np.stack([other.joints for other in second])
        oks = oks_iou(pose.joints, joints, 1600.0, np.full(4, 1600.0), np.array(SIGMAS))
        overlap = box_iou(pose.box[None], np.stack([other.box for other in second]))[0]
        np.testing.assert_allclose(row, (oks + overlap) / 2)


def test_boxes_count_more_where_few_joints_are_shared():
    """The joints are the same and the boxes do not overlap."""
    moved = replace(person(0), box=np.array([500.0, 0, 40, 40]))
    for scores, expected in (((1, 1, 1), 0.5), ((1, 1, 0), 0.5), ((1, 0, 0), 1 / 3), ((0, 0, 0), 0.0)):
        seen = PoseArrays.stack([replace(moved, scores=np.array(scores, dtype=float))])
        found = pose_similarities(PoseArrays.stack([person(0)]), seen, np.array(SIGMAS))
        assert found[0, 0] == pytest.approx(expected)


def test_poses_that_are_the_same_leave_the_boxes_to_decide():
    """The net finds the front person's pose in both boxes."""
    front, behind = person(0), replace(person(0), box=np.array([30.0, 0, 40, 40]))
    np.testing.assert_allclose(distinctness([front, behind, person(300)], np.array(SIGMAS)), [0, 0, 1], atol=1e-6)
    np.testing.assert_array_equal(distinctness([front], np.array(SIGMAS)), [1])
    np.testing.assert_array_equal(distinctness([front, behind], np.array(())), [1, 1])
    both = PoseArrays.stack([front, behind], [0.0, 0.0])
    found = pose_similarities(both, PoseArrays.stack([front]), np.array(SIGMAS))
    np.testing.assert_allclose(found, box_iou(both.boxes, front.box[None]))


def test_colors_around_joints():
    image = np.zeros((60, 50, 3), np.uint8)
    image[:, 15:] = (0, 0, 255)
    pose = person(0, scores=(1.0, 1.0, 0.0))
    colors = joint_colors(image, pose)
    np.testing.assert_array_equal(colors[0], cv2.cvtColor(image[:1, :1], cv2.COLOR_BGR2LAB)[0, 0])
    np.testing.assert_array_equal(colors[1], cv2.cvtColor(image[:1, 20:21], cv2.COLOR_BGR2LAB)[0, 0])
    assert np.isnan(colors[2]).all()
    assert np.isnan(joint_colors(image, person(-200))).all()  # outside the frame
    assert np.isnan(joint_colors(image, person(45, 55))).all()


def test_similarity_of_colors():
    red, blue = np.full((2, 3), 60.0), np.full((2, 3), 190.0)
    half = red.copy()
    half[1] = np.nan
    found = color_similarities(np.stack([red, blue]), np.stack([red, half, np.full((2, 3), np.nan)]))
    assert found[0, 0] == found[0, 1] == 1.0
    assert found[1, 0] < 0.01
    assert np.isnan(found[:, 2]).all()
