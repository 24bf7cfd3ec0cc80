"""Actions: joint angles as functions of a phase that grows by 2π per repetition."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.synthetic.body import SIDES, Pose


@dataclass(frozen=True)
class Style:
    """The style in which one person performs one action.

    Attributes:
        main: Side of the leading arm (and leg).
        other: The other side.
        size: Amplitude of the movement, about 1.
        variant: Selects a variant of the action, 0 to 1.
    """

    main: str
    other: str
    size: float
    variant: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Style":
        """Return a random style."""
        main, other = rng.permutation(SIDES)
        return cls(str(main), str(other), rng.uniform(0.8, 1.2), rng.uniform())


def walk(phase: np.ndarray, style: Style) -> Pose:
    """Take two steps per repetition; the arms swing against the legs."""
    pose = {"torso_pitch": 0.08 + 0 * phase, "torso_twist": -0.15 * np.sin(phase)}
    for side, shift in zip(SIDES, (0.0, np.pi), strict=True):
        swing = 0.9 * (np.sin(phase + shift) - np.sin(3 * (phase + shift)) / 9)  # as even as the body's own motion
        pose[f"{side}_hip_flex"] = style.size * 0.48 * swing + 0.08
        pose[f"{side}_knee"] = 0.12 + 0.75 * np.clip(np.cos(phase + shift), 0, 1)
        pose[f"{side}_foot"] = 0.15 * swing
        pose[f"{side}_arm_flex"] = -style.size * 0.6 * swing
        pose[f"{side}_arm_abduct"] = 0.12 + 0 * phase
        pose[f"{side}_elbow"] = 0.25 + 0.9 * (style.variant > 0.6) - 0.25 * swing
    return pose


def stand(phase: np.ndarray, style: Style) -> Pose:
    """Wait with arms hanging, one on the hip or both crossed in front, and look around."""
    pose = {"head_yaw": 0.5 * np.sin(phase), "torso_roll": 0.05 * np.sin(phase), **_legs_apart(0.06)}
    for side in SIDES:
        on_hip = style.variant > 0.4 and side == style.main
        pose[f"{side}_arm_abduct"] = (0.75 if on_hip else 0.14) + 0.06 * np.sin(phase)
        pose[f"{side}_elbow"] = (1.7 if on_hip else 0.2) + 0.1 * np.sin(2 * phase)
        pose[f"{side}_arm_turn"] = (-1.2 if on_hip else 0.0) + 0 * phase
    return pose


def wave(phase: np.ndarray, style: Style) -> Pose:
    """Sway one hand, or both, from side to side above the head."""
    pose = {"torso_roll": 0.06 * np.sin(phase), "head_roll": 0.08 * np.sin(phase), **_legs_apart(0.08)}
    for side in SIDES if style.variant > 0.6 else (style.main,):
        pose[f"{side}_arm_abduct"] = 1.9 + 0.3 * style.size * np.sin(phase)
        pose[f"{side}_arm_turn"] = 1.5 + 0 * phase
        pose[f"{side}_elbow"] = 0.8 + 0.6 * style.size * np.sin(phase)
    pose.setdefault(f"{style.other}_arm_abduct", 0.15 + 0 * phase)
    pose.setdefault(f"{style.other}_elbow", 0.3 + 0.1 * np.sin(phase))
    return pose


def box(phase: np.ndarray, style: Style) -> Pose:
    """Punch forward, left and right in turn."""
    pose = {"torso_twist": 0.35 * np.sin(phase), "torso_pitch": 0.12 + 0 * phase, **_legs_apart(0.15)}
    for side, shift in zip(SIDES, (np.pi, 0.0), strict=True):
        out = 0.5 + 0.5 * np.sin(phase + shift)
        pose[f"{side}_arm_flex"] = 0.5 + 0.9 * style.size * out
        pose[f"{side}_arm_abduct"] = 0.25 - 0.15 * out
        pose[f"{side}_elbow"] = 2.1 - 1.9 * out
        pose[f"{side}_knee"] = 0.3 + 0 * phase
        pose[f"{side}_hip_flex"] = 0.3 + 0.1 * np.sin(phase + shift)
    return pose


def squat(phase: np.ndarray, style: Style) -> Pose:
    """Go down and up with the arms forward for balance."""
    down = style.size * (0.5 - 0.5 * np.cos(phase))
    pose = {"torso_pitch": 0.55 * down, "head_pitch": -0.3 * down}
    for side in SIDES:
        pose[f"{side}_hip_flex"] = 1.35 * down
        pose[f"{side}_hip_abduct"] = 0.25 * down + 0.05
        pose[f"{side}_knee"] = 1.9 * down
        pose[f"{side}_foot"] = 0.55 * down
        pose[f"{side}_arm_flex"] = 1.5 * down
        pose[f"{side}_arm_abduct"] = 0.1 + 0 * phase
        pose[f"{side}_elbow"] = 0.3 + 0 * phase
    return pose


def jumping_jack(phase: np.ndarray, style: Style) -> Pose:
    """Move arms and legs together and apart, off the ground in between."""
    apart = 0.5 - 0.5 * np.cos(phase)
    pose = {"lift": 0.05 * np.sin(phase) ** 2}
    for side in SIDES:
        pose[f"{side}_arm_abduct"] = 0.2 + style.size * 2.1 * apart
        pose[f"{side}_elbow"] = 0.25 + 0 * phase
        pose[f"{side}_arm_turn"] = 1.2 + 0 * phase
        pose[f"{side}_hip_abduct"] = 0.03 + 0.38 * apart
    return pose


def dance(phase: np.ndarray, style: Style) -> Pose:
    """Swing the arms around in opposite directions, with hips and knees following."""
    pose = {"torso_roll": 0.15 * np.sin(phase), "torso_twist": 0.4 * np.sin(phase), "head_roll": -0.1 * np.sin(phase)}
    for side, shift in ((style.main, 0.0), (style.other, np.pi * (style.variant > 0.5))):
        pose[f"{side}_arm_flex"] = 0.6 + 0.7 * style.size * np.sin(phase + shift)
        pose[f"{side}_arm_abduct"] = 0.7 + 0.6 * style.size * np.cos(phase + shift)
        pose[f"{side}_elbow"] = 1.0 + 0.5 * np.sin(phase + shift)
        pose[f"{side}_arm_turn"] = 0.6 + 0.5 * np.cos(phase)
        pose[f"{side}_hip_flex"] = 0.25 + 0.25 * np.sin(phase + shift)
        pose[f"{side}_knee"] = 0.4 + 0.4 * np.sin(phase + shift)
        pose[f"{side}_hip_abduct"] = 0.12 + 0 * phase
    return pose


def march(phase: np.ndarray, style: Style) -> Pose:
    """March in place with high knees and matching arms."""
    pose = {"torso_twist": 0.15 * np.sin(phase)}
    for side, shift in zip(SIDES, (0.0, np.pi), strict=True):
        up = np.clip(np.sin(phase + shift), 0, 1)
        pose[f"{side}_hip_flex"] = 1.3 * style.size * up
        pose[f"{side}_knee"] = 1.7 * up
        pose[f"{side}_arm_flex"] = -0.7 * np.sin(phase + shift)
        pose[f"{side}_arm_abduct"] = 0.15 + 0 * phase
        pose[f"{side}_elbow"] = 1.4 + 0 * phase
    return pose


def pick_up(phase: np.ndarray, style: Style) -> Pose:
    """Bend down to the ground with one hand and come up again."""
    down = 0.5 - 0.5 * np.cos(phase)
    pose = {"torso_pitch": 1.3 * style.size * down, "torso_twist": 0.2 * down, "head_pitch": -0.4 * down}
    for side in SIDES:
        pose[f"{side}_hip_flex"] = 0.5 * down
        pose[f"{side}_knee"] = 0.7 * down
        pose[f"{side}_foot"] = 0.2 * down
    pose[f"{style.main}_arm_flex"] = 1.4 * down - 0.2
    pose[f"{style.main}_arm_abduct"] = 0.1 + 0 * phase
    pose[f"{style.other}_arm_abduct"] = 0.2 + 0.5 * down
    pose[f"{style.other}_elbow"] = 0.3 + 1.0 * down
    return pose


def sit(phase: np.ndarray, style: Style) -> Pose:
    """Sit upright and talk with both hands, or wave with one."""
    pose = {"torso_pitch": 0.1 + 0.06 * np.sin(phase), "head_yaw": 0.3 * np.sin(0.5 * phase)}
    for side, shift in ((style.main, 0.0), (style.other, 1.2)):
        pose[f"{side}_hip_flex"] = 1.5 + 0 * phase
        pose[f"{side}_knee"] = 1.5 + 0 * phase
        pose[f"{side}_hip_abduct"] = 0.15 + 0 * phase
        pose[f"{side}_arm_flex"] = 0.6 + 0.4 * style.size * np.sin(phase + shift)
        pose[f"{side}_arm_abduct"] = 0.25 + 0.2 * np.cos(phase + shift)
        pose[f"{side}_elbow"] = 1.3 + 0.6 * style.size * np.sin(phase + 1 + shift)
        pose[f"{side}_arm_turn"] = 0.3 * np.sin(phase + shift)
    if style.variant > 0.6:
        raised = wave(phase, style)
        pose |= {name: angle for name, angle in raised.items() if name.startswith(f"{style.main}_arm")}
        pose[f"{style.main}_elbow"] = raised[f"{style.main}_elbow"]
    return pose


def _legs_apart(angle: float) -> Pose:
    return {f"{side}_hip_abduct": np.array(angle) for side in SIDES}


@dataclass(frozen=True)
class Action:
    """Attributes: pose as a function of phase and style; repetitions per frame; how often it is chosen."""

    pose: Callable[[np.ndarray, Style], Pose]
    rate: float
    weight: float


WALK, SIT = Action(walk, 0.0, 4.0), Action(sit, 0.15, 0.0)
"""Walking has no rate of its own: the way that is covered gives its phase. People who sit do so all the time."""

ON_THE_SPOT = (
    Action(stand, 0.05, 0.5),
    Action(wave, 0.21, 2.2),
    Action(box, 0.17, 1.2),
    Action(squat, 0.115, 1.0),
    Action(jumping_jack, 0.115, 1.0),
    Action(dance, 0.15, 1.4),
    Action(march, 0.15, 1.0),
    Action(pick_up, 0.095, 0.8),
)
