"""Appearance of people: clothes and skin as small pictures ("sprites") of body parts, drawn once per person."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.synthetic.body import SIDES, Body

VIEWS = 24  # of torso, hips and head, all round
SKIN = ((170, 205, 245), (150, 185, 230), (120, 160, 210), (90, 125, 180), (60, 85, 135), (45, 60, 95))  # BGR
HAIR = ((25, 25, 30), (30, 45, 75), (50, 80, 120), (110, 170, 215), (150, 150, 155), (40, 60, 160))


def muted_color(rng: np.random.Generator) -> np.ndarray:
    """Return a (3,) BGR color of any brightness, not fully saturated, like most things."""
    return np.clip(rng.uniform(25, 225) + rng.normal(0, 28, 3), 10, 240)


@dataclass(frozen=True)
class Sprite:
    """A body part, placed along the line from its start to its end.

    Attributes:
        pixels: (h, w, 4) float32, BGR from 0 to 255 times opacity, and opacity from 0 to 1; row 0 is at the start.
        radius: Half of the width, in body heights.
        before: Extension beyond the start, in body heights.
        behind: Extension beyond the end, in body heights.
    """

    pixels: np.ndarray
    radius: float
    before: float
    behind: float


@dataclass(frozen=True)
class Part:
    """Position and drawing order of a body part.

    Attributes:
        start: Name of the body point where the part starts.
        end: Name of the body point where it ends.
        views: One sprite, or VIEWS of them for yaw 0, 2π/VIEWS, …
        follows: Whose yaw selects the view, "torso" or "head".
        bias: Added to the part's depth, in body heights; the nearest part is drawn last.
    """

    start: str
    end: str
    views: list[Sprite]
    follows: str
    bias: float


@dataclass(frozen=True)
class Fabric:
    """A pattern: plain, rings, stripes, checks, dots or noise of two colors.

    Attributes:
        kind: Kind of the pattern.
        colors: (2, 3) BGR.
        size: Period of the pattern, in body heights.
        grain: (32, 32) from 0 to 1, for noise.
    """

    kind: str
    colors: np.ndarray
    size: float
    grain: np.ndarray

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Fabric":
        """Return a random fabric."""
        kind = str(rng.choice(["plain", "rings", "stripes", "checks", "dots", "noise"]))
        first = muted_color(rng)
        second = np.clip(first + rng.choice([-1, 1]) * rng.uniform(40, 130, 3), 0, 255)
        return cls(kind, np.stack([first, second]), rng.uniform(0.025, 0.07), rng.uniform(0, 1, (32, 32)))

    @classmethod
    def plain(cls, color: np.ndarray) -> "Fabric":
        """Return a fabric of a single color."""
        return cls("plain", np.stack([color, color]), 1.0, np.zeros((32, 32)))

    def color(self, around: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Return (…, 3) BGR at a distance around and along the limb, in body heights."""
        u, v = np.broadcast_arrays(around / self.size, along / self.size)
        share = {
            "plain": lambda: np.zeros_like(u),
            "rings": lambda: (v % 1 < 0.5).astype(float),
            "stripes": lambda: (u % 1 < 0.4).astype(float),
            "checks": lambda: 0.5 * (v % 1 < 0.5) + 0.5 * (u % 1 < 0.5),
            "dots": lambda: (np.hypot(u % 1 - 0.5, v % 1 - 0.5) < 0.3).astype(float),
            "noise": lambda: self.grain[np.floor(4 * v).astype(int) % 32, np.floor(4 * u).astype(int) % 32],
        }[self.kind]()
        return self.colors[0] + share[..., None] * (self.colors[1] - self.colors[0])


