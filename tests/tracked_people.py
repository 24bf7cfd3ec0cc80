"""People with three joints, for tests of tracking."""

import numpy as np

from lib.formats.video_poses import TrackedPose

SIGMAS = (0.1, 0.1, 0.1)


def person(x, y=0.0, size=40.0, scores=(1.0, 1.0, 1.0), spread=1.0):
    """Somebody in a box of 40×40 at x, y, with joints on its diagonal."""
    joints = np.array([[x, y]]) + np.array([[10, 10], [20, 20], [30, 30]]) * spread
    return TrackedPose(
        box=np.array([x, y, size, size]), box_score=1.0, joints=joints, scores=np.array(scores), score=1.0
    )
