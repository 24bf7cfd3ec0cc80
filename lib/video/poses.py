"""The people of a video drawn on its frames."""

import numpy as np

from lib.formats.posetrack import KEYPOINT_OF_JOINT, PoseTrackVideo
from lib.pose.draw import draw_pose
from lib.pose.skeletons import POSETRACK


def draw_people(image: np.ndarray, video: PoseTrackVideo, frame: int, least_score: float) -> np.ndarray:
    """A copy of a frame with the poses of its people.

    Args:
        image: (H, W, 3) uint8, BGR.
        video: the people of all frames; frame: index of this one.
        least_score: joints under it are not drawn.
    """
    for person in np.flatnonzero(video.person_frame == frame):
        points, shown = np.zeros((POSETRACK.num_joints, 2)), np.zeros(POSETRACK.num_joints, dtype=bool)
        points[list(KEYPOINT_OF_JOINT)] = video.points[person]
        shown[list(KEYPOINT_OF_JOINT)] = video.present[person] & (video.scores[person] >= least_score)
        image = draw_pose(image, points, shown, POSETRACK)
    return image
