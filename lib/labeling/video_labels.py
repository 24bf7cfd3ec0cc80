"""Labels set by a person, of one video or of images, as the content of a COCO-style file."""

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
    content = coco_labels.set_by_person(content, path)
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


def match_frames(content: dict[str, Any], path: Path, frames: FrameFolder, video: Path) -> dict[str, Any]:
    """Return the labels with the file names of the frames, without missing images that have no labels.

    Args:
        content: Labels of the video.
        path: Path to the labels, for messages.
        frames: Frames of the video.
        video: Path to the video, for messages.

    Raises:
        InputError: A labeled frame is missing or damaged, a frame is listed twice, or labels are outside a frame.
    """
    labeled, numbers, images, sized = labeled_images(content), set(), [], True
    for index, image in enumerate(content["images"]):
        number = frame_number(image["file_name"])
        if number is None or not frames.has(number):
            if image["id"] not in labeled:
                continue
            first, last = frames.numbers[0], frames.numbers[-1]
            raise InputError(
                f"{path}: images[{index}]: {image['file_name']} is labeled, but it is missing or damaged: "
                f"the frames of {video} are {first} to {last}; {LEARN_FROM_IMAGES}"
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
        coco_labels.labels_of(content, path)  # refuses labels outside the frames
    return content
