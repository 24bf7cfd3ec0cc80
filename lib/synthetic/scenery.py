"""Surroundings of the people: wall, floor and furniture, moving things, and the camera path."""

from dataclasses import dataclass

import cv2
import numpy as np

from lib.synthetic.looks import muted_color
from lib.synthetic.motion import smooth_noise
from lib.synthetic.presets import VideoSpec

HORIZON = 0.4  # of the frame's height; feet of a person of height h stand FEET · h below it
FEET = 0.69
MARGIN = 0.4  # extent of the background beyond each side of the frame, in frame sizes


@dataclass(frozen=True)
class Background:
    """A picture larger than the frame.

    Attributes:
        pixels: (h, w, 4) float32, BGR and an opacity of 1.
        origin: (2,) x, y of the still camera's pixel (0, 0).
    """

    pixels: np.ndarray
    origin: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that flies through, or stands, in front of or behind the people.

    Attributes:
        pixels: (h, w, 4) as a sprite has.
        moments: first and last frame.
        position: (2,) of the middle at the first moment, in pixels of the still camera.
        velocity: (2,) pixels per frame.
        angle, spin: radians at the first moment, radians per frame.
        in_front: of all people, or behind all.
    """

    pixels: np.ndarray
    moments: tuple[float, float]
    position: np.ndarray
    velocity: np.ndarray
    angle: float
    spin: float
    in_front: bool

    def placed(self, time: float) -> np.ndarray | None:
        """Return (2, 3) from the thing's own pixels to the still camera's; None if it is absent at that time."""
        if not self.moments[0] <= time <= self.moments[1]:
            return None
        passed = time - self.moments[0]
        x, y = self.position + passed * self.velocity
        c, s = np.cos(self.angle + passed * self.spin), np.sin(self.angle + passed * self.spin)
        height, width = self.pixels.shape[:2]
        u, v = (width - 1) / 2, (height - 1) / 2
        return np.array([[c, -s, x - c * u + s * v], [s, c, y - s * u - c * v]])


def value_noise(rng: np.random.Generator, height: int, width: int, cell: float) -> np.ndarray:
    """Return (height, width) float32 of smooth blobs about `cell` pixels wide, mostly between -1 and 1."""
    knots = rng.uniform(-1, 1, (max(2, round(height / cell)), max(2, round(width / cell)))).astype(np.float32)
    return cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)


def make_background(rng: np.random.Generator, spec: VideoSpec) -> Background:
    """Draw a wall over a floor, both textured, with furniture and decoration."""
    width, height = round((1 + 2 * MARGIN) * spec.width), round((1 + 2 * MARGIN) * spec.height)
    horizon = round((MARGIN + HORIZON) * spec.height)
    unit = spec.height / 240
    pixels = np.empty((height, width, 3), np.float32)
    pixels[:horizon] = _surface(rng, horizon, width, unit)
    pixels[horizon:] = _surface(rng, height - horizon, width, unit)
    skirting = slice(horizon - round(3 * unit), horizon + 1)
    pixels[skirting] = 0.4 * pixels[skirting] + 30
    for base in np.sort(rng.uniform(-0.3, 1, spec.clutter)):  # the nearest, lowest, last
        _furnish(rng, pixels, round(horizon + base * 0.35 * spec.height), unit)
    return Background(cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA), np.array([MARGIN * spec.width, MARGIN * spec.height]))


def _surface(rng: np.random.Generator, height: int, width: int, unit: float) -> np.ndarray:
    """Return (height, width, 3): a gradient between two colors, a pattern, and stains of all sizes."""
    color = muted_color(rng)
    level = np.linspace(-1, 1, height)[:, None] * rng.uniform(-25, 25)
    y, x = np.mgrid[:height, :width] / (rng.uniform(10, 40) * unit)
    pattern = {
        "plain": np.zeros_like(x),
        "stripes": (x % 1 < 0.5) - 0.5,
        "tiles": 0.5 - ((x % 1 < 0.08) | (y % 1 < 0.08)),
        "bricks": 0.5 - (((x + 0.5 * (np.floor(2 * y) % 2)) % 1 < 0.06) | (2 * y % 1 < 0.12)),
        "checks": (x % 1 < 0.5) ^ (y % 1 < 0.5),
    }[str(rng.choice(["plain", "stripes", "tiles", "bricks", "checks"]))]
    level = level + rng.uniform(5, 35) * pattern
    for cell in (4, 16, 64):
        level = level + rng.uniform(2, 14) * value_noise(rng, height, width, cell * unit)
    return np.clip(color + level[..., None], 0, 255)


def _furnish(rng: np.random.Generator, pixels: np.ndarray, base: int, unit: float) -> None:
    """Draw one standing or hanging object with its foot at row `base`."""
    x, wide, tall = (round(value) for value in (rng.uniform(0, pixels.shape[1]), *(unit * rng.uniform(15, 80, 2))))
    first, second = (tuple(muted_color(rng)) for _ in range(2))
    kind = rng.choice(["cabinet", "picture", "pole", "plant", "ball", "rack"])
    low, high = (x, base - tall), (x + wide, base)
    if kind == "cabinet":
        cv2.rectangle(pixels, low, high, first, -1)
        for row in np.linspace(low[1], high[1], rng.integers(2, 5))[:-1]:
            cv2.rectangle(pixels, (x + 3, round(row) + 3), (x + wide - 3, round(row) + 5), second, -1)
        cv2.rectangle(pixels, low, high, second, 1)
    elif kind == "picture":
        lift = round(90 * unit)
        cv2.rectangle(pixels, (x, low[1] - lift), (x + wide, base - lift), first, -1)
        cv2.circle(pixels, (x + wide // 2, base - tall // 2 - lift), max(2, min(wide, tall) // 3), second, -1)
        cv2.rectangle(pixels, (x, low[1] - lift), (x + wide, base - lift), second, 2)
    elif kind == "pole":
        cv2.rectangle(pixels, (x, base - 2 * tall), (x + max(2, wide // 10), base), first, -1)
        cv2.circle(pixels, (x, base - 2 * tall), max(2, wide // 6), second, -1, cv2.LINE_AA)
    elif kind == "plant":
        for _ in range(14):
            tip = round(x + rng.normal(0, wide / 3)), round(base - tall * rng.uniform(0.4, 1.3))
            leaf = (40 * rng.uniform(), 90 + 110 * rng.uniform(), 40 * rng.uniform())
            cv2.line(pixels, (x, base - tall // 4), tip, leaf, max(1, round(3 * unit)), cv2.LINE_AA)
        cv2.rectangle(pixels, (x - wide // 6, base - tall // 3), (x + wide // 6, base), first, -1)
    elif kind == "ball":
        cv2.circle(pixels, (x, base - wide // 3), wide // 3, first, -1, cv2.LINE_AA)
        cv2.circle(pixels, (x - wide // 9, base - wide // 2), wide // 9, second, -1, cv2.LINE_AA)
    else:  # a coat rack: bars as wide as limbs, and as confusing
        for _ in range(4):
            start = round(x + rng.uniform(-0.5, 0.5) * wide), round(base - tall * rng.uniform(0.6, 1.6))
            end = round(start[0] + rng.normal(0, 10) * unit), round(start[1] + rng.uniform(20, 45) * unit)
            cv2.line(pixels, start, end, tuple(muted_color(rng)), round(rng.uniform(4, 10) * unit), cv2.LINE_AA)


def make_things(rng: np.random.Generator, spec: VideoSpec) -> list[Thing]:
    """Return things flying in front of the people (spec.occlusion of them at a time), and half as many behind."""
    things = []
    for in_front, in_flight in ((True, spec.occlusion), (False, 0.5 * spec.occlusion)):
        crossing = 11.0  # frames, on average
        for _ in range(rng.poisson(in_flight * (spec.frames + crossing) / crossing)):
            duration = crossing * rng.uniform(0.5, 1.5)
            begin = rng.uniform(-crossing, spec.frames)
            things.append(_thing(rng, spec, (begin, begin + duration), in_front))
    return things


def _thing(rng: np.random.Generator, spec: VideoSpec, moments: tuple[float, float], in_front: bool) -> Thing:
    """Return a ball, a board, a stick or a leaf that crosses the picture."""
    size = rng.uniform(0.1, 0.24) * spec.height
    long, wide = {"ball": (1, 1), "board": (1.2, 0.8), "stick": (2.2, 0.2), "leaf": (1.3, 0.6)}[
        kind := str(rng.choice(["ball", "board", "stick", "leaf"]))
    ]
    height, width = max(6, round(size * wide)), max(6, round(size * long))
    y, x = (np.mgrid[:height, :width] + 0.5) * 2 / np.array([height, width])[:, None, None] - 1
    edge = np.maximum(np.abs(x), np.abs(y)) if kind in ("board", "stick") else np.hypot(x, y)
    opacity = np.clip((0.97 - edge) * height / 2, 0, 1)
    colors = muted_color(rng) + 40 * value_noise(rng, height, width, 0.3 * size)[..., None]
    colors = colors * (1.1 - 0.35 * np.hypot(x + 0.4, y + 0.4))[..., None]
    pixels = np.dstack([np.clip(colors, 0, 255) * opacity[..., None], opacity]).astype(np.float32)

    side = rng.choice([-1, 1])
    reach = spec.width / 2 + size * long
    heights = rng.uniform(0.15, 0.9, 2) * spec.height
    velocity = np.array([-side * 2 * reach, heights[1] - heights[0]]) / (moments[1] - moments[0])
    position = np.array([spec.width / 2 + side * reach, heights[0]])
    return Thing(
        pixels=pixels,
        moments=moments,
        position=position,
        velocity=velocity,
        angle=rng.uniform(0, np.pi),
        spin=rng.normal(0, 0.25),
        in_front=in_front,
    )


def camera_path(rng: np.random.Generator, spec: VideoSpec, times: np.ndarray) -> np.ndarray:
    """Return (N, 2, 3) from the still camera's pixels to the picture's: slow pan and zoom, and hand shake."""
    strength, size = spec.camera, np.array([spec.width, spec.height])
    zoom = np.exp(strength * 0.06 * smooth_noise(rng, times, 15.0))
    roll = strength * 0.015 * smooth_noise(rng, times, 8.0)
    pan = [strength * share * smooth_noise(rng, times, 12.0) for share in (0.04, 0.02)]
    shake = [strength * 0.002 * smooth_noise(rng, times, 1.5) for _ in range(2)]
    shift = (np.stack(pan, axis=1) + np.stack(shake, axis=1)) * size
    c, s = zoom * np.cos(roll), zoom * np.sin(roll)
    matrices = np.stack([np.stack([c, -s], axis=1), np.stack([s, c], axis=1)], axis=1)
    offset = size / 2 + shift - matrices @ (size / 2)
    return np.concatenate([matrices, offset[:, :, None]], axis=2)
