import cv2
import numpy as np
import pytest
import torch
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.formats.tracked_poses import TrackedPose
from lib.frames.arrays import ArrayFrames
from lib.models import build_model
from lib.tracking.motion import build_motion

CPU = torch.device("cpu")
SHIFT = np.array([4.0, -2.0])  # pixels a frame


@pytest.fixture
def video():
    """A textured scene that moves by SHIFT."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 255, (200, 260, 3)), (0, 0), 2)
    scene = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    places = [(130 - SHIFT[0] * number, 100 - SHIFT[1] * number) for number in range(3)]
    return ArrayFrames([cv2.getRectSubPix(scene, (160, 120), place)[..., ::-1] for place in places])


def pose(x, y, known=17):
    joints = np.array([x, y]) + np.random.default_rng(1).uniform(5, 35, (17, 2))
    scores = np.where(np.arange(17) < known, 0.9, 0.0)
    return TrackedPose(
        box=np.array([x, y, 40, 40]),
        box_score=0.9,
        joints=np.where(scores[:, None] > 0, joints, 0),
        scores=scores,
        score=0.9,
    )


def test_velocity_and_none_need_no_images(tmp_path):
    for motion in ("velocity", "none"):
        cfg = load_config(write_experiment(tmp_path, tmp_path), ["TEST.TRACKER.MOTION", motion])
        assert build_motion(cfg, torch.nn.Identity(), CPU) is None


def test_flow_carries_poses_with_the_image(tmp_path, video):
    cfg = load_config(write_experiment(tmp_path, tmp_path), ["TEST.TRACKER.MOTION", "flow"])
    motion = build_motion(cfg, torch.nn.Identity(), CPU)
    poses = [pose(30, 40), pose(80, 60, known=9)]
    carried = motion(video, poses, 2)
    assert carried.shape == (2, 17, 2)
    for one, joints in zip(poses, carried, strict=True):
        np.testing.assert_allclose(joints, one.joints + SHIFT, atol=0.7)  # unknown joints move with the others


def test_the_warp_carries_the_labels_of_the_frame_before(tmp_path, video):
    """A head of zero offsets moves nothing; one that always samples three cells to the left moves joints right."""
    cfg = load_config(write_experiment(tmp_path, tmp_path), ["TEST.TRACKER.MOTION", "warp"])
    torch.manual_seed(0)
    net = build_model(cfg).eval()
    one = pose(60, 40)
    np.testing.assert_allclose(build_motion(cfg, net, CPU)(video, [one], 1)[0], one.joints, atol=0.01)

    class Shifted(type(net)):
        def warp(self, values, source, target):
            return values if source is target else values.roll(3, dims=3)

    net.__class__ = Shifted
    moved = build_motion(cfg, net, CPU)(video, [one], 1)[0] - one.joints
    width = 40 * 1.25  # of the crop, in pixels of the image
    assert np.median(moved[:, 0]) == pytest.approx(3 * width / cfg.MODEL.HEATMAP_SIZE[0], rel=0.1)
    assert np.median(moved[:, 1]) == pytest.approx(0, abs=0.5)


def test_the_warp_needs_a_posewarper(tmp_path):
    from lib.utils.errors import InputError

    keys = ["TEST.TRACKER.MOTION", "warp", "MODEL.WARP.ENABLED", False, "TEST.MODE", "single"]
    with pytest.raises(InputError, match=r"TEST\.TRACKER\.MOTION warp requires a PoseWarper; set it to flow"):
        load_config(write_experiment(tmp_path, tmp_path), keys)
