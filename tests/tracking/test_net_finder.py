"""Individuals found by a pose net on whole frames; here a net that knows joints by their colors."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lib.pose.pixels import MEAN, STD
from lib.tracking.net_finder import NetFinder

COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])  # RGB
POSE = np.array([[0.0, 0.0], [20.0, 24.0], [-12.0, 40.0]])
CROP = 64, 64


class ColorNet(nn.Module):
    """The heatmap of a joint is the share of its color in a cell of 4×4 pixels."""

    def forward(self, images):
        mean, std = (torch.tensor(one).view(3, 1, 1) for one in (MEAN, STD))
        pixels = (images * std + mean) * 255
        shares = [
            ((pixels - torch.tensor(color).view(3, 1, 1)).abs().amax(dim=1, keepdim=True) < 60).float()
            for color in COLORS
        ]
        return functional.avg_pool2d(torch.cat(shares, dim=1), 4)


def frame(*places, scale=1.0, order=(0, 1, 2)):
    image = np.full((150, 260, 3), 90, np.uint8)
    for place in places:
        for joint, (x, y) in enumerate(np.array(place) + scale * POSE):
            color = COLORS[order[joint]][::-1].tolist()
            cv2.circle(image, (round(x), round(y)), round(5 * scale), color, -1)
    return image


def finder(**options):
    known = {"poses": POSE[None], "most": 3, "crop": CROP, "scales": [1.0]}
    return NetFinder(ColorNet(), torch.device("cpu"), **(known | options))


def boxes(found):
    return sorted(box.box.round().tolist() for box in found)


def test_all_individuals_are_found():
    places = (40, 30), (140, 60), (220, 20)
    (found,) = finder()([7], [frame(*places)])
    assert [box.image for box in found] == [7] * 3
    for box, place in zip(boxes(found), places, strict=True):
        low, size = np.min(place + POSE, axis=0), np.ptp(POSE, axis=0)
        assert box == pytest.approx([*(low - 0.15 * size), *(1.3 * size)], abs=5)
    assert all(box.score > 0.5 for box in found)


def test_at_most_as_many_as_labels_show():
    (found,) = finder(most=2)([0], [frame((40, 30), (140, 60), (220, 20))])
    assert len(found) == 2


def test_an_empty_frame():
    assert finder()([0, 1], [frame(), frame((40, 30))])[0] == []


def test_joints_in_other_places_are_no_individual():
    assert len(finder()([0], [frame((40, 30))])[0]) == 1
    assert finder()([0], [frame((40, 30), order=(2, 0, 1))])[0] == []


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_frames_are_resized_to_the_scale_of_the_training(scale):
    image = frame((80, 40), scale=scale)
    (found,) = finder(scales=[1 / scale])([0], [image])
    (box,) = boxes(found)
    low, size = np.min((80, 40) + scale * POSE, axis=0), scale * np.ptp(POSE, axis=0)
    assert box == pytest.approx([*(low - 0.15 * size), *(1.3 * size)], abs=6 * scale)


def test_the_order_of_colors():
    scores = [
        max(box.score for box in finder(rgb=rgb)([0], [image])[0])
        for image in (frame((40, 30)), frame((40, 30))[..., ::-1].copy())
        for rgb in (True, False)
    ]
    assert scores == pytest.approx([1, 1 / 3, 1 / 3, 1], abs=0.1)  # green is green in any order
