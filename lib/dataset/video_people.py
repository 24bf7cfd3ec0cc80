"""Annotated people in videos, and the frames of the videos on disk."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from lib.dataset.frame_names import Names, existing_folder, frame_key, known_name
from lib.dataset.images import Listed
from lib.dataset.people import Person
from lib.formats.video_annotations import KEYPOINT_NAMES, KEYPOINT_OF_JOINT, VideoAnnotations
from lib.frames.images import ImageList
from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.video import FrameFolder
from lib.pose.crop import box_to_center_scale, clip_box, joints_box, overlaps_image
from lib.utils.errors import InputError
from lib.utils.files import frame_number

logger = logging.getLogger(__name__)

NUM_JOINTS = len(KEYPOINT_NAMES)
# Reasons to leave out boxes.
ABSENT = "of missing images"
DAMAGED = "of damaged images"
OUTSIDE = "empty or outside the image"


@dataclass(frozen=True, kw_only=True)
class VideoPeople:
    """Videos and the people in them.

    Attributes:
        videos: Annotations of each video, sorted by name.
        people: People, sorted by video and frame.
        frames: Frames of each video with people, by its index.
        dropped: Number of boxes that were left out, by reason.
    """

    videos: Sequence[VideoAnnotations]
    people: list[Person]
    frames: Mapping[int, FrameFolder | ImageList]
    dropped: Counter[str]


def labeled_people(
    videos: Sequence[VideoAnnotations],
    files: "Folders | Listed",
    *,
    aspect_ratio: float,
    columns: Sequence[int] = KEYPOINT_OF_JOINT,
    num_joints: int = NUM_JOINTS,
    clip_rule: str | None = "last_pixel",
    joints_box: str = "posetrack18",
) -> VideoPeople:
    """Return the annotated people in their ground-truth boxes, or in boxes around their joints (2017).

    People without a labeled joint are left out, unless the file has only boxes.

    Args:
        videos: Annotations of each video.
        files: Finder of the frames.
        aspect_ratio: Width / height of the crops.
        columns: Index among the `num_joints` joints of the net for each joint of the videos; PoseTrack's by default.
        num_joints: Number of joints of the net.
        clip_rule: Rule for clipping boxes to the image (lib.pose.crop.clip_box); None if the boxes are crops already.
        joints_box: Rule for the box around the joints (lib.pose.crop).

    Raises:
        InputError: A frame with people does not exist.
    """
    people: list[Person] = []
    dropped: Counter[str] = Counter()
    columns = list(columns)
    for v, video in enumerate(videos):
        boxes = with_boxes(video, joints_box).boxes
        for p, frame in enumerate(video.person_frame):
            if reason := _reason(video, p, boxes[p], frame in files.absent):
                dropped[reason] += 1
                continue
            source, number = files.find(v, video, frame)
            box = _crop_box(boxes[p], source, number, clip_rule)
            if isinstance(box, str):
                dropped[box] += 1
                continue
            joints, labeled = np.zeros((num_joints, 2)), np.zeros(num_joints, dtype=bool)
            joints[columns], labeled[columns] = video.joints[p], video.labeled[p]
            center, scale = box_to_center_scale(box, aspect_ratio)
            people.append(
                Person(
                    video=v,
                    frame=int(frame),
                    number=number,
                    center=center,
                    scale=scale,
                    joints=joints,
                    labeled=labeled,
                    row=p,
                    track=int(video.track_ids[p]),
                    box=np.asarray(box, dtype=np.float64),
                )
            )
    return VideoPeople(videos=videos, people=people, frames=files.found, dropped=dropped)


def _reason(video: VideoAnnotations, person: int, box: np.ndarray, is_absent: bool) -> str | None:
    """Return the reason to leave a person out before the image is opened; None if there is none."""
    box_alone = not video.has_joint_list[person] and not np.isnan(box).any()
    if video.crowd[person]:
        return "that are crowds"
    if not video.labeled[person].any() and not box_alone:
        return "without a labeled joint"
    return ABSENT if is_absent else None


def _crop_box(box: np.ndarray, source: FrameFolder | ImageList, number: int, clip_rule: str | None) -> np.ndarray | str:
    """Return the box of a person within the image, or the reason to leave the person out."""
    if not clip_rule:
        has_area = np.isfinite(box).all() and (box[2:] > 0).all()
        return box if has_area else OUTSIDE
    try:
        clipped = clip_to_image(box, *source.size(number), clip_rule)
    except DamagedImageError:
        return DAMAGED
    return OUTSIDE if clipped is None else clipped


def match_ground_truth(
    found: VideoPeople, truth: Sequence[VideoAnnotations], where: str, renamed: Names
) -> VideoPeople:
    """Return the same people with the videos and frames of the official ground truth, which a submission must have.

    Videos of the ground truth that are not annotated are left out.

    Args:
        found: People and annotations.
        truth: The official ground truth.
        where: Path to the ground truth, for messages.
        renamed: Official names of frames that the annotations name by position (lib.dataset.frame_names).

    Raises:
        InputError: A frame with people is not in the ground truth.
    """
    listed = {frame_key(name): (v, f) for v, video in enumerate(truth) for f, name in enumerate(video.frame_names)}

    def find(name: str) -> tuple[int, int] | None:
        return listed.get(frame_key(known_name(name, renamed)))

    indices = (find(name) for video in found.videos for name in video.frame_names)
    kept = sorted({pair[0] for pair in indices if pair})
    if len(kept) < len(truth):
        logger.warning("%s: %d of %d videos are tested and scored", where, len(kept), len(truth))
    people: list[Person] = []
    frames: dict[int, FrameFolder | ImageList] = {}
    for person in found.people:
        name = found.videos[person.video].frame_names[person.frame]
        own = find(name)
        if own is None:
            raise InputError(f"{where}: the ground truth does not list the frame {name}")
        v, frame = own
        people.append(replace(person, video=kept.index(v), frame=frame))
        frames[kept.index(v)] = found.frames[person.video]
    people.sort(key=lambda person: (person.video, person.frame))
    return VideoPeople(videos=[truth[v] for v in kept], people=people, frames=frames, dropped=found.dropped)


class Folders:
    """Frames of each video, looked up on disk when they are first needed.

    Args:
        store: Store of the images.

    Attributes:
        found: Frames of each video, by its index.
        absent: Empty, because a missing frame is replaced by the nearest one.
    """

    absent: Set[int] = frozenset()

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self.found: dict[int, FrameFolder] = {}

    def find(self, v: int, video: VideoAnnotations, frame: int) -> tuple[FrameFolder, int]:
        """Return the frames of a video, and the number of one of its annotated frames.

        Args:
            v: Index of the video.
            video: Annotations of the video.
            frame: Index of the frame among the annotated frames.

        Raises:
            InputError: The frame does not exist.
        """
        name = video.frame_names[frame]
        if v not in self.found:
            numbers = {n for other in video.frame_names if (n := frame_number(other)) is not None}
            folder = existing_folder(self._store, name)
            files = FrameFolder(self._store, folder, num_frames=video.nframes, first=min(numbers, default=None))
            counted = list(range(1, video.nframes + 1))
            if len(numbers) == video.nframes and files.numbers == counted and sorted(numbers) != counted:
                raise InputError(
                    f"{self._store.root / folder}: the frames are numbered 1 to {video.nframes}, but "
                    f"{min(numbers)} to {max(numbers)} in the annotations; use annotations and frames of the same names"
                )
            self.found[v] = files
        return self.found[v], self.found[v].number_of(name)

    key = staticmethod(frame_key)


def with_boxes(video: VideoAnnotations, rule: str = "posetrack18") -> VideoAnnotations:
    """Return a video whose people without a box (2017) have the box around their labeled joints.

    Args:
        video: Annotations of the video.
        rule: Rule for the box (lib.pose.crop).
    """
    return replace(video, boxes=np.where(np.isnan(video.boxes), joint_boxes(video, rule), video.boxes))


def joint_boxes(video: VideoAnnotations, rule: str = "posetrack18") -> np.ndarray:
    """Return the boxes (P, 4) x, y, width, height around the labeled joints; NaN for people without labeled joints.

    Args:
        video: Annotations of the video.
        rule: Rule for the box (lib.pose.crop).
    """
    boxes = np.full((len(video.joints), 4), np.nan)
    for p, (joints, labeled) in enumerate(zip(video.joints, video.labeled, strict=True)):
        if labeled.any():
            boxes[p] = joints_box(joints[labeled], rule)
    return boxes


def clip_to_image(box: np.ndarray, width: float, height: float, rule: str = "last_pixel") -> np.ndarray | None:
    """Return a ground-truth box clipped to its image, or None if it is outside.

    Args:
        box: x, y, width, height in pixels.
        width: Width of the image in pixels; infinite if it is not known.
        height: Height of the image in pixels; infinite if it is not known.
        rule: Rule for clipping (lib.pose.crop.clip_box).
    """
    return clip_box(box, width, height, rule) if overlaps_image(box, width, height) else None


def reasons(dropped: Counter[str]) -> str:
    """Return the end of a message that says how many boxes were left out and why.

    Args:
        dropped: Number of boxes, by reason.
    """
    parts = [f"{count} boxes {reason}" for reason, count in dropped.items() if count]
    return f"; left out: {', '.join(parts)}" if parts else ""
