"""The people of a video drawn on its frames."""

from collections.abc import Sequence

import numpy as np

from lib.formats.posetrack import KEYPOINT_OF_JOINT, PoseTrackVideo
from lib.formats.video_poses import TrackedPose
from lib.pose.draw import draw_number, draw_pose, track_colour
from lib.pose.skeletons import POSETRACK, Skeleton


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


def draw_tracks(image: np.ndarray, poses: Sequence[TrackedPose], skeleton: Skeleton, least_score: float) -> np.ndarray:
    """A copy of a frame with poses in the colours of their tracks, and the tracks' numbers.

    Args:
        image: (H, W, 3) uint8, BGR.
        least_score: joints under it are not drawn.
    """
    for pose in poses:
        shown = (pose.scores >= least_score) & (pose.scores > 0)
        if shown.any():
            colour = track_colour(pose.track)
            image = draw_pose(image, pose.points, shown, skeleton, colour)
            image = draw_number(image, pose.track, pose.points[shown], colour)
    return image
