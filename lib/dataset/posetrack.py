"""People in videos, from annotations or from a box file, and the frames of the videos on disk."""

import logging
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from lib.dataset.frame_names import Names, existing_folder, frame_key, known_name
from lib.dataset.images import Listed
from lib.dataset.people import Person
from lib.formats.boxes import DetectedBox
from lib.formats.posetrack import KEYPOINT_NAMES, KEYPOINT_OF_JOINT, VideoAnnotations
from lib.formats.posetrack_set import unlabeled_video, video_names
from lib.frames.images import ImageList
from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.video import FrameFolder
from lib.nms import nms
from lib.pose.crop import box_to_center_scale, clip_box, joints_box
from lib.utils.errors import InputError
from lib.utils.files import frame_number

logger = logging.getLogger(__name__)

NUM_JOINTS = len(KEYPOINT_NAMES)
ABSENT, DAMAGED = "of missing images", "of damaged images"  # reasons to leave out boxes


@dataclass(frozen=True)
class PoseTrack:
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
    aspect_ratio: float,
    columns: Sequence[int] = KEYPOINT_OF_JOINT,
    num_joints: int = NUM_JOINTS,
    clip_rule: str | None = "last_pixel",
    joints_box: str = "posetrack18",
) -> PoseTrack:
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
            box_alone = not video.has_points[p] and not np.isnan(boxes[p]).any()
            if video.crowd[p]:
                dropped["that are crowds"] += 1
                continue
            if not video.labeled[p].any() and not box_alone:
                dropped["without a labeled joint"] += 1
                continue
            if frame in files.absent:
                dropped[ABSENT] += 1
                continue
            source, number = files.find(v, video, frame)
            try:
                box = _clip(boxes[p], *source.size(number), clip_rule) if clip_rule else _with_area(boxes[p])
            except DamagedImageError:
                dropped[DAMAGED] += 1
                continue
            if box is None:
                dropped["empty or outside the image"] += 1
                continue
            joints, labeled = np.zeros((num_joints, 2)), np.zeros(num_joints, dtype=bool)
            joints[columns], labeled[columns] = video.joints[p], video.labeled[p]
            center, scale = box_to_center_scale(box, aspect_ratio)
            track = int(video.track_ids[p])
            people.append(Person(v, int(frame), number, center, scale, 1.0, joints, labeled, p, track))
    return PoseTrack(videos, people, files.found, dropped)


def detected_people(
    videos: Sequence[VideoAnnotations],
    boxes: Sequence[DetectedBox],
    files: "Folders | Listed",
    aspect_ratio: float,
    nms_threshold: float,
    num_joints: int = NUM_JOINTS,
) -> PoseTrack:
    """Return people in detected boxes, which are not clipped.

    Args:
        videos: Annotations of each video.
        boxes: Detected boxes.
        files: Finder of the frames.
        aspect_ratio: Width / height of the crops.
        nms_threshold: IoU in a frame above which the box with the lower score is left out; 1 to keep all boxes.
        num_joints: Number of joints of the net.

    Raises:
        InputError: A frame with boxes does not exist, or several frames have the image id of a box.
    """
    by_frame, dropped = _boxes_by_frame(videos, boxes, files)
    people = []
    for v, frame in sorted(by_frame):
        if frame in files.absent:
            dropped[ABSENT] += len(by_frame[v, frame])
            continue
        source, number = files.find(v, videos[v], frame)
        try:
            size = source.size(number)
        except DamagedImageError:
            dropped[DAMAGED] += len(by_frame[v, frame])
            continue
        kept, others = usable_boxes(by_frame[v, frame], *size, nms_threshold)
        dropped.update(others)
        people += [person_in_box(box, v, frame, number, aspect_ratio, num_joints) for box in kept]
    return PoseTrack(videos, people, files.found, dropped)


def usable_boxes(
    boxes: Sequence[DetectedBox], width: int, height: int, nms_threshold: float
) -> tuple[list[DetectedBox], Counter[str]]:
    """Return the usable boxes of an image, and the number of boxes that were left out, by reason.

    Args:
        boxes: Detected boxes in the image.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        nms_threshold: IoU above which the box with the lower score is left out; 1 to keep all boxes.
    """
    inside = [box for box in boxes if _overlaps(box.box, width, height)]
    kept = _suppress(inside, nms_threshold)
    reasons = {"empty or outside the image": len(boxes) - len(inside)}
    return kept, Counter(reasons | {"suppressed by a better box": len(inside) - len(kept)})


def person_in_box(
    box: DetectedBox, video: int, frame: int, number: int, aspect_ratio: float, num_joints: int
) -> Person:
    """Return a person without labels in a detected box, which is not clipped.

    Args:
        box: Detected box.
        video: Index of the video.
        frame: Index of the frame among the annotated frames of the video.
        number: Number of the frame among the files of the video.
        aspect_ratio: Width / height of the crop.
        num_joints: Number of joints of the net.
    """
    center, scale = box_to_center_scale(box.box, aspect_ratio)
    unlabeled = np.zeros((num_joints, 2)), np.zeros(num_joints, dtype=bool)
    return Person(video, frame, number, center, scale, box.score, *unlabeled)


