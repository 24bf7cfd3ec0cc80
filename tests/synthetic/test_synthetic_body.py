"""Joint angles to joints, and what people do with them."""

import numpy as np
import pytest

from lib.synthetic.actions import ON_THE_SPOT, SIT, WALK, Style
from lib.synthetic.body import ANGLES, Body, body_points, mix
from lib.synthetic.motion import Motion, plan_motion
from lib.synthetic.presets import PRESETS

BODY = Body()
BONES = {
    ("hip", "knee"): BODY.thigh,
    ("knee", "ankle"): BODY.shin,
    ("shoulder", "elbow"): BODY.upper_arm,
    ("elbow", "wrist"): BODY.forearm,
    ("wrist", "fingers"): BODY.hand,
}


def points_of(pose=None, yaw=0.0):
    points, _ = body_points(BODY, {name: np.array([angle]) for name, angle in (pose or {}).items()}, np.array([yaw]))
    return {name: point[0] for name, point in points.items()}


def test_left_and_right_follow_the_yaw():
    """A person who faces the camera has the left side on the right of the image, and the reverse from behind."""
    for yaw, left, forward in ((0, (1, 0), (0, 1)), (np.pi / 2, (0, -1), (1, 0)), (np.pi, (-1, 0), (0, -1))):
        points = points_of(yaw=yaw)
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            across = points[f"left_{joint}"] - points[f"right_{joint}"]
            np.testing.assert_allclose(across[[0, 2]] / np.linalg.norm(across), left, atol=1e-12)
        nose = points["nose"] - points["head_bottom"]
        np.testing.assert_allclose(nose[[0, 2]], BODY.nose * np.array(forward), atol=1e-12)


def test_a_standing_person_is_one_height_tall():
    points = points_of()
    assert points["head_top"][1] == pytest.approx(-1.0, abs=0.03)
    assert points["left_ankle"][1] == pytest.approx(-BODY.sole)
    assert points["left_wrist"][1] == pytest.approx(points["left_shoulder"][1] + BODY.upper_arm + BODY.forearm)


@pytest.mark.parametrize(
    ("angle", "joint", "parent", "direction"),
    [
        ("left_arm_flex", "wrist", "shoulder", (0, 0, 1)),
        ("left_arm_abduct", "wrist", "shoulder", (1, 0, 0)),
        ("left_elbow", "wrist", "elbow", (0, 0, 1)),
        ("left_hip_flex", "ankle", "hip", (0, 0, 1)),
        ("left_knee", "ankle", "knee", (0, 0, -1)),
    ],
)
def test_joints_bend_the_way_they_do(angle, joint, parent, direction):
    points = points_of({angle: np.pi / 2})
    limb = points[f"left_{joint}"] - points[f"left_{parent}"]
    np.testing.assert_allclose(limb / np.linalg.norm(limb), direction, atol=1e-12)
    mirrored = points_of({angle.replace("left", "right"): np.pi / 2})
    np.testing.assert_allclose(mirrored[f"right_{joint}"], points[f"left_{joint}"] * (-1, 1, 1), atol=1e-12)


def test_any_pose_keeps_the_limbs_and_stands_on_the_ground():
    rng = np.random.default_rng(0)
    pose = {name: rng.normal(0, 0.8, 50) for name in ANGLES if name != "lift"}
    points, _ = body_points(BODY, pose, rng.uniform(-4, 4, 50))
    for (start, end), length in BONES.items():
        for side in ("left", "right"):
            measured = np.linalg.norm(points[f"{side}_{end}"] - points[f"{side}_{start}"], axis=1)
            np.testing.assert_allclose(measured, length)
    lowest = np.max([points[f"{side}_ankle"][:, 1] + BODY.sole for side in ("left", "right")], axis=0)
    assert (lowest < 1e-9).all()
    lifted, _ = body_points(BODY, {**pose, "lift": np.full(50, 0.1)}, np.zeros(50))
    assert all((lifted[f"{side}_toes"][:, 1] < -0.1).all() for side in ("left", "right"))


def test_actions_are_told_apart_and_know_only_angles_of_the_body():
    phase, rng = np.linspace(0, 2 * np.pi, 9), np.random.default_rng(1)
    wrists = []
    for action in (WALK, SIT, *ON_THE_SPOT):
        pose = action.pose(phase, Style.random(rng))
        assert set(pose) <= set(ANGLES)
        points, _ = body_points(BODY, mix([pose], np.ones((9, 1))), np.zeros(9))
        wrists.append(np.concatenate([points["left_wrist"], points["right_wrist"], points["left_knee"]]))
    for i, one in enumerate(wrists):
        assert all(np.abs(one - other).max() > 0.05 for other in wrists[:i])


def wrist_speed(motion: Motion, body: Body) -> float:
    """Mean way of both wrists between two frames, in head sizes (0.6 of the head box's diagonal)."""
    points, _ = body_points(body, motion.pose, motion.yaw)
    place = np.stack([motion.x, 0.69 * motion.height], axis=1)
    size = 0.6 * np.hypot(1, 0.83) * 1.15 * body.head * motion.height[1:, None]
    wrists = [place + motion.height[:, None] * points[f"{side}_wrist"][:, :2] for side in ("left", "right")]
    return float(np.mean([np.linalg.norm(np.diff(way, axis=0) / size, axis=1) for way in wrists]))


def test_wrists_move_as_fast_as_the_preset_means():
    """About 0.65 head sizes per frame: the motion that a network of five frames can follow and an average cannot."""
    spec, times = PRESETS["default"], np.arange(40.0)
    speeds = []
    for number in range(120):
        rng = np.random.default_rng(number)
        body = Body.random(rng)
        speeds.append(wrist_speed(plan_motion(rng, spec, body, times), body))
    assert np.mean(speeds) == pytest.approx(0.65, abs=0.08)


def test_walking_people_move_forwards_without_sliding():
    """The foot that bears the weight stays behind on the ground: it moves much less than the body."""
    spec, times = PRESETS["default"], np.arange(0, 40, 0.5)
    stays = []
    for number in range(40):
        rng = np.random.default_rng(number)
        motion = plan_motion(rng, spec, BODY, times)
        speed = np.gradient(motion.x, times) / motion.height
        walking = np.abs(speed) > 0.08
        points, _ = body_points(BODY, motion.pose, motion.yaw)
        assert not walking.any() or (speed * np.sin(motion.yaw))[walking].mean() > 0
        feet = np.stack([points[f"{side}_ankle"] for side in ("left", "right")])
        bearing = np.argmax(feet[:, :, 1], axis=0)
        way = np.gradient(motion.x[None] / motion.height + feet[:, :, 0], times, axis=1)
        stays += list(np.abs(np.take_along_axis(way, bearing[None], axis=0)[0, walking] / speed[walking]))
    assert np.median(stays) < 0.5
