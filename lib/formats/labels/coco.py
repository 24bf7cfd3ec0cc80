"""Labels as a COCO-style keypoint file, which holds everything that Labels do.

Keypoints follow COCO's convention: (0, 0) is the center of the first pixel. (CVAT's COCO export puts it at the corner,
as CVAT does. The file does not say so, and its labels are read with an offset of half a pixel.)
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.coco import JOINT_EVIDENCE, OPEN_JOINTS
from lib.formats.coco_records import box_around, category_record, check_coco, person_record
from lib.formats.json_fields import id_column, is_true, number_column, records, whole_number
from lib.formats.labels.frames import Frame, frame_name, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.model import HIDDEN, NOT_LABELED, VISIBLE, Labels, check_names, checked_labels
from lib.formats.posetrack18 import keypoint_category, keypoint_names
from lib.formats.video_annotations import NO_SCORE
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json

logger = logging.getLogger(__name__)


def read(path: str | Path) -> Labels:
    """Read a COCO-style file with any joints, of images or of frames of any videos.

    The `file_name` identifies a frame: `clip.mp4#79` is frame 79 of a video. The number of an image is the last number
    in its name, and its video is its folder, unless the file lists `videos` (as CocoVID does): then `video_id` and
    `frame_id` are used. Joints with `v` 1 are hidden, those with any other positive `v` are visible. People with
    `iscrowd` are dropped with a warning.

    Args:
        path: The file.

    Returns:
        The labels.

    Raises:
        InputError: If the file is not a COCO-style file, or is invalid. The message names the record and the key.
    """
    return labels_of(read_json(path), path)


def labels_of(content: Any, path: str | Path) -> Labels:
    """Convert the content of a COCO-style file to labels, as `read` does.

    Args:
        content: The parsed JSON.
        path: The file that `content` was read from, for error messages.

    Returns:
        The labels.

    Raises:
        InputError: As in `read`.
    """
    names, edges = _joints(check_coco(content, path), path)
    category = keypoint_category(content).get("name")
    images = records(content, "images", path)
    ids = id_column(images, "id", f"{path}: images").tolist()
    if len(set(ids)) < len(ids):
        raise InputError(f"{path}: images: two of them share an id")
    people, where = records(content, "annotations", path), f"{path}: annotations"
    crowds = sum(is_true(person.get("iscrowd", 0)) for person in people)
    if crowds:
        logger.warning("%s: annotations of crowds left out: %d", path, crowds)
        people = [person for person in people if not is_true(person.get("iscrowd", 0))]
    place = {image_id: index for index, image_id in enumerate(ids)}
    frame = [place.get(image_id, -1) for image_id in id_column(people, "image_id", where).tolist()]
    if -1 in frame:
        bad = people[frame.index(-1)]
        raise InputError(f"{where}: image_id {bad['image_id']!r} is not in 'images'")
    keypoints = number_column(people, "keypoints", 3 * len(names), where, 0.0).reshape(-1, len(names), 3)
    seen, flags = keypoints[:, :, 2] > 0, keypoints[:, :, 2]
    track = id_column(people, "track_id", where, -1)
    track_names = {int(t): person["track_name"] for t, person in zip(track, people, strict=True) if _name(person)}
    return checked_labels(
        path,
        names,
        _frames(content, images, path),
        frame,
        keypoints[:, :, :2],
        visibility=np.where(seen, np.where(flags == HIDDEN, HIDDEN, VISIBLE), NOT_LABELED),
        track=track,
        scores=joint_scores(people, len(names), where),
        boxes=number_column(people, "bbox", 4, where, np.nan),
        edges=edges,
        track_names=track_names,
        category="individual" if category is None else str(category),
    )


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write the labels; a pose without a box gets the box around its joints.

    Args:
        path: The file to write.
        labels: The labels.

    Returns:
        An empty list: the format holds everything.
    """
    write_json(path, content_of(labels))
    return []


def keep_manual_labels(content: Any, path: str | Path) -> dict[str, Any]:
    """Return the content of a COCO-style file without joints set by a program, which have scores.

    Frames with such joints are not labeled as a whole (`is_labeled` is false). In poses with joints of both kinds,
    those of a program, and missing joints with a score, are listed as open joints. Poses without any other joints are
    dropped.

    Args:
        content: The parsed JSON.
        path: The file that `content` was read from, for error messages.

    Returns:
        The new content; the annotations have no scores.

    Raises:
        InputError: As in `read`, or if no joint is left.
    """
    labels = labels_of(content, path)
    people = [person for person in content["annotations"] if not is_true(person.get("iscrowd", 0))]
    scores = _raw_scores(people, len(labels.names), f"{path}: annotations")
    not_found = ~labels.labeled & ~np.isnan(scores) & (scores != NO_SCORE)
    programs = (labels.labeled & ~np.isnan(labels.scores)) | not_found
    kept = []
    for person, labeled, others in zip(people, labels.labeled, programs, strict=True):
        if not (labeled & ~others).any():
            continue
        if others.any():
            keypoints = np.reshape(person["keypoints"], (-1, 3)).astype(float)
            keypoints[others] = 0
            person = person | {
                "keypoints": keypoints.ravel().tolist(),
                "num_keypoints": int((keypoints[:, 2] > 0).sum()),
                OPEN_JOINTS: [labels.names[joint] for joint in np.flatnonzero(others)],
            }
        kept.append({key: value for key, value in person.items() if key not in (*JOINT_EVIDENCE, "score")})
    if not kept:
        raise InputError(f"{path}: no joint is labeled by a person; all have scores")
    if len(kept) < len(people):
        logger.info("%s: %d poses set by a program, which have scores, are left out", path, len(people) - len(kept))
    partial = set(labels.frame[programs.any(axis=1)].tolist())
    images = [image | ({"is_labeled": False} if i in partial else {}) for i, image in enumerate(content["images"])]
    return content | {"images": images, "annotations": kept}


