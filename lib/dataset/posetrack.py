"""PoseTrack17 and 18: people from annotations or from a box file, and the frames of their videos on disk."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from lib.dataset.frame_names import Names, existing_folder, frame_key, known_name
from lib.dataset.images import Listed
from lib.dataset.people import Person
from lib.formats.boxes import DetectedBox
from lib.formats.posetrack import KEYPOINT_NAMES, KEYPOINT_OF_JOINT, VideoAnnotations
from lib.formats.posetrack_set import unlabeled_video, video_names
from lib.frames.store import ImageStore
from lib.frames.video import FrameFolder
from lib.nms import nms
from lib.pose.crop import box_to_center_scale, clip_box, joints_box
from lib.utils.errors import InputError
from lib.utils.files import frame_number

logger = logging.getLogger(__name__)

NUM_JOINTS = len(KEYPOINT_NAMES)
ABSENT = "of images that are not there"  # a reason to leave boxes out


@dataclass(frozen=True)
class PoseTrack:
    """Videos and the people in them.

    Attributes:
        videos: what the annotations say of each video, sorted by name.
        people: sorted by video and frame.
        frames: by index of the video, the files of those videos that have people.
        dropped: how many boxes were left out, by reason.
    """

    videos: Sequence[VideoAnnotations]
    people: list[Person]
    frames: dict[int, FrameFolder]
    dropped: Counter


def labeled_people(
    videos: Sequence[VideoAnnotations],
    files: "Folders | Listed",
    aspect_ratio: float,
    columns: Sequence[int] = KEYPOINT_OF_JOINT,
    num_joints: int = NUM_JOINTS,
    clip_rule: str | None = "last_pixel",
    joints_box: str = "posetrack18",
) -> PoseTrack:
    """The annotated people in their ground-truth boxes; without a box of their own (2017), in that of their joints.

    People without a labelled joint are left out, unless the file gives boxes alone.

    Args:
        files: finds the frames.
        aspect_ratio: width / height of the crops.
        columns: per joint of the videos its place among the `num_joints` of the net; by default PoseTrack's.
        clip_rule: of lib.pose.crop.clip_box, by which boxes are cut to their image; None: they are crops already.
        joints_box: rule for the box of the joints (lib.pose.crop).

    Raises:
        InputError: a frame with people is not there.
    """
    people, dropped = [], Counter()
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
            box = _clip(boxes[p], *source.size(number), clip_rule) if clip_rule else _with_area(boxes[p])
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
    """People in detected boxes, which are cropped as they are.

    Args:
        videos: the annotated videos.
        files: finds the frames.
        aspect_ratio: width / height of the crops.
        nms_threshold: of two boxes in a frame with a larger IoU, the one with the lower score is left out; 1: none is.

    Raises:
        InputError: a frame with boxes is not there; boxes name images by id and there are no annotations.
    """
    by_frame, dropped = _boxes_by_frame(videos, boxes, files)
    people = []
    for v, frame in sorted(by_frame):
        if frame in files.absent:
            dropped[ABSENT] += len(by_frame[v, frame])
            continue
        source, number = files.find(v, videos[v], frame)
        kept, others = usable_boxes(by_frame[v, frame], *source.size(number), nms_threshold)
        dropped.update(others)
        people += [person_in_box(box, v, frame, number, aspect_ratio, num_joints) for box in kept]
    return PoseTrack(videos, people, files.found, dropped)


def usable_boxes(
    boxes: Sequence[DetectedBox], width: int, height: int, nms_threshold: float
) -> tuple[list[DetectedBox], Counter]:
    """The boxes of an image to look for people in, and how many were left out, by reason.

    Args:
        width, height: of the image.
        nms_threshold: of two boxes with a larger IoU, the one with the lower score is left out; 1: none is.
    """
    inside = [box for box in boxes if _overlaps(box.box, width, height)]
    kept = _suppress(inside, nms_threshold)
    reasons = {"empty or outside the image": len(boxes) - len(inside)}
    return kept, Counter(reasons | {"suppressed by a better box": len(inside) - len(kept)})


def person_in_box(
    box: DetectedBox, video: int, frame: int, number: int, aspect_ratio: float, num_joints: int
) -> Person:
    """A person without labels in a detected box, which is cropped as it is."""
    center, scale = box_to_center_scale(box.box, aspect_ratio)
    unlabeled = np.zeros((num_joints, 2)), np.zeros(num_joints, dtype=bool)
    return Person(video, frame, number, center, scale, box.score, *unlabeled)


def match_ground_truth(found: PoseTrack, truth: Sequence[VideoAnnotations], where: str, renamed: Names) -> PoseTrack:
    """The same people, by the videos and frames of the official ground truth, which a submission has to follow.

    Videos of the ground truth that the annotations do not have are left out.

    Args:
        truth: the official ground truth; `where` it is.
        renamed: its names of the frames that the annotations name by position (lib.dataset.frame_names).

    Raises:
        InputError: a frame with people is not in the ground truth.
    """
    places = {frame_key(name): (v, f) for v, video in enumerate(truth) for f, name in enumerate(video.frame_names)}

    def place(name: str) -> tuple[int, int] | None:
        return places.get(frame_key(known_name(name, renamed)))

    listed = (place(name) for video in found.videos for name in video.frame_names)
    kept = sorted({own[0] for own in listed if own})
    if len(kept) < len(truth):
        logger.warning("%s: %d of %d videos are tested and scored", where, len(kept), len(truth))
    people, frames = [], {}
    for person in found.people:
        name = found.videos[person.video].frame_names[person.frame]
        if not place(name):
            raise InputError(f"{where}: the ground truth does not list the frame {name}")
        v, frame = place(name)
        people.append(replace(person, video=kept.index(v), frame=frame))
        frames[kept.index(v)] = found.frames[person.video]
    people.sort(key=lambda person: (person.video, person.frame))
    return PoseTrack([truth[v] for v in kept], people, frames, found.dropped)


class Folders:
    """The frames of each video, looked up on disk when first needed.

    Attributes:
        found: by index of the video.
        absent: none: for a frame that is not there the nearest one stands in.
    """

    absent: Set[int] = frozenset()

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self.found: dict[int, FrameFolder] = {}

    def find(self, v: int, video: VideoAnnotations, frame: int) -> tuple[FrameFolder, int]:
        """The files of a video, and the number there of one of its annotated frames.

        Raises:
            InputError: it is not there.
        """
        name = video.frame_names[frame]
        if v not in self.found:
            numbers = {frame_number(other) for other in video.frame_names} - {None}
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
) -> tuple[dict[tuple[int, int], list[DetectedBox]], Counter]:
    """Boxes by (video, frame), and how many are of images that no annotation lists."""
    places, shared_ids = {}, set()
    for v, video in enumerate(videos):
        for f, (name, image_id) in enumerate(zip(video.frame_names, video.image_ids, strict=True)):
            places[files.key(name)] = v, f
            if image_id in places:
                shared_ids.add(image_id)
            places[image_id] = v, f
    by_frame, dropped = defaultdict(list), Counter()
    for box in boxes:
        place = places.get(files.key(box.image) if isinstance(box.image, str) else box.image)
        if box.image in shared_ids:
            raise InputError(
                f"a box has image_id {box.image}, which several frames have; use a box file with image_name"
            )
        if place is None:
            dropped["of images that the annotations do not list"] += 1
        else:
            by_frame[place].append(box)
    return by_frame, dropped


def videos_of(boxes: Sequence[DetectedBox], store: ImageStore) -> list[VideoAnnotations]:
    """The videos that boxes name, with all of their frames that are on disk."""
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
    """The video with the box of their labelled joints for people without one of their own (2017)."""
    return replace(video, boxes=np.where(np.isnan(video.boxes), joint_boxes(video, rule), video.boxes))


def joint_boxes(video: VideoAnnotations, rule: str = "posetrack18") -> np.ndarray:
    """(P, 4) x, y, w, h around the labelled joints, by a rule of lib.pose.crop; NaN for people without one."""
    boxes = np.full((len(video.joints), 4), np.nan)
    for p, (joints, labeled) in enumerate(zip(video.joints, video.labeled, strict=True)):
        if labeled.any():
            boxes[p] = joints_box(joints[labeled], rule)
    return boxes


def _clip(box: np.ndarray, width: int, height: int, rule: str) -> np.ndarray | None:
    """A ground-truth box inside its image; None if nothing of it is."""
    return clip_box(box, width, height, rule) if _overlaps(box, width, height) else None


def _with_area(box: np.ndarray) -> np.ndarray | None:
    """A box that is a crop; None if it has no size."""
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


def reasons(dropped: Counter) -> str:
    """How many boxes were left out and why, to stand at the end of a message."""
    parts = [f"{count} boxes {reason}" for reason, count in dropped.items() if count]
    return f"; left out: {', '.join(parts)}" if parts else ""
