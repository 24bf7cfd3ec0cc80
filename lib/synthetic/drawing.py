"""Draw a moment of a scene from back to front, and record which person is seen at each pixel.

Pixel centers have integer coordinates, as in OpenCV and in PoseTrack's labels.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lib.synthetic.body import Body, body_points
from lib.synthetic.looks import VIEWS, Fabric, Part, dress, limb_sprite
from lib.synthetic.motion import Motion
from lib.synthetic.scenery import FEET, HORIZON, Background, Thing

SHARPEST = 400  # pixels per body height of a sprite: larger people are drawn less sharp, or they would fill the memory


@dataclass(frozen=True, kw_only=True)
class Person:
    """One person over the N moments of a video, in pixels of the still camera.

    Attributes:
        points: (N, 2) by name: PoseTrack's joints and the ends of the parts.
        height: (N,) of the upright person: who is taller is nearer.
        parts: the sprites, and per part their affine maps (N, 2, 3), depths (N,) and views (N,) below.
    """

    points: dict[str, np.ndarray]
    height: np.ndarray
    parts: list[Part]
    maps: np.ndarray
    depths: np.ndarray
    views: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Attributes: times (N,) in frames of the moments; cameras (N, 2, 3) from the still camera's pixels to theirs."""

    size: tuple[int, int]
    times: np.ndarray
    cameras: np.ndarray
    background: Background
    people: list[Person]
    things: list[Thing]


@dataclass(frozen=True)
class Drawing:
    """A drawn moment.

    Attributes:
        moment: its index in the scene.
        image: (H, W, 3) float32, BGR, 0 to 255.
        owner: (H, W) uint8, what is seen at a pixel: 0 the background or a thing behind the people, 1 the farthest
            person, 2 the next, …, and one more than there are people for a thing in front of them all.
        order: indices of the people, the farthest first.
    """

    moment: int
    image: np.ndarray
    owner: np.ndarray
    order: list[int]


def pose_person(rng: np.random.Generator, body: Body, motion: Motion, frame_height: int, elevation: float) -> Person:
    """Dress a person and place them in front of the still camera, which looks down by `elevation` radians."""
    space, facing = body_points(body, motion.pose, motion.yaw)
    space["ground"] = space["pelvis"] * (1, 0, 1)
    resolution = min(motion.height.max(), SHARPEST)
    parts = dress(rng, body, resolution)
    if motion.seated:
        wood = limb_sprite(body.shin, (0.08, 0.08), Fabric.random(rng), resolution)
        wood = replace(wood, before=0.02, behind=-0.03)
        parts["stool"] = Part("ground", "pelvis", [wood], "torso", -0.3)

    origin = np.stack([motion.x, HORIZON * frame_height + FEET * motion.height], axis=1)
    across, along = np.array([1, 0, 0]), np.array([0, np.cos(elevation), np.sin(elevation)])
    scale = motion.height[:, None]
    points = {name: origin + scale * (point @ np.stack([across, along], axis=1)) for name, point in space.items()}
    towards = {name: point @ (0, -np.sin(elevation), np.cos(elevation)) for name, point in space.items()}
    return Person(
        points=points,
        height=motion.height,
        parts=list(parts.values()),
        maps=np.stack([_part_map(part, points, motion.height) for part in parts.values()]),
        depths=np.stack([(towards[part.start] + towards[part.end]) / 2 + part.bias for part in parts.values()]),
        views=np.stack([np.round(facing[part.follows] / (2 * np.pi) * VIEWS).astype(int) for part in parts.values()]),
    )


def _part_map(part: Part, points: dict[str, np.ndarray], scale: np.ndarray) -> np.ndarray:
    """Return (N, 2, 3) maps from the pixels of a part's sprite to the still camera's."""
    sprite = part.views[0]
    line = points[part.end] - points[part.start]
    length = np.linalg.norm(line, axis=1, keepdims=True)
    direction = np.where(length > 1e-3, line / np.maximum(length, 1e-3), (0.0, 1.0))
    start = points[part.start] - direction * sprite.before * scale[:, None]
    reach = length + (sprite.before + sprite.behind) * scale[:, None]
    along = direction * np.maximum(reach, 0.02 * scale[:, None]) / sprite.pixels.shape[0]
    across = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * 2 * sprite.radius * scale[:, None]
    across = across / sprite.pixels.shape[1]
    corner = start + 0.5 * along + across * (0.5 - 0.5 * sprite.pixels.shape[1])
    return np.stack([across, along, corner], axis=2)


