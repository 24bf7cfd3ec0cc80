"""Labels of a file as what a person said about the frames of a video."""

from collections import defaultdict
from collections.abc import Callable, Collection
from pathlib import Path

from lib.annotation.edits import FrameLabels, LabeledPose
from lib.annotation.presets import Joints
from lib.formats.coco import OPEN_JOINTS, complete_images
from lib.frames.video import FrameFolder
from lib.labeling.video_labels import match_frames, read_person_labels
from lib.pose.skeletons import named_skeleton
from lib.utils.files import frame_number

Match = Callable[[FrameFolder, Collection[int]], tuple[dict[int, FrameLabels], dict[int, str]]]
"""Function from the frames of the video and the numbers of damaged ones to the labels by number of the frame, without
those of damaged frames, and the names of individuals by track."""


def read_file(path: Path, video: Path) -> tuple[Joints, Match]:
    """Read the labels that a person set; those that a program set are left out.

    Args:
        path: File of labels in any format.
        video: The video.

    Returns:
        Names of the joints and connected pairs, and a function that returns the labels.

    Raises:
        InputError: The file cannot be read, or contains no label of this video.
    """
    given = read_person_labels(path, video)
    names, edges = tuple(given.labels.names), tuple((a, b) for a, b in given.labels.edges)

    def match(frames: FrameFolder, damaged: Collection[int]) -> tuple[dict[int, FrameLabels], dict[int, str]]:
        content = match_frames(given.content, path, frames, video, damaged)
        complete = complete_images(content)
        numbers = {image["id"]: frame_number(image["file_name"]) or 0 for image in content["images"]}
        poses: dict[int, list[LabeledPose]] = defaultdict(list)
        tracks: dict[int, str] = {}
        for person in content["annotations"]:
            track = person.get("track_id", 0)
            opened = tuple(sorted(names.index(name) for name in person.get(OPEN_JOINTS, ())))
            keypoints = [float(value) for value in person["keypoints"]]
            keypoints[2::3] = [min(2, max(0, int(v))) for v in keypoints[2::3]]
            poses[person["image_id"]].append(LabeledPose(track, tuple(keypoints), opened))
            if person.get("track_name"):
                tracks[track] = person["track_name"]
        labeled = {*poses, *complete}
        return {numbers[one]: FrameLabels(tuple(poses[one]), one in complete) for one in labeled}, tracks

    return (names, edges or named_skeleton(names).bones), match