def match_ground_truth(found: PoseTrack, truth: Sequence[VideoAnnotations], where: str, renamed: Names) -> PoseTrack:
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
    places = {frame_key(name): (v, f) for v, video in enumerate(truth) for f, name in enumerate(video.frame_names)}

    def place(name: str) -> tuple[int, int] | None:
        return places.get(frame_key(known_name(name, renamed)))

    listed = (place(name) for video in found.videos for name in video.frame_names)
    kept = sorted({pair[0] for pair in listed if pair})
    if len(kept) < len(truth):
        logger.warning("%s: %d of %d videos are tested and scored", where, len(kept), len(truth))
    people: list[Person] = []
    frames: dict[int, FrameFolder | ImageList] = {}
    for person in found.people:
        name = found.videos[person.video].frame_names[person.frame]
        own = place(name)
        if own is None:
            raise InputError(f"{where}: the ground truth does not list the frame {name}")
        v, frame = own
        people.append(replace(person, video=kept.index(v), frame=frame))
        frames[kept.index(v)] = found.frames[person.video]
    people.sort(key=lambda person: (person.video, person.frame))
    return PoseTrack([truth[v] for v in kept], people, frames, found.dropped)


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
            files = FrameFolder(self._store, folder, video.nframes, min(numbers, default=None))
            counted = list(range(1, video.nframes + 1))
            if len(numbers) == video.nframes and files.numbers == counted and sorted(numbers) != counted:
                raise InputError(
                    f"{self._store.root / folder}: the frames are numbered 1 to {video.nframes}, in the annotations "
                    f"{min(numbers)} to {max(numbers)}: they were renamed; take annotations or frames of the same names"
                )
            self.found[v] = files
        return self.found[v], self.found[v].number_of(name)

    key = staticmethod(frame_key)


def _boxes_by_frame(
    videos: Sequence[VideoAnnotations], boxes: Sequence[DetectedBox], files: "Folders | Listed"
) -> tuple[dict[tuple[int, int], list[DetectedBox]], Counter[str]]:
    """Return the boxes by video and frame, and the number of boxes in images that are not annotated."""
    places: dict[Hashable, tuple[int, int]] = {}
    shared_ids: set[int] = set()
    for v, video in enumerate(videos):
        for f, (name, image_id) in enumerate(zip(video.frame_names, video.image_ids, strict=True)):
            places[files.key(name)] = v, f
            if image_id in places:
                shared_ids.add(image_id)
            places[image_id] = v, f
    by_frame: dict[tuple[int, int], list[DetectedBox]] = defaultdict(list)
    dropped: Counter[str] = Counter()
    for box in boxes:
        place = places.get(files.key(box.image) if isinstance(box.image, str) else box.image)
        if box.image in shared_ids:
            raise InputError(f"several frames have the image_id {box.image} of a box; use a box file with image_name")
        if place is None:
            dropped["of images that the annotations do not list"] += 1
        else:
            by_frame[place].append(box)
    return by_frame, dropped


def videos_of(boxes: Sequence[DetectedBox], store: ImageStore) -> list[VideoAnnotations]:
    """Return the videos of boxes, with all of their frames on disk.

    Args:
        boxes: Detected boxes.
        store: Store of the images.

    Raises:
        InputError: The boxes have image ids instead of names, or a frame does not exist.
    """
    num_frames: dict[str, int] = {}
    for box in boxes:
        if not isinstance(box.image, str):
            raise InputError("the boxes name images by id: set DATASET.TEST_ANNOTATIONS to the file that lists the ids")
        folder = existing_folder(store, box.image)
        if frame_number(box.image) not in map(frame_number, store.list(folder)):
            raise InputError(f"{store.root / folder}: no frame {box.image.rpartition('/')[2]}, which has a box")
        num_frames[folder] = max(num_frames.get(folder, 0), box.num_frames)
    folders = sorted(num_frames)
    names = video_names(folders, nameless=store.root.resolve().name)
    return [
        unlabeled_video(name, [str(PurePosixPath(folder, file)) for file in store.list(folder)], num_frames[folder])
        for folder, name in zip(folders, names, strict=True)
    ]


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


def _clip(box: np.ndarray, width: int, height: int, rule: str) -> np.ndarray | None:
    """Return a ground-truth box clipped to its image, or None if it is outside."""
    return clip_box(box, width, height, rule) if _overlaps(box, width, height) else None


def _with_area(box: np.ndarray) -> np.ndarray | None:
    """Return a box that is a crop, or None if it has no area."""
    return box if np.isfinite(box).all() and (box[2:] > 0).all() else None


def _overlaps(box: np.ndarray, width: int, height: int) -> bool:
    x, y, w, h = box
    return w > 0 and h > 0 and x < width and y < height and x + w > 0 and y + h > 0


def _suppress(boxes: list[DetectedBox], threshold: float) -> list[DetectedBox]:
    if threshold >= 1 or not boxes:
        return boxes
    # lib.nms counts the last pixel in: a box of width w ends at x + w − 1.
    corners = np.array([(*box.box[:2], *(box.box[:2] + box.box[2:] - 1), box.score) for box in boxes])
    return [boxes[index] for index in sorted(nms(corners, threshold))]


def reasons(dropped: Counter[str]) -> str:
    """Return the end of a message that says how many boxes were left out and why.

    Args:
        dropped: Number of boxes, by reason.
    """
    parts = [f"{count} boxes {reason}" for reason, count in dropped.items() if count]
    return f"; left out: {', '.join(parts)}" if parts else ""
