"""Labels set by a person, of one video or of images, as the content of a COCO-style file."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from lib.formats.coco import check_labels, labeled_images
from lib.formats.json_fields import whole_number
from lib.formats.labels import coco as coco_labels
from lib.formats.labels.model import Labels, take_videos
from lib.formats.labels.registry import find_format, read_any_labels
from lib.frames.video import FrameFolder
from lib.labeling.video_match import LEARN_FROM_IMAGES
from lib.utils.errors import InputError
from lib.utils.files import frame_number, read_json

DAMAGED = "labels_of_damaged_frames"


@dataclass(frozen=True)
class PersonLabels:
    """Labels set by a person.

    Attributes:
        content: Content of a COCO-style file. Frames of a video file are named by number, other frames of a video have
            no folders.
        labels: The same labels, with the names of frames and videos as in their file.
    """

    content: dict[str, Any]
    labels: Labels


def read_person_labels(path: Path, video: Path | None) -> PersonLabels:
    """Return the labels set by a person, without those set by programs.

    Args:
        path: File of labels in any format.
        video: Video that the labels belong to; None if they belong to images.

    Raises:
        InputError: The file cannot be read, or contains no label of this video.
    """
    is_coco = find_format(path) == "coco"
    content = read_json(path) if is_coco else coco_labels.content_of(read_any_labels(path))
    content = coco_labels.keep_manual_labels(content, path)
    labels = coco_labels.labels_of(content, path)
    if video:
        labels = _choose_video(content, labels, path, video)
    return PersonLabels(check_labels(content, path, of_video=video is not None), labels)


def _choose_video(content: dict[str, Any], labels: Labels, path: Path, video: Path) -> Labels:
    """Drop frames of other videos in place, name those of a video file by number, and return the labels of the rest."""
    names = {labels.frames[frame].video for frame in labels.frame} - {""}
    if len(names) > 1:
        matching = {name for name in names if PurePath(name).stem == video.stem}
        if len(matching) != 1:
            known, here = ", ".join(sorted(names)[:5]), video.stem
            raise InputError(f"{path}: labels of {len(names)} videos ({known}), none of which is named {here}")
        names = matching
    names.add("")  # a file name without a folder
    kept = [pair for pair in zip(content["images"], labels.frames, strict=True) if pair[1].video in names]
    content["images"] = [image for image, _ in kept]
    ids = {whole_number(image["id"]) for image, _ in kept}
    content["annotations"] = [one for one in content["annotations"] if whole_number(one["image_id"]) in ids]
    labels = take_videos(labels, names)
    if video.is_file():
        for image, frame in kept:
            if frame.number >= 0:
                image["file_name"] = f"{video.name}#{frame.number}"
    return labels


def match_frames(
    content: dict[str, Any], path: Path, frames: FrameFolder, video: Path, damaged: Collection[int] = ()
) -> dict[str, Any]:
    """Return the labels with the file names of the frames, without missing images that have no labels.

    Labels of damaged frames are left out. The entry DAMAGED of `info` counts them.

    Args:
        content: Labels of the video.
        path: Path to the labels, for messages.
        frames: Frames of the video.
        video: Path to the video, for messages.
        damaged: Numbers of the damaged frames, which `frames` does not have.

    Raises:
        InputError: A labeled frame is missing, all labeled frames are damaged, a frame is listed twice, or labels are
            outside a frame.
    """
    content = _without_frames(content, path, damaged)
    labeled, numbers, images, sized = labeled_images(content), set(), [], True
    for index, image in enumerate(content["images"]):
        number = frame_number(image["file_name"])
        if number is None or not frames.has(number):
            if image["id"] not in labeled:
                continue
            first, last = frames.numbers[0], frames.numbers[-1]
            raise InputError(
                f"{path}: images[{index}]: {image['file_name']} is labeled but does not exist in {video}, "
                f"which has frames {first} to {last}; {LEARN_FROM_IMAGES}"
            )
        number = frames.number_of(image["file_name"])
        if number in numbers:
            raise InputError(f"{path}: images[{index}]: frame {number} is listed twice: {image['file_name']}")
        numbers.add(number)
        if not image.get("width"):
            sized = False
            image["width"], image["height"] = frames.size(number)
        images.append(image | {"file_name": frames.name(number)})
    content = content | {"images": images}
    if not sized:
        coco_labels.labels_of(content, path)  # warns of labels outside the frames
    return content


def _without_frames(content: dict[str, Any], path: Path, damaged: Collection[int]) -> dict[str, Any]:
    """Return the labels of the frames that are not damaged, with a count of the others."""
    left_out = {image["id"] for image in content["images"] if frame_number(image["file_name"]) in damaged}
    kept = [person for person in content["annotations"] if person["image_id"] not in left_out]
    count = len(content["annotations"]) - len(kept)
    if not count:
        return content
    if not kept:
        raise InputError(f"{path}: all labeled frames are damaged")
    print(f"{path}: {count} labels of damaged frames are left out.")
    images = [image for image in content["images"] if image["id"] not in left_out]
    info = (content.get("info") or {}) | {DAMAGED: count}
    return content | {"images": images, "annotations": kept, "info": info}