def content_of(labels: Labels) -> dict[str, Any]:
    """Return the content of a COCO-style file with the labels."""
    videos = [name for name in dict.fromkeys(frame.video for frame in labels.frames) if name]
    images = []
    labeled = set(labels.frame[labels.labeled.any(axis=1)].tolist())
    for index, frame in enumerate(labels.frames):
        image = {"id": index, "file_name": frame_name(frame), "is_labeled": index in labeled}
        image |= {key: getattr(frame, key) for key in ("width", "height") if getattr(frame, key)}
        image |= {"video_id": videos.index(frame.video)} if frame.video else {}
        images.append(image | ({"frame_id": frame.number} if frame.number >= 0 else {}))
    return {
        "videos": [{"id": index, "name": name} for index, name in enumerate(videos)],
        "images": images,
        "annotations": [_record(labels, person) for person in range(len(labels.frame))],
        "categories": [category_record(labels.names, labels.category, labels.edges)],
    }


def _joints(content: dict[str, Any], path: str | Path) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the names of the joints, and the pairs of connected joints by index."""
    names = keypoint_names(content, path)
    category, categories = keypoint_category(content), content["categories"]
    where = f"categories[{categories.index(category)}]"
    check_names(names, f"{path}: {where}: 'keypoints'")
    for index, other in enumerate(categories):
        if other.get("keypoints") not in (None, [], names):
            raise InputError(f"{path}: categories[{index}]: other 'keypoints' than in {where}; keep one of them")
    pairs = category.get("skeleton") or []
    try:
        edges = np.array(pairs, dtype=np.int64).reshape(-1, 2) - 1
    except (TypeError, ValueError, OverflowError):
        edges = np.full((1, 2), -1)
    if edges.size and not 0 <= edges.min() <= edges.max() < len(names):
        line = "%s: %s: 'skeleton' is ignored: it must be pairs of numbers from 1 to %d"
        logger.warning(line, path, where, len(names))
        return names, []
    return names, [(first, second) for first, second in edges.tolist()]


def _frames(content: dict[str, Any], images: list[dict[str, Any]], path: str | Path) -> list[Frame]:
    videos = records(content, "videos", path) if "videos" in content else None
    video_names = {whole_number(video.get("id")): str(video.get("name", "")) for video in videos or []}
    frames = []
    for index, image in enumerate(images):
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            raise InputError(f"{path}: images[{index}]: no 'file_name'")
        width, height = (max(whole_number(image.get(key)) or 0, 0) for key in ("width", "height"))
        frame = named_frame(name, width, height)
        if videos is not None and frame.file_name:
            number, video = whole_number(image.get("frame_id")), image.get("video_id")
            number = -1 if number is None else max(number, -1)
            frame = Frame(video_names.get(whole_number(video), ""), number, name, width, height)
        frames.append(frame)
    return frames


def _name(person: dict[str, Any]) -> bool:
    return isinstance(person.get("track_name"), str) and person.get("track_id") is not None


def joint_scores(people: list[dict[str, Any]], joints: int, where: str) -> np.ndarray:
    """Return the scores of joints that a program set.

    Args:
        people: P annotations.
        joints: Number of joints, J.
        where: The file and the key, for messages.

    Returns:
        (P, J) `scores` of the joints, or else the `score` of their pose; NaN for joints that a person set: these have
        null, or their pose has neither key.

    Raises:
        InputError: A value is not a number.
    """
    whole = number_column(people, "score", 1, where, NO_SCORE)
    scores = _raw_scores(people, joints, where)
    scores = np.where(np.isnan(scores), whole, scores)
    return np.where(scores == NO_SCORE, np.nan, scores)


def _raw_scores(people: list[dict[str, Any]], joints: int, where: str) -> np.ndarray:
    """Return the (P, J) scores of the joints, NO_SCORE if a person set them; NaN for poses without `scores`."""
    known = [{"scores": _without_null(person.get("scores"))} for person in people]
    return number_column(known, "scores", joints, where, np.nan)


def _without_null(scores: Any) -> Any:
    """Replace null, the score of joints that a person set, by NO_SCORE."""
    return [NO_SCORE if score is None else score for score in scores] if isinstance(scores, list) else scores


def _record(labels: Labels, person: int) -> dict[str, Any]:
    labeled, joints = labels.labeled[person], labels.joints[person]
    keypoints = np.column_stack([np.nan_to_num(joints), labels.visibility[person]])
    box = labels.boxes[person]
    if np.isnan(box).any():
        box = box_around(joints[labeled])
    record = person_record(person + 1, int(labels.frame[person])) | {
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": int(labeled.sum()),
        "bbox": box.tolist(),
        "area": float(box[2] * box[3]),
        "iscrowd": 0,
    }
    track, scores = int(labels.track[person]), labels.scores[person]
    if track >= 0:
        record["track_id"] = track
    if track in labels.track_names:
        record["track_name"] = labels.track_names[track]
    if not np.isnan(scores).all():
        record["scores"] = np.where(labeled, np.where(np.isnan(scores), NO_SCORE, scores), 0).tolist()
    return record


def _recognizes(path: Path, start: bytes) -> bool:
    return start.startswith((b"{", b"["))


FORMAT = LabelFormat("coco", read, write, _recognizes, ("*.json",), is_general=True)
