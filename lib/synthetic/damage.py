"""Image degradation: exposure, defocus, lost blocks, noise."""

import cv2
import numpy as np

from lib.synthetic.motion import smooth_noise
from lib.synthetic.presets import VideoSpec
from lib.synthetic.scenery import value_noise


def make_lighting(rng: np.random.Generator, spec: VideoSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return factors on the colors: (H, W, 1) uneven light over the picture, and (F, 3) over time."""
    field = 1 + 0.18 * value_noise(rng, spec.height, spec.width, 0.7 * spec.width)
    frames = np.arange(spec.frames)
    brightness = 1 + 0.08 * smooth_noise(rng, frames, 10.0)
    tint = 1 + 0.05 * rng.standard_normal(3)
    return field[:, :, None], (brightness[:, None] * tint).astype(np.float32)


def record(rng: np.random.Generator, spec: VideoSpec, image: np.ndarray) -> np.ndarray:
    """Return the picture as recorded by the camera: damaged in spec.damage of all frames, and noisy.

    Args:
        rng: Random generator.
        spec: Specification of the video.
        image: (H, W, 3) float32, 0 to 255.

    Returns:
        (H, W, 3) uint8.
    """
    noise, unit = spec.noise, spec.height / 240
    if rng.uniform() < spec.damage:
        kind = rng.choice(["defocus", "defocus", "smears", "noise", "blocks", "exposure"])
        if kind == "defocus":
            image = cv2.GaussianBlur(image, (0, 0), unit * rng.uniform(1.5, 4.0))
        elif kind == "smears":
            image = _smear(rng, image, unit)
        elif kind == "blocks":
            image = _lose_blocks(rng, image, unit)
        elif kind == "exposure":
            image = np.float32(rng.choice([rng.uniform(0.15, 0.4), rng.uniform(1.8, 2.6)])) * image
        else:
            noise = noise + rng.uniform(25, 55)
    image = image + np.float32(noise) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _smear(rng: np.random.Generator, image: np.ndarray, unit: float) -> np.ndarray:
    """Defocus some round areas, like drops on the lens."""
    height, width = image.shape[:2]
    y, x = np.ogrid[:height, :width]
    share = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(3, 7)):
        distance = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
        share = np.maximum(share, np.clip(2 - distance / (unit * rng.uniform(15, 35)), 0, 1))
    blurred = cv2.GaussianBlur(image, (0, 0), 7 * unit)
    return image + share.astype(np.float32)[:, :, None] * (blurred - image)


def _lose_blocks(rng: np.random.Generator, image: np.ndarray, unit: float) -> np.ndarray:
    """Replace parts of the picture by coarse blocks, as if a transmission lost data."""
    image = image.copy()
    height, width = image.shape[:2]
    block = max(2, round(10 * unit))
    for _ in range(rng.integers(2, 6)):
        rows, columns = (int(unit * value) for value in rng.uniform((24, 40), (80, 160)))
        top, left = rng.integers(0, max(1, height - rows)), rng.integers(0, max(1, width - columns))
        part = image[top : top + rows, left : left + columns]
        coarse = cv2.resize(
            part, (max(1, part.shape[1] // block), max(1, part.shape[0] // block)), interpolation=cv2.INTER_AREA
        )
        part[:] = cv2.resize(coarse, part.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return image
