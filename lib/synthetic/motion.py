"""Paths and actions of people in a video: plans over continuous time, sampled when drawn."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from lib.synthetic.actions import ON_THE_SPOT, SIT, WALK, Action, Style
from lib.synthetic.body import ANGLES, Body, Pose, mix
from lib.synthetic.presets import VideoSpec

STEPS = 8  # of the time grid per frame
LEAD = 2  # frames before the first and after the last one, so that smoothing has no edge
WALKING_SPEED = 0.098  # body heights per frame
STRIDE = 0.95  # body heights covered by two steps
NEARER = 0.22  # growth (log of the height) per body height walked towards the camera
SEATED = 0.15  # share of the people who sit


@dataclass(frozen=True, kw_only=True)
class Motion:
    """One person over N moments.

    Attributes:
        x: (N,) horizontal position, in pixels of the still camera.
        height: (N,) height of the upright person, in the same pixels; it determines the distance to the camera.
        yaw: (N,) radians.
        pose: (N,) per angle.
        seated: True if the person sits on a stool.
    """

    x: np.ndarray
    height: np.ndarray
    yaw: np.ndarray
    pose: Pose
    seated: bool


@dataclass(frozen=True, kw_only=True)
class _Segment:
    start: float  # frames
    action: Action
    style: Style
    heading: float
    speed: tuple[float, float]  # of x (pixels per frame) and of the log height (per frame)
    phase: float


def smooth_noise(rng: np.random.Generator, times: np.ndarray, period: float) -> np.ndarray:
    """Return (N,) values of a random function with deviation 1 that varies over about `period` frames."""
    knots = rng.standard_normal(int(np.ptp(times) / period) + 6)
    grid = times.min() + period * (np.arange(len(knots)) - 2)
    fine = np.linspace(grid[0], grid[-1], 8 * len(knots))
    return np.interp(times, fine, gaussian_filter1d(np.interp(fine, grid, knots), 5.0)) * 1.5


def plan_motion(rng: np.random.Generator, spec: VideoSpec, body: Body, times: np.ndarray) -> Motion:
    """Plan a random motion of one person at the given times, in frames."""
    smallest, largest = (share * spec.height for share in spec.person_height)
    x, height = rng.uniform(0.1, 0.9) * spec.width, smallest * (largest / smallest) ** rng.uniform()
    seated = rng.uniform() < SEATED
    grid = np.arange(-LEAD * STEPS, (spec.frames + LEAD) * STEPS + 1) / STEPS
    segments = _segments(rng, spec, x, height, seated)

    index = np.searchsorted([segment.start for segment in segments], grid, side="right") - 1
    speed = gaussian_filter1d(np.array([segment.speed for segment in segments])[index], STEPS, axis=0)
    way = np.cumsum(speed, axis=0) / STEPS
    heights = height * np.exp(way[:, 1])
    # The way in body heights, along either direction, drives the legs: feet hardly slide.
    steps = np.cumsum(np.hypot(speed[:, 0] / heights, speed[:, 1] / NEARER)) / STEPS
    yaw = gaussian_filter1d(np.unwrap([segment.heading for segment in segments])[index], 1.4 * STEPS)
    weights = gaussian_filter1d(np.eye(len(segments))[index], STEPS, axis=0)

    poses = []
    for segment in segments:
        turns = steps / STRIDE if segment.action is WALK else segment.action.rate * spec.tempo * grid
        poses.append(segment.action.pose(2 * np.pi * turns + segment.phase, segment.style))
    pose = mix(poses, weights)
    for name in ANGLES:
        if name != "lift":
            pose[name] = pose[name] + 0.05 * smooth_noise(rng, grid, 6.0)
    return Motion(
        x=np.interp(times, grid, x + way[:, 0]),
        height=np.interp(times, grid, heights),
        yaw=np.interp(times, grid, yaw),
        pose={name: np.interp(times, grid, angle) for name, angle in pose.items()},
        seated=seated,
    )


def _segments(rng: np.random.Generator, spec: VideoSpec, x: float, height: float, seated: bool) -> list[_Segment]:
    """Return the consecutive actions until the video is over."""
    actions = (SIT,) if seated else (WALK, *ON_THE_SPOT)
    shares = np.array([action.weight for action in actions]) if not seated else np.ones(1)
    start, segments, heading = -float(LEAD), [], _facing(rng)
    while start < spec.frames + LEAD:
        action = actions[rng.choice(len(actions), p=shares / shares.sum())]
        style, phase = Style.random(rng), rng.uniform(0, 2 * np.pi)
        if action is WALK:
            heading, speed, duration, x, height = _walk_to_somewhere(rng, spec, x, height)
        else:
            heading = heading if seated else _facing(rng)
            speed, duration = (0.0, 0.0), rng.uniform(10, 24)
        segments.append(_Segment(start=start, action=action, style=style, heading=heading, speed=speed, phase=phase))
        start += duration
    return segments


def _facing(rng: np.random.Generator) -> float:
    """Return a random yaw, mostly toward the camera, sometimes in any direction."""
    return rng.normal(0, 0.8) if rng.uniform() < 0.7 else rng.uniform(-np.pi, np.pi)


def _walk_to_somewhere(
    rng: np.random.Generator, spec: VideoSpec, x: float, height: float
) -> tuple[float, tuple[float, float], float, float, float]:
    """Return heading, speed, duration, and the person's final position, at least a quarter of the picture away."""
    smallest, largest = (share * spec.height for share in spec.person_height)
    there = rng.uniform(0.06, 0.94) * spec.width
    if abs(there - x) < 0.25 * spec.width:
        there = x + np.sign(0.5 * spec.width - x) * rng.uniform(0.25, 0.5) * spec.width
    tall = np.clip(height * np.exp(rng.normal(0, 0.2)), smallest, largest)
    across, nearer = (there - x) / height, np.log(tall / height) / NEARER
    duration = max(1.0, np.hypot(across, nearer) / max(WALKING_SPEED * spec.tempo, 1e-3))
    speed = (there - x) / duration, np.log(tall / height) / duration
    return float(np.arctan2(across, nearer)), speed, duration, there, tall
