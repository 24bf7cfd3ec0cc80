"""PoseTrack's 2018 format: one COCO-like JSON file per video, with `images`, `annotations` and `categories`."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.coco_records import category_record, person_record
from lib.formats.json_fields import id_column, is_row, is_true, number_column, records, whole_number
from lib.formats.video_annotations import KEYPOINT_NAMES, KEYPOINT_OF_JOINT, NO_SCORE, VideoAnnotations
from lib.utils.errors import InputError
from lib.utils.files import write_json

logger = logging.getLogger(__name__)

CATEGORY = {"supercategory": "person"} | category_record(KEYPOINT_NAMES)


_JOINTS = tuple(KEYPOINT_NAMES[keypoint] for keypoint in KEYPOINT_OF_JOINT)


def read(content: dict[str, Any], path: str | Path, names: Sequence[str] = _JOINTS) -> VideoAnnotations:
    """Convert the content of a 2018 file, or of any COCO-style file of the frames of a video, to arrays.

    Annotations of images that the file does not list are dropped with a warning (the official tool drops them
    silently).

    Args:
        content: The parsed JSON.
        path: The file that `content` was read from, for the name of the video and error messages.
        names: The J joints to read, by their names in the file, in this order; PoseTrack's by default.

    Returns:
        The video.

    Raises:
        InputError: If a key is missing or has an invalid value. The message names the file, record and key.
    """
    images = records(content, "images", path)
    frame_of_id = _frames_by_id(images, path)
    unlabeled = not content.get("annotations")  # a split without labels may omit the key and the categories
    annotations = [] if unlabeled else records(content, "annotations", path)
    order, person_frame = _order_by_frame(annotations, frame_of_id, path)
    own_names = names if unlabeled else keypoint_names(content, path)
    columns, num_keypoints = _joint_columns(own_names, names, path), len(own_names)

    def table(key: str, width: int, absent: float) -> np.ndarray:
        return number_column(annotations, key, width, f"{path}: annotations", absent)[order]

    keypoints = table("keypoints", 3 * num_keypoints, 0.0).reshape(-1, num_keypoints, 3)[:, columns]
    present = (keypoints[:, :, 0] != 0) | (keypoints[:, :, 1] != 0) | (keypoints[:, :, 2] != 0)
    head_boxes = table("bbox_head", 4, np.nan)
    head_boxes[:, 2:] += head_boxes[:, :2]
    has_persons = np.bincount(person_frame, minlength=len(images)) > 0
    return VideoAnnotations(
        name=Path(path).stem,
        frame_names=_frame_names(images, path),
        image_ids=list(frame_of_id),
        frame_labeled=np.array(
            [is_true(image.get("is_labeled", has_persons[i])) for i, image in enumerate(images)], bool
        ),
        nframes=(images and whole_number(images[0].get("nframes"))) or len(images),
        ignore_regions=[_ignore_regions(image, f"{path}: images[{index}]") for index, image in enumerate(images)],
        person_frame=person_frame,
        has_joint_list=np.array([bool(annotation.get("keypoints")) for annotation in annotations], dtype=bool)[order],
        joints=keypoints[:, :, :2],
        present=present,
        labeled=keypoints[:, :, 2] > 0,
        scores=np.where(present, table("scores", num_keypoints, NO_SCORE)[:, columns], NO_SCORE),
        person_scores=_unscored(annotations, "score", 1, path)[order, 0],
        track_ids=id_column(annotations, "track_id", f"{path}: annotations", -1)[order],
        annotation_ids=_annotation_ids(annotations)[order],
        head_boxes=head_boxes,
        boxes=_unscored(annotations, "bbox", 4, path)[order],
        crowd=np.array([is_true(annotation.get("iscrowd", 0)) for annotation in annotations], dtype=bool)[order],
    )


def _unscored(annotations: list[dict[str, Any]], key: str, width: int, path: str | Path) -> np.ndarray:
    """Return (N, width) numbers that no score depends on; rows that other tools write differently are NaN."""
    try:
        return number_column(annotations, key, width, f"{path}: annotations", np.nan)
    except InputError:
        rows: list[Any] = [annotation.get(key) for annotation in annotations]
        rows = [np.ravel(row) if is_row(row, width) else np.full(width, np.nan) for row in rows]
        return np.array(rows, dtype=np.float64).reshape(-1, width)


def _annotation_ids(annotations: list[dict[str, Any]]) -> np.ndarray:
    """Return (N,) ids; −1 if an id is not a whole number, since most uses of a file need no ids."""
    ids = [whole_number(annotation.get("id")) for annotation in annotations]
    return np.array([-1 if own is None else own for own in ids], dtype=np.int64)


def write(path: str | Path, video: VideoAnnotations) -> None:
    """Write a video in the 2018 format; unknown values are omitted, and an absent joint is three zeros.

    Args:
        path: The file to write.
        video: The video.
    """
    images = []
    for index, (name, image_id) in enumerate(zip(video.frame_names, video.image_ids, strict=True)):
        image = {
            "file_name": name,
            "id": image_id,
            "frame_id": image_id,
            "nframes": video.nframes,
            "is_labeled": bool(video.frame_labeled[index]),
        }
        images.append(image | region_keys(video.ignore_regions[index]))
    write_json(path, {"images": images, "annotations": person_records(video), "categories": [CATEGORY]})


def region_keys(polygons: list[np.ndarray]) -> dict[str, list]:
    """Return the keys of an image that hold its ignore regions.

    Args:
        polygons: The regions, each (n, 2) x, y in pixels.

    Returns:
        The keys and their values; empty if there are no regions.
    """
    if not polygons:
        return {}
    return {f"ignore_regions_{axis}": [polygon[:, k].tolist() for polygon in polygons] for k, axis in enumerate("xy")}


def person_records(video: VideoAnnotations) -> list[dict[str, Any]]:
    """Return the `annotations` entries of a video's people, in their order."""
    num_persons = len(video.person_frame)
    keypoints = np.zeros((num_persons, len(KEYPOINT_NAMES), 3))
    keypoints[:, KEYPOINT_OF_JOINT, :2] = np.where(video.present[:, :, None], video.joints, 0)
    keypoints[:, KEYPOINT_OF_JOINT, 2] = video.labeled
    scores = np.zeros((num_persons, len(KEYPOINT_NAMES)))
    scores[:, KEYPOINT_OF_JOINT] = np.where(video.present, video.scores, 0)
    has_scores = (video.present & (video.scores != NO_SCORE)).any(axis=1)
    head_boxes = np.hstack([video.head_boxes[:, :2], video.head_boxes[:, 2:] - video.head_boxes[:, :2]])

    annotations = []
    for person, frame in enumerate(video.person_frame):
        annotation = person_record(person + 1, video.image_ids[frame])
        if video.track_ids[person] >= 0:
            annotation["track_id"] = int(video.track_ids[person])
        if video.has_joint_list[person]:
            annotation["keypoints"] = keypoints[person].ravel().tolist()
            annotation["scores"] = scores[person].tolist() if has_scores[person] else []
        if video.crowd[person]:
            annotation["iscrowd"] = 1
        for key, table in (("score", video.person_scores), ("bbox", video.boxes), ("bbox_head", head_boxes)):
            if not np.isnan(table[person]).any():
                annotation[key] = table[person].tolist()
        annotations.append(annotation)
    return annotations


