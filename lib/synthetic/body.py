"""A three-dimensional body: limb lengths, joint angles, and the resulting joint positions.

Axes: x to the right of the picture, y down, z toward the camera. A body of yaw 0 faces the camera, so its left side is
at +x; at yaw π/2 it faces +x. Lengths are in heights of an upright person. Segment lengths follow Drillis and Contini
(1966), with a somewhat larger head, as in PoseTrack's labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SIDES = ("left", "right")

ANGLES = (
    "torso_pitch",
    "torso_roll",
    "torso_twist",
    "head_yaw",
    "head_pitch",
    "head_roll",
    "lift",
    *(
        f"{side}_{angle}"
        for side in SIDES
        for angle in ("arm_flex", "arm_abduct", "arm_turn", "elbow", "hip_flex", "hip_abduct", "knee", "foot")
    ),
)
"""What a pose consists of: radians, 0 for a body that stands with its arms hanging; `lift` off the ground in heights.

Flexing and pitching are forwards, abduction is sideways away from the body, `arm_turn` turns the arm about its own axis
so that the bent forearm points outwards.
"""

Pose = Mapping[str, np.ndarray]
"""(N,) values by names of ANGLES; those that are not there are 0."""


@dataclass(frozen=True)
class Body:
    """Lengths, in heights of the person."""

    thigh: float = 0.245
    shin: float = 0.246
    sole: float = 0.04
    foot: float = 0.12
    torso: float = 0.288
    hips: float = 0.055
    shoulders: float = 0.108
    upper_arm: float = 0.172
    forearm: float = 0.155
    hand: float = 0.06
    neck: float = 0.03
    head: float = 0.165
    nose: float = 0.07

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Body":
        """Return a body whose lengths each differ by up to 6 % from the usual ones."""
        usual = cls()
        return cls(**{name: value * rng.uniform(0.94, 1.06) for name, value in vars(usual).items()})


def mix(poses: list[Pose], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weighted sum of poses.

    Args:
        poses: The poses.
        weights: (N, number of poses), rows sum to 1.
    """
    zero = np.zeros(len(weights))
    return {name: sum((weights[:, i] * pose.get(name, zero) for i, pose in enumerate(poses)), zero) for name in ANGLES}


def body_points(body: Body, pose: Pose, yaw: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the joint positions of a pose.

    Args:
        body: The body.
        pose: Its joint angles.
        yaw: (N,) radians, the direction in which the pelvis faces.

    Returns:
        points: (N, 3) each, PoseTrack's joints by name (no ears) and the ends of the other drawn parts; the lowest foot
            stands on y = 0.
        facing: (N,) yaw of the torso and of the head, which select their views.
    """
    pose = {name: np.broadcast_to(pose.get(name, 0.0), yaw.shape) for name in ANGLES}
    root = _turn_y(yaw)
    torso = root @ _turn_x(-pose["torso_pitch"]) @ _turn_z(pose["torso_roll"]) @ _turn_y(pose["torso_twist"])
    head = torso @ _turn_y(pose["head_yaw"]) @ _turn_x(-pose["head_pitch"]) @ _turn_z(pose["head_roll"])

    points = {"pelvis": np.zeros((len(yaw), 3))}
    points["chest"] = torso @ (0, -body.torso, 0)
    points["head_bottom"] = points["chest"] + torso @ (0, -body.neck, 0)
    points["head_top"] = points["head_bottom"] + head @ (0, -body.head, 0)
    points["nose"] = points["head_bottom"] + head @ (0, -0.5 * body.head, body.nose)
    for side, sign in zip(SIDES, (1, -1), strict=True):
        points |= _arm(body, pose, side, sign, points["chest"], torso)
        points |= _leg(body, pose, side, sign, root)

    soles = [points[f"{side}_{end}"][:, 1] + thick for side in SIDES for end, thick in _soles(body)]
    drop = np.max(soles, axis=0) + pose["lift"]
    for name in points:
        points[name] = points[name] - np.stack([np.zeros_like(drop), drop, np.zeros_like(drop)], axis=1)
    facing = {"torso": np.arctan2(torso[:, 0, 2], torso[:, 2, 2]), "head": np.arctan2(head[:, 0, 2], head[:, 2, 2])}
    return points, facing


def _soles(body: Body) -> tuple[tuple[str, float], ...]:
    return ("ankle", body.sole), ("toes", 0.4 * body.sole)


def _arm(body: Body, pose: Pose, side: str, sign: int, chest: np.ndarray, torso: np.ndarray) -> dict[str, np.ndarray]:
    abduct, turn = sign * pose[f"{side}_arm_abduct"], sign * pose[f"{side}_arm_turn"]
    upper = torso @ _turn_z(abduct) @ _turn_x(pose[f"{side}_arm_flex"]) @ _turn_y(turn)
    lower = upper @ _turn_x(pose[f"{side}_elbow"])
    shoulder = chest + torso @ (sign * body.shoulders, 0, 0)
    elbow = shoulder + upper @ (0, body.upper_arm, 0)
    wrist = elbow + lower @ (0, body.forearm, 0)
    fingers = wrist + lower @ (0, body.hand, 0)
    return {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow, f"{side}_wrist": wrist, f"{side}_fingers": fingers}


def _leg(body: Body, pose: Pose, side: str, sign: int, root: np.ndarray) -> dict[str, np.ndarray]:
    upper = root @ _turn_z(sign * pose[f"{side}_hip_abduct"]) @ _turn_x(pose[f"{side}_hip_flex"])
    lower = upper @ _turn_x(-pose[f"{side}_knee"])
    foot = lower @ _turn_x(pose[f"{side}_foot"])
    hip = root @ (sign * body.hips, 0, 0)
    knee = hip + upper @ (0, body.thigh, 0)
    ankle = knee + lower @ (0, body.shin, 0)
    heel = ankle + foot @ (0, 0.3 * body.sole, -0.2 * body.foot)
    toes = ankle + foot @ (0, 0.5 * body.sole, 0.8 * body.foot)
    return {f"{side}_{name}": point for name, point in zip(_LEG, (hip, knee, ankle, heel, toes), strict=True)}


_LEG = ("hip", "knee", "ankle", "heel", "toes")


def _turn_x(angle: np.ndarray) -> np.ndarray:
    """Return (N, 3, 3) rotations that take down to forward."""
    return _turn(angle, (1, 2), -1)


def _turn_y(angle: np.ndarray) -> np.ndarray:
    """Return (N, 3, 3) rotations that take forward to the left side of the body."""
    return _turn(angle, (0, 2), 1)


def _turn_z(angle: np.ndarray) -> np.ndarray:
    """Return (N, 3, 3) rotations that take down to the left side of the body."""
    return _turn(angle, (0, 1), 1)


def _turn(angle: np.ndarray, plane: tuple[int, int], sign: int) -> np.ndarray:
    a, b = plane
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, range(3), range(3)] = 1
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angle)
    matrix[:, a, b] = sign * np.sin(angle)
    matrix[:, b, a] = -sign * np.sin(angle)
    return matrix
