"""Drawing of the people of a video on its frames."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.formats.labels.model import Labels
from lib.formats.tracked_poses import TrackedPose
from lib.formats.video_annotations import KEYPOINT_OF_JOINT, VideoAnnotations
from lib.frames.image_sequence import FOLDER_FPS
from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile
from lib.frames.video_writer import VideoWriter
from lib.pose.draw import draw_number, draw_pose, track_color
from lib.pose.skeletons import POSETRACK, Skeleton, named_skeleton


def draw_people(image: np.ndarray, video: VideoAnnotations, frame: int, min_score: float) -> np.ndarray:
    """Return a copy of a frame with the poses of its people.

    Args:
        image: (H, W, 3) uint8, BGR.
        video: The people of all frames.
        frame: Index of this frame.
        min_score: Joints with a lower score are not drawn.
    """
    for person in np.flatnonzero(video.person_frame == frame):
        joints, shown = np.zeros((POSETRACK.num_joints, 2)), np.zeros(POSETRACK.num_joints, dtype=bool)
        joints[list(KEYPOINT_OF_JOINT)] = video.joints[person]
        shown[list(KEYPOINT_OF_JOINT)] = video.present[person] & (video.scores[person] >= min_score)
        image = draw_pose(image, joints, shown, POSETRACK)
    return image


def draw_tracks(image: np.ndarray, poses: Sequence[TrackedPose], skeleton: Skeleton, min_score: float) -> np.ndarray:
    """Return a copy of a frame with poses in the colors of their tracks, and the track numbers.

    Args:
        image: (H, W, 3) uint8, BGR.
        poses: The poses of the frame.
        skeleton: Skeleton of the poses.
        min_score: Joints with a lower score are not drawn.
    """
    for pose in poses:
        shown = (pose.scores >= min_score) & (pose.scores > 0)
        if shown.any():
            color = track_color(pose.track)
            image = draw_pose(image, pose.joints, shown, skeleton, color)
            image = draw_number(image, pose.track, pose.joints[shown], color)
    return image


def render_poses(
    path: Path,
    size: tuple[int, int],
    fps: float,
    *,
    frames: Iterable[tuple[int, np.ndarray | None]],
    poses: Callable[[int], Sequence[TrackedPose]],
    skeleton: Skeleton,
    min_score: float,
) -> None:
    """Write a video of frames with poses; a damaged frame is replaced by the frame before it.

    Args:
        path: Path of the .mp4 file.
        size: Width and height, in pixels.
        fps: Frames per second.
        frames: Numbers and images (H, W, 3), uint8, BGR, or None for a damaged image, in order.
        poses: Returns the poses of a frame by its number; called once per frame, in order.
        skeleton: Skeleton of the poses.
        min_score: Joints with a lower score are not drawn.
    """
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    with VideoWriter(path, size, fps) as writer:
        for number, image in frames:
            own = poses(number)
            picture = picture if image is None else draw_tracks(image, own, skeleton, min_score)
            writer.write(picture)


def render_labels(path: Path, video: Path, labels: Labels, oriented: bool = False) -> None:
    """Write a video of labels drawn on their source.

    Args:
        path: Path of the video to write.
        video: Source video, a file or a folder of frames.
        labels: The labels to draw.
        oriented: If True, rotate and mirror the images of a folder according to their EXIF tags.

    Raises:
        InputError: The source cannot be read, or the video cannot be written.
    """
    poses = defaultdict(list)
    scores = np.where(labels.labeled, np.nan_to_num(labels.scores, nan=1.0), 0.0)
    for person, frame in enumerate(labels.frame.tolist()):
        joints, track = np.nan_to_num(labels.joints[person]), int(labels.track[person])
        pose = TrackedPose(
            box=labels.boxes[person], box_score=1.0, joints=joints, scores=scores[person], score=1.0, track=track
        )
        poses[labels.frames[frame].number].append(pose)
    skeleton = named_skeleton(labels.names)
    skeleton = replace(skeleton, bones=labels.edges or skeleton.bones)
    frames: Iterator[tuple[int, np.ndarray | None]]
    fps: float
    if video.is_dir():
        folder = FrameFolder(ImageStore(video, oriented=oriented), ".")
        frames = ((number, _read(folder, number)) for number in folder.numbers)
        size, fps = folder.size(folder.numbers[0]), FOLDER_FPS
    else:
        file = VideoFile(video)
        frames, size, fps = file.frames(), file.size, file.fps
    render_poses(
        path, size, fps, frames=frames, poses=lambda number: poses.get(number, []), skeleton=skeleton, min_score=0.0
    )


def _read(folder: FrameFolder, number: int) -> np.ndarray | None:
    try:
        return folder.read(number)
    except DamagedImageError:
        return None