def _frames_by_id(images: list[dict[str, Any]], path: str | Path) -> dict[int, int]:
    frame_of_id: dict[int, int] = {}
    for index, image in enumerate(images):
        image_id = whole_number(image.get("id"))
        if image_id is None:
            raise InputError(f"{path}: images[{index}]: 'id' must be a whole number, not {image.get('id')!r}")
        if image_id in frame_of_id:
            raise InputError(f"{path}: images[{index}]: id {image_id} is used twice")
        frame_of_id[image_id] = index
    return frame_of_id


def _frame_names(images: list[dict[str, Any]], path: str | Path) -> list[str]:
    for index, image in enumerate(images):
        if not isinstance(image.get("file_name"), str):
            raise InputError(f"{path}: images[{index}]: 'file_name' must be a string, not {image.get('file_name')!r}")
    return [image["file_name"] for image in images]


def _ignore_regions(image: dict[str, Any], where: str) -> list[np.ndarray]:
    all_x, all_y = image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or []
    try:
        polygons = [np.array([x, y], dtype=np.float64).T for x, y in zip(all_x, all_y, strict=True)]
    except (TypeError, ValueError):
        polygons = [np.empty(0)]
    if not all(polygon.ndim == 2 and np.isfinite(polygon).all() for polygon in polygons):
        raise InputError(f"{where}: 'ignore_regions_x' and 'ignore_regions_y' must be lists of polygons, equally long")
    return polygons