def dress(rng: np.random.Generator, body: Body, resolution: float) -> dict[str, Part]:
    """Return the parts of a randomly dressed person, by name.

    Args:
        rng: Random generator.
        body: The body to dress.
        resolution: Pixels per body height of the sprites: the largest size at which they are drawn.
    """
    shirt, trousers, shoes = Fabric.random(rng), Fabric.random(rng), Fabric.plain(muted_color(rng))
    skin = Fabric.plain(np.array(SKIN[rng.integers(len(SKIN))]) * rng.uniform(0.9, 1.05))
    sleeves, legs = shirt if rng.uniform() < 0.5 else skin, trousers if rng.uniform() < 0.7 else skin
    stout = rng.uniform(0.9, 1.3)

    def limb(start: str, end: str, length: float, radii: tuple[float, float], fabric: Fabric, bias: float) -> Part:
        radii = radii[0] * stout, radii[1] * stout
        return Part(start, end, [limb_sprite(length, radii, fabric, resolution)], "torso", bias)

    parts = {"neck": limb("chest", "head_bottom", body.neck, (0.036, 0.031), skin, -0.01)}
    for side in SIDES:
        parts |= {
            f"{side}_thigh": limb(f"{side}_hip", f"{side}_knee", body.thigh, (0.057, 0.042), trousers, -0.03),
            f"{side}_shin": limb(f"{side}_knee", f"{side}_ankle", body.shin, (0.041, 0.025), legs, -0.02),
            f"{side}_foot": limb(f"{side}_heel", f"{side}_toes", body.foot, (0.026, 0.021), shoes, -0.01),
            f"{side}_upper_arm": limb(f"{side}_shoulder", f"{side}_elbow", body.upper_arm, (0.037, 0.028), shirt, 0.02),
            f"{side}_forearm": limb(f"{side}_elbow", f"{side}_wrist", body.forearm, (0.028, 0.019), sleeves, 0.03),
            f"{side}_hand": limb(f"{side}_wrist", f"{side}_fingers", body.hand, (0.02, 0.017), skin, 0.035),
        }
    badge = muted_color(rng)
    angles = 2 * np.pi * np.arange(VIEWS) / VIEWS
    hips = [_trunk_sprite(0.05, _HIPS, stout, trousers, angle, resolution, None) for angle in angles]
    torso = [_trunk_sprite(body.torso, _TORSO, stout, shirt, angle, resolution, badge) for angle in angles]
    parts["hips"] = Part("pelvis", "chest", [_shortened(view, body.torso - 0.05) for view in hips], "torso", -0.025)
    parts["torso"] = Part("pelvis", "chest", torso, "torso", 0.0)
    hair, long_hair = np.array(HAIR[rng.integers(len(HAIR))]) * rng.uniform(0.7, 1.1), bool(rng.uniform() < 0.4)
    head = [_head_sprite(body, skin.colors[0], hair, long_hair, angle, resolution) for angle in angles]
    parts["head"] = Part("head_bottom", "head_top", head, "head", 0.03)
    return parts


def limb_sprite(length: float, radii: tuple[float, float], fabric: Fabric, resolution: float) -> Sprite:
    """A tapered capsule of fabric, lit from the front; `radii` at start and end, all in body heights."""
    u, v = _grid(max(radii), radii[0] + length + radii[1], resolution)
    v = v - radii[0]
    start_cap = np.sqrt(np.clip(radii[0] ** 2 - v**2, 0, None))
    end_cap = np.sqrt(np.clip(radii[1] ** 2 - (v - length) ** 2, 0, None))
    between = radii[0] + (radii[1] - radii[0]) * v / length
    half = np.where(v < 0, start_cap, np.where(v > length, end_cap, between))
    return _round_sprite(u, half, lambda angle: fabric.color(angle * radii[0], v), resolution, radii)


_HIPS = ((0.0, 0.5, 1.0), (0.088, 0.1, 0.09), (0.07, 0.075, 0.07))
_TORSO = ((0.0, 0.3, 0.75, 1.0), (0.092, 0.085, 0.112, 0.108), (0.07, 0.066, 0.078, 0.06))
"""Heights (0 at the start, 1 at the end), half widths from the front and from the side there."""


def _trunk_sprite(
    length: float,
    profile: tuple[tuple[float, ...], ...],
    stout: float,
    fabric: Fabric,
    yaw: float,
    resolution: float,
    badge: np.ndarray | None,
) -> Sprite:
    """Torso or hips as seen at a yaw: an elliptic cylinder with the fabric wrapped round it, a badge on the chest."""
    reach = 0.035
    u, v = _grid(0.15 * stout, length + 2 * reach, resolution)
    v = v - reach
    heights, front, side = (np.array(row) for row in profile)
    half = stout * np.hypot(
        np.interp(v / length, heights, front) * np.cos(yaw), np.interp(v / length, heights, side) * np.sin(yaw)
    )
    past = np.clip(np.maximum(-v, v - length) / reach, 0, 1)
    half = half * np.sqrt(1 - past**2)

    def color(angle: np.ndarray) -> np.ndarray:
        around = angle - yaw  # 0 on the chest
        colors = fabric.color(around * 0.1, v)
        if badge is not None:
            around = (around + np.pi) % (2 * np.pi) - np.pi
            colors[(np.abs(around) < 0.4) & (np.abs(v / length - 0.68) < 0.11)] = badge
            colors[(np.abs(around) < 0.3) & (v > 0.98 * length)] *= 0.6  # the collar
        return colors

    return _round_sprite(u, half, color, resolution, (reach, reach))


