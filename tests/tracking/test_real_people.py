"""Two people in real videos (POSEWARPER_TEST_DATA), in boxes that were drawn by hand in a few frames and jitter."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.formats.video_poses import TrackedPose
from lib.frames.stream import FrameStream
from lib.frames.video_file import VideoFile
from lib.tracking.motion import build_motion
from lib.tracking.similarity import box_iou, joint_colors
from lib.tracking.tracker import Tracker

FOLDER = os.environ.get("POSEWARPER_TEST_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="POSEWARPER_TEST_DATA is not set")

PLACES = {  # by video: frame numbers, and the left, top, right, and bottom of both people there
    "two_people": (
        [0, 25, 50, 75, 99],
        [
            [240, 235, 61, 371, 432],
            [314, 401, 384, 458, 458],
            [567, 715, 807, 841, 1086],
            [1168, 1186, 1186, 1308, 1308],
        ],
        [[471, 484, 436, 471, 519], [785, 785, 785, 776, 776], [968, 964, 1086, 885, 977], [1744] * 5],
    ),
    "demo_skeleton": (
        [0, 18, 36, 54, 71],
        [[661, 680, 680, 667, 673], [275, 275, 275, 285, 290], [857, 875, 967, 961, 943], [930] * 5],
        [[918, 912, 875, 882, 876], [245] * 5, [1133, 1114, 1071, 1065, 1047], [876] * 5],
    ),
}
JOINTS = np.random.default_rng(5).uniform((0.2, 0.05), (0.8, 0.95), (17, 2))  # as shares of the box


def boxes(video, frame, rng):
    """The boxes x, y, w, h of both people, with 5 % of noise."""
    numbers, *people = PLACES[video]
    found = []
    for sides in people:
        left, top, right, bottom = (np.interp(frame, numbers, side) for side in sides)
        size = np.array([right - left, bottom - top])
        center = np.array([left + right, top + bottom]) / 2 + 0.05 * size * rng.normal(size=2)
        size *= np.exp(0.05 * rng.normal(size=2))
        found.append(np.concatenate([center - size / 2, size]))
    return found


@pytest.mark.parametrize("video", PLACES)
@pytest.mark.parametrize("motion", ["none", "velocity", "flow"])
def test_people_keep_their_tracks_where_they_are_apart(tmp_path, video, motion):
    cfg = load_config(write_experiment(tmp_path, tmp_path), ["TEST.TRACKER.MOTION", motion])
    carry = build_motion(cfg, torch.nn.Identity(), torch.device("cpu"))
    file, rng = VideoFile(Path(FOLDER, f"video/{video}.mp4")), np.random.default_rng(0)
    frames, tracker, first, apart = FrameStream(file, 4), Tracker(np.full(17, 0.07)), {}, 0
    for number in range(PLACES[video][0][-1] + 1):
        image, poses = frames.read(number), []
        for box in boxes(video, number, rng):
            pose = TrackedPose.rounded(box, 0.9, box[:2] + JOINTS * box[2:], np.ones(17), 0.9)
            poses.append(TrackedPose(**{**vars(pose), "colors": joint_colors(image, pose)}))
        order = rng.permutation(2)
        linked = tracker.link(
            number, [poses[index] for index in order], carry and (lambda people, frame: carry(frames, people, frame))
        )
        if box_iou(poses[0].box[None], poses[1].box[None])[0, 0] < 0.3:
            apart += 1
            tracks = dict(zip(order.tolist(), (pose.track for pose in linked), strict=True))
            first = first or tracks
            assert tracks == first, f"frame {number}"
    assert apart > 40