def _order_by_frame(
    annotations: list[dict[str, Any]], frame_of_id: dict[int, int], path: str | Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the annotations of known images, sorted by frame, and their frames."""
    image_ids = id_column(annotations, "image_id", f"{path}: annotations")
    frames = np.array([frame_of_id.get(image_id, -1) for image_id in image_ids.tolist()], dtype=np.int64)
    num_unknown = np.count_nonzero(frames < 0)
    if num_unknown:
        logger.warning("%s: %d annotations are left out: their image_id is not in 'images'", path, num_unknown)
    order = np.argsort(frames, kind="stable")[num_unknown:]
    return order, frames[order]


def keypoint_category(content: dict[str, Any]) -> dict[str, Any]:
    """Return the first category that lists joints, else the first category, else an empty dict.

    Other categories may precede it, such as Roboflow's supercategory.

    Args:
        content: The content of a COCO-style file.

    Returns:
        The category.
    """
    categories = content["categories"]
    return next((category for category in categories if category.get("keypoints")), next(iter(categories), {}))


def keypoint_names(content: dict[str, Any], path: str | Path) -> list[str]:
    """Return the names of the joints, from the first category of a COCO-style file that lists any.

    Args:
        content: The content of the file.
        path: The file that `content` was read from, for error messages.

    Returns:
        The names.

    Raises:
        InputError: If no category lists joints.
    """
    categories = records(content, "categories", path)
    category = keypoint_category(content)
    names = category.get("keypoints")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        place = categories.index(category) if categories else 0
        raise InputError(f"{path}: categories[{place}] lacks 'keypoints', the list of the joints' names")
    return names


def keypoint_sigmas(content: dict[str, Any], path: str | Path) -> list[float] | None:
    """Return `sigmas`, the OKS constants of the joints, from the category that lists the joints.

    Args:
        content: The content of a COCO-style file.
        path: The file that `content` was read from, for error messages.

    Returns:
        One constant per joint; None if the category has none.

    Raises:
        InputError: If they are not one positive number for each joint.
    """
    category = keypoint_category(content)
    sigmas = category.get("sigmas")
    if sigmas is None:
        return None
    count = len(category["keypoints"])
    if not is_row(sigmas, count) or not all(isinstance(sigma, int | float) and sigma > 0 for sigma in sigmas):
        place = content["categories"].index(category)
        raise InputError(f"{path}: categories[{place}]: 'sigmas' must be {count} numbers over 0, one for each joint")
    return [float(sigma) for sigma in sigmas]


def _joint_columns(names: Sequence[str], wanted: Sequence[str], path: str | Path) -> list[int]:
    """Return the index of each wanted joint in the file's list of keypoint names."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(f"{path}: categories: 'keypoints' lacks {', '.join(missing)}")
    return [names.index(name) for name in wanted]