def _shortened(view: Sprite, beyond: float) -> Sprite:
    """A sprite for a line that is longer by `beyond` at its end than what it covers."""
    return Sprite(view.pixels, view.radius, view.before, view.behind - beyond)


def _head_sprite(
    body: Body, skin: np.ndarray, hair: np.ndarray, long_hair: bool, yaw: float, resolution: float
) -> Sprite:
    """A head as seen at a yaw: an ellipsoid with face and hair, and the nose standing out."""
    reach = 0.012
    u, v = _grid(0.1, body.head + 2 * reach, resolution)
    middle, tall, wide = reach + 0.56 * body.head, 0.46 * body.head, 0.058 + 0.012 * abs(np.sin(yaw))
    x, up = u / wide, (v - middle) / tall
    near = np.sqrt(np.clip(1 - x**2 - up**2, 0, 1))
    side, front = x * np.cos(yaw) - near * np.sin(yaw), x * np.sin(yaw) + near * np.cos(yaw)

    nose_x, nose_up = body.nose * np.sin(yaw) / wide, (reach + 0.5 * body.head - middle) / tall
    nose = (np.hypot((x - nose_x) / 0.2, (up - nose_up) / 0.17) < 1) & (np.cos(yaw) > -0.3)
    inside = np.clip((1 - np.hypot(x, up)) * wide * resolution + 0.5, 0, 1)
    colors = skin * (0.72 + 0.28 * near)[..., None] * np.ones(3)
    for sign in (-1, 1):
        eye = np.hypot((side - 0.36 * sign) / 0.22, (up - 0.14) / 0.13)
        colors[(eye < 1) & (front > 0)] = 235
        colors[(eye < 0.55) & (front > 0)] = 30
        colors[(np.abs(side - 0.36 * sign) < 0.2) & (np.abs(up - 0.36) < 0.05) & (front > 0)] = hair * 0.8
    colors[(np.hypot(side / 0.3, (up + 0.5) / 0.08) < 1) & (front > 0)] = (70, 60, 160)
    hairline = np.where(front > 0.2, 0.52, -0.95 if long_hair else -0.3)
    strands = 0.85 + 0.15 * np.sin(25 * np.arctan2(side, front))
    ears = (np.abs(side) > 0.7) & (np.abs(front) < 0.22) & (np.abs(up) < 0.2)
    hairy = (up > hairline) & ~ears
    colors[hairy] = (hair * ((0.7 + 0.3 * near) * strands)[..., None])[hairy]
    colors[nose] = skin * 0.86
    return Sprite(_premultiplied(colors, np.maximum(inside, nose)), 0.1, reach, reach)


def _grid(radius: float, length: float, resolution: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the middle line (1, w) and from the start (h, 1) of a sprite's pixels, in body heights."""
    width, height = max(5, int(np.ceil(2 * radius * resolution))), max(5, int(np.ceil(length * resolution)))
    u = ((np.arange(width) + 0.5) / width * 2 - 1) * radius
    return u[None], ((np.arange(height) + 0.5) / height * length)[:, None]


def _round_sprite(
    u: np.ndarray,
    half: np.ndarray,
    color: Callable[[np.ndarray], np.ndarray],
    resolution: float,
    reach: tuple[float, float],
) -> Sprite:
    """A part with a round section of the given half width, (h, 1), at each height; `color` by the angle around it."""
    across = np.clip(u / np.maximum(half, 1e-6), -1, 1)
    shade = 0.62 + 0.38 * np.sqrt(1 - across**2) + 0.06 * across
    opacity = np.clip((half - np.abs(u)) * resolution + 0.5, 0, 1) * (half > 0)
    colors = color(np.arcsin(across)) * shade[..., None]
    return Sprite(_premultiplied(colors, opacity), float(np.abs(u).max() + (u[0, 1] - u[0, 0]) / 2), *reach)


def _premultiplied(colors: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return np.dstack([np.clip(colors, 0, 255) * opacity[..., None], opacity]).astype(np.float32)