def draw(scene: Scene, moment: int) -> Drawing:
    """Draw the picture at a moment, given by its index."""
    camera = scene.cameras[moment]
    origin = np.array([[1, 0, -scene.background.origin[0]], [0, 1, -scene.background.origin[1]]])
    image = cv2.warpAffine(
        scene.background.pixels,
        _chain(camera, origin),
        scene.size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    owner = np.zeros(image.shape[:2], np.uint8)
    _draw_things(scene, moment, False, image, owner, 0)
    order = sorted(range(len(scene.people)), key=lambda index: scene.people[index].height[moment])
    for index in order:
        _draw_shadow(scene.people[index], moment, camera, image)
    for number, index in enumerate(order, start=1):
        person = scene.people[index]
        for part in np.argsort(person.depths[:, moment], kind="stable"):
            views = person.parts[part].views
            sprite = views[person.views[part, moment] % len(views)]
            _paint(image, owner, sprite.pixels, _chain(camera, person.maps[part, moment]), number)
    _draw_things(scene, moment, True, image, owner, len(order) + 1)
    return Drawing(moment, image[:, :, :3], owner, order)


def seen(owner: np.ndarray, point: np.ndarray, number: int, radius: float) -> bool:
    """Return True if a joint of the person drawn as `number` is inside the picture and not hidden by something nearer.

    It is hidden if nearer things cover more than half of the pixels within `radius` of it. Joints hidden only by the
    person's own body count as seen: PoseTrack labels a joint whose position is clear.
    """
    height, width = owner.shape
    x, y = point
    if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
        return False
    reach = int(np.ceil(radius))
    left, top = max(0, round(x) - reach), max(0, round(y) - reach)
    around = owner[top : round(y) + reach + 1, left : round(x) + reach + 1]
    rows, columns = np.ogrid[top : top + around.shape[0], left : left + around.shape[1]]
    disc = np.hypot(columns - x, rows - y) <= max(radius, 1.0)
    return bool(np.count_nonzero(around[disc] > number) <= 0.5 * np.count_nonzero(disc))


def to_picture(camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (…, 2) of the still camera to the pixels of a picture."""
    return points @ camera[:, :2].T + camera[:, 2]


def _draw_things(scene: Scene, moment: int, in_front: bool, image: np.ndarray, owner: np.ndarray, number: int) -> None:
    for thing in scene.things:
        place = thing.placed(scene.times[moment]) if thing.in_front == in_front else None
        if place is not None:
            _paint(image, owner, thing.pixels, _chain(scene.cameras[moment], place), number)


def _draw_shadow(person: Person, moment: int, camera: np.ndarray, image: np.ndarray) -> None:
    """Draw a soft dark patch on the floor under a person; it hides nothing."""
    (x, y), size = person.points["ground"][moment], person.height[moment]
    wide, tall = 0.4 * size / len(_SHADOW), 0.09 * size / len(_SHADOW)
    place = np.array([[wide, 0, x - wide * len(_SHADOW) / 2], [0, tall, y - tall * len(_SHADOW) / 2]])
    _paint(image, None, _SHADOW, _chain(camera, place), 0)


def _make_shadow(size: int = 32) -> np.ndarray:
    y, x = (np.mgrid[:size, :size] + 0.5) * 2 / size - 1
    shadow = np.zeros((size, size, 4), np.float32)
    shadow[..., 3] = 0.5 * np.clip(1 - np.hypot(x, y), 0, 1)
    return shadow


_SHADOW = _make_shadow()


def _chain(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the affine map (2, 3) that applies `inner` first."""
    chained = outer[:, :2] @ inner
    chained[:, 2] += outer[:, 2]
    return chained


def _paint(image: np.ndarray, owner: np.ndarray | None, pixels: np.ndarray, place: np.ndarray, number: int) -> None:
    """Paint a sprite over an image (H, W, 4) of opacity 1; where it is more than half opaque, it becomes the owner."""
    height, width = pixels.shape[:2]
    corners = place[:, :2] @ np.array([[-1, width, -1, width], [-1, -1, height, height]]) + place[:, 2:]
    left, top = np.maximum(np.floor(corners.min(axis=1)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=1)) + 1, (image.shape[1], image.shape[0])).astype(int)
    if left >= right or top >= bottom:
        return
    place = place - [[0, 0, left], [0, 0, top]]
    patch = cv2.warpAffine(pixels, place, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    opacity = patch[:, :, 3]
    region = image[top:bottom, left:right]
    region *= cv2.merge((1 - opacity,) * 4)  # whole pixels at once: three channels of four are several times slower
    region += patch
    if owner is not None:
        owner[top:bottom, left:right][opacity > 0.5] = number
