"""Small scenes of people who stand where a test wants them, before a gray wall."""

import numpy as np

from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.synthetic.body import Body
from lib.synthetic.drawing import Person, Scene, draw, pose_person
from lib.synthetic.labels import annotate
from lib.synthetic.motion import Motion
from lib.synthetic.scenery import Background, Thing

WIDTH, HEIGHT = 320, 240
STILL = np.array([[[1.0, 0, 0], [0, 1, 0]]])


def make_person(x=160.0, height=150.0, yaw=0.0, pose=None, seated=False, seed=0) -> Person:
    one = np.ones(1)
    pose = {name: value * one for name, value in (pose or {}).items()}
    motion = Motion(x=x * one, height=height * one, yaw=yaw * one, pose=pose, seated=seated)
    return pose_person(np.random.default_rng(seed), Body(), motion, HEIGHT, elevation=0.0)


def make_board(left, top, right, bottom, in_front=True) -> Thing:
    """An opaque white rectangle that hangs still."""
    pixels = np.full((bottom - top, right - left, 4), 255, np.float32)
    pixels[..., 3] = 1
    middle = np.array([left + right - 1, top + bottom - 1]) / 2
    return Thing(
        pixels=pixels, moments=(0.0, 1.0), position=middle, velocity=np.zeros(2), angle=0.0, spin=0.0, in_front=in_front
    )


def make_scene(*people, things=(), cameras=STILL) -> Scene:
    wall = Background(np.dstack([np.full((HEIGHT, WIDTH, 3), 128), np.ones((HEIGHT, WIDTH))]).astype("f4"), np.zeros(2))
    return Scene(
        size=(WIDTH, HEIGHT),
        times=np.zeros(1),
        cameras=cameras,
        background=wall,
        people=list(people),
        things=list(things),
    )


def annotated(scene):
    """The annotation by track id, with `joints`: the labeled points (2,) by name."""
    found = {}
    for annotation in annotate(scene, draw(scene, 0), 7):
        keypoints = np.reshape(annotation["keypoints"], (17, 3))
        joints = {name: row[:2] for name, row in zip(KEYPOINT_NAMES, keypoints, strict=True) if row[2] > 0}
        found[annotation["track_id"]] = {**annotation, "joints": joints}
    return found
