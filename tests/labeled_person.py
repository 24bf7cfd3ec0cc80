"""A labeled person of two joints, for tests of what moves labels."""

import numpy as np

from lib.dataset.people import Person


def person(number, track=0, video=0, x=0.0, labeled=(True, True), open_joints=()):
    joints = np.array([[x, 1.0], [x + 10, 2.0]])
    center, scale = np.zeros(2, np.float32), np.ones(2, np.float32)
    return Person(
        video=video,
        frame=0,
        number=number,
        center=center,
        scale=scale,
        joints=joints,
        labeled=np.array(labeled),
        track=track,
        open_joints=open_joints,
    )
